"""The process behind a private bus: starts the bus daemon, and ends all of it when the program in front ends.

Usage: private_bus_keeper.py DBUS_DAEMON FOLDER READY_FD COVERED...

It is told to end by the end of its standard input, which also comes when the program in front is killed. Everything
the bus daemon starts is in this process's session, which is how it is found again. Run with ``python -I -S``, so
nothing but the standard library is here.
"""

import os
import signal
import sys
import time

PATIENCE_SECONDS = 10.0  # for services to end their work after SIGTERM


def main(daemon: str, folder: str, ready_fd: str, *covered: str) -> int:
    for place in covered:
        if os.path.isdir(place):
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
    while os.read(0, 4096):
        pass
    _end_all()
    _remove(folder)
    return 0


def _run(*command: str) -> None:
    pid = os.posix_spawnp(command[0], list(command), os.environ)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with status {status}")


def _end_all() -> None:
    """End every process of the session: asked first, made to after a while."""
    started = time.monotonic()
    asked: set[int] = set()
    while others := _others():
        late = time.monotonic() - started > PATIENCE_SECONDS
        for pid in others:
            if late or pid not in asked:
                asked.add(pid)
                _signal(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.01)


def _others() -> set[int]:
    """The living processes of this session but this one."""
    session = os.getsid(0)
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            if os.getsid(int(name)) != session:
                continue
            with open(f"/proc/{name}/stat", "rb") as stat:
                state = stat.read().rpartition(b")")[2].split()[0]
        except OSError:
            continue  # it has ended meanwhile
        if state not in (b"Z", b"X"):
            found.add(int(name))
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _remove(folder: str) -> None:
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(parent, name))
        for name in folders:
            os.rmdir(os.path.join(parent, name))
    os.rmdir(folder)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # a handler, not SIG_IGN, which the children would inherit
    sys.exit(main(*sys.argv[1:]))
