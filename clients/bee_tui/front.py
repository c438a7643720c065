"""Another program has the terminal for a while: a shell, nvtop. The event loop goes on meanwhile."""

import asyncio
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress

NOT_THERE = 127  # as a shell says it


async def run_in_front(argv: Sequence[str], *, variables: Mapping[str, str] | None = None) -> int:
    """Run a program in the foreground of our terminal; its exit status, 127 when it cannot be started.

    It is a process group of its own, so that Ctrl-C means it and not the menu. One that is stopped (Ctrl-Z)
    goes on at once, for here is no shell to bring it back. Cancelled, the program is told to hang up.
    """
    terminal = sys.stdin.fileno()
    settings = termios.tcgetattr(terminal)
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, changed.set)
    try:
        try:
            child = _start(argv, {**os.environ, **(variables or {})}, terminal)
        except (OSError, subprocess.SubprocessError):
            return NOT_THERE
        try:
            while (status := _state(child.pid)) is None:
                await changed.wait()
                changed.clear()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGHUP)
                os.killpg(child.pid, signal.SIGCONT)
            raise
        child.returncode = status
        return status
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)
        _to_front(terminal, os.getpgrp())
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, settings)


def _start(argv: Sequence[str], environment: Mapping[str, str], terminal: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        list(argv),
        env=environment,
        process_group=0,
        # It is in front before it can read a key. Nothing in it needs a lock that another thread may hold.
        preexec_fn=lambda: _to_front(terminal, 0),  # noqa: PLW1509
    )


def _state(pid: int) -> int | None:
    """The exit status of a child, negative for a signal; None while it lives."""
    found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if not found:
        return None
    if os.WIFSTOPPED(status):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)
        return None
    return os.waitstatus_to_exitcode(status)


def _to_front(terminal: int, group: int) -> None:
    """Make a process group, or with 0 our own, the one that the terminal's keys are for."""
    # Whoever does this from the background is stopped by SIGTTOU, unless it is blocked.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        with suppress(OSError):  # not our controlling terminal: there is nothing to take
            os.tcsetpgrp(terminal, group or os.getpgrp())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
