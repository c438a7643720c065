"""The keeper of one child: a small process between a service and a program that loads the machine.

`bee_machine.load` starts it by its path, with what to run as JSON; it uses the standard library alone. It
prepares the program where no thread of the service is in the way, and is the subreaper of all that comes of
it (prctl(2), PR_SET_CHILD_SUBREAPER): a process that leaves its parent, its session and its process group
becomes the keeper's own child, so that the keeper knows when none is left.

Its standard input is a pipe that the service holds. When that closes, because the child is to end or because
the service was killed, the keeper kills everything. What it knows at the end is one JSON line on ``status``.
"""

import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

KILL_SECONDS = 1.5  # what is not dead by then hangs in the kernel
NICENESS = 10  # best-effort I/O priority follows it: (10 + 20) / 5 = 6 of 7 (ioprio_set(2))
OOM_SCORE_ADJUST = 900  # when memory runs out, the load goes before what watches it

PF_EXITING = 0x4  # Linux, include/linux/sched.h
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_IPC_LOCK = 14
CAPABILITY_VERSION_3 = 0x20080522

_DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """``sys.argv[1]``: argv, program, status (a descriptor), folder, cgroup, user, cpus and memory_lock."""
    order = json.loads(sys.argv[1])
    os.set_inheritable(order["status"], False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    # Who ends a service often tells all its processes to end; the keeper goes when it has killed the rest.
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(order, keeper)
    ended = _watch(child, woken)
    left = _kill_all(child, ended)
    _tell(order["status"], exit_code=ended.get(child), left=left)


def _become(order: dict[str, Any], keeper: int) -> NoReturn:
    """In the child: turn into the program, or tell why not."""
    try:
        os.setsid()
        _join(order["cgroup"])
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(OOM_SCORE_ADJUST))
        _forbid_core_dump()
        if order["cpus"]:
            os.sched_setaffinity(0, order["cpus"])
        keep_lock = order["memory_lock"] and not _allow_memory_lock()
        if order["folder"]:
            os.chdir(order["folder"])
        if order["user"]:
            uid, gid = order["user"]
            os.setgroups([])
            os.setgid(gid)
            _prctl(PR_SET_KEEPCAPS, int(keep_lock))
            os.setuid(uid)
            if keep_lock:
                _keep_only_memory_lock()
            _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after setuid, which takes it away
        if os.getppid() != keeper:
            os._exit(127)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # What is ignored here stays so after exec; Python itself ignores the last two.
        for number in (*_DEAF_TO, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execv(order["program"], order["argv"])
    except OSError as error:
        _tell(order["status"], failed=error.strerror)
    finally:
        os._exit(127)


def _join(cgroup: str | None) -> None:
    if cgroup is None:
        return
    # Without it the keeper still finds the processes by their descent.
    with suppress(OSError), open(f"{cgroup}/cgroup.procs", "w") as file:
        file.write("0")


def _forbid_core_dump() -> None:
    # 1 rather than 0: it keeps a core dump from being piped to a program as well (Linux, fs/coredump.c).
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _allow_memory_lock() -> bool:
    """Whether the limit is gone; without CAP_SYS_RESOURCE it can only be raised to what the service has."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        return False
    return True


def _keep_only_memory_lock() -> None:
    """Keep the one capability that lifts that limit beyond setuid and exec (capabilities(7), ambient)."""
    low, none = 1 << CAP_IPC_LOCK, 0
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    sets = struct.pack("=6I", low, low, low, none, none, none)  # effective, permitted, inheritable, twice
    # Without the capability there is nothing to keep: the program meets the limit, and says so.
    if _libc.capset(header, sets) == 0:
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_IPC_LOCK)


def _watch(child: int, woken: int) -> dict[int, int]:
    """Until the program has ended or the service lets go of the pipe: exit codes by pid."""
    ended: dict[int, int] = {}
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while child not in ended:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                return ended
            os.read(woken, 4096)
            _reap(ended)
    return ended


def _reap(ended: dict[int, int]) -> bool:
    """Take leave of the children that have ended; whether there are others."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        ended[pid] = os.waitstatus_to_exitcode(status)


def _kill_all(child: int, ended: dict[int, int]) -> list[str]:
    """Kill until no descendant is left; the names of those that cannot die."""
    deadline = time.monotonic() + KILL_SECONDS
    while _reap(ended):
        # Each round finds what the dying handed on to the keeper, and what was forked during the last one.
        for pid in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return [_name(pid) for pid in _descendants() if not _is_dead(pid)]
        time.sleep(0.005)
    return []


def _descendants() -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(name)):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = children.get(os.getpid(), [])
    while found:
        yield from found
        found = [grandchild for pid in found for grandchild in children.get(pid, [])]


def _is_dead(pid: int) -> bool:
    """It runs no more, though the kernel may need a while yet to free a terabyte that it held."""
    fields = _stat(str(pid))
    return not fields or fields[0] in ("Z", "X") or bool(int(fields[6]) & PF_EXITING)


def _stat(pid: str) -> list[str]:
    """The fields after the name: state, parent, ... (proc_pid_stat(5)); none when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return f"{file.read().strip()} ({pid})"
    except OSError:
        return f"({pid})"


def _tell(status: int, **said: object) -> None:
    with suppress(BrokenPipeError):  # the service is gone
        os.write(status, json.dumps(said).encode() + b"\n")


def _prctl(option: int, value: int, third: int = 0) -> None:
    if _libc.prctl(option, value, third, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
