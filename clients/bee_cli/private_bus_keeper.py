"""The process behind a private bus: starts the bus daemon, and ends all of it when the program in front ends.

Usage: private_bus_keeper.py DBUS_DAEMON FOLDER READY_FD COVERED...

It is told to end by the end of its standard input, which also comes when the program in front is killed.
Whatever the bus daemon starts becomes a child of this process at the latest when it loses its parent. Run
with ``python -I -S``, so nothing but the standard library is here.
"""

import contextlib
import os
import signal
import sys
import time

PATIENCE_SECONDS = 10.0  # for services to end their work after SIGTERM

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def main(daemon: str, folder: str, ready_fd: str, *covered: str) -> int:
    for place in covered:
        if os.path.exists(place):
            _run("mount", "--bind", f"{folder}/root{place}", place)
    command = [daemon, f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile", "--nosyslog"]
    log = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.posix_spawn(
        daemon,
        [*command, f"--print-address={ready_fd}"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, nothing, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ],
    )
    os.close(int(ready_fd))
    _adopt_orphans()
    while os.read(0, 4096):
        pass
    _end_all()
    _remove(folder)
    return 0


def _adopt_orphans() -> None:
    """Become the parent of whatever loses its own here: services that the bus daemon starts, their tools."""
    import ctypes  # after the bus has been started, it takes a while

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    _reap()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(*command: str) -> None:
    pid = os.posix_spawnp(command[0], list(command), os.environ)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with status {status}")


def _end_all() -> None:
    """End every process that came from here: asked first, made to after a while."""
    started = time.monotonic()
    asked: set[int] = set()
    while ours := _descendants():
        late = time.monotonic() - started > PATIENCE_SECONDS
        for pid in ours if late else ours - asked:
            asked.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.005)


def _descendants() -> set[int]:
    """The processes below this one, the dead too until their parent has seen it."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
            parents[int(name)] = int(stat.read().rpartition(b")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _remove(folder: str) -> None:
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(parent, name))
        for name in folders:
            path = os.path.join(parent, name)
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)
    os.rmdir(folder)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # a handler, not SIG_IGN, which the children would inherit
    sys.exit(main(*sys.argv[1:]))
