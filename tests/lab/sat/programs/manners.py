"""How every kind of tool can misbehave, and what is kept of each call."""

import json
import os
import signal
import sys
import time
from pathlib import Path

WORK_SECONDS = 0.2  # in place of the time that a tool is told to work


def record_call(folder: Path, tool: str, words: list[str]) -> None:
    """Who was called how: the caller's uid, niceness and what CUDA may see are of interest too."""
    said = {
        "tool": tool,
        "words": words,
        "uid": os.geteuid(),
        "nice": os.nice(0),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    descriptor = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, json.dumps(said).encode() + b"\n")
    os.close(descriptor)


def manner_of(folder: Path, tool: str) -> str:
    try:
        return (folder / "manners" / tool).read_text().strip()
    except FileNotFoundError:
        return "works"


def misbehave(folder: Path, manner: str) -> None:
    """What every kind of tool can do wrong."""
    if manner == "hangs":
        ignore_signals()
        wait_for(folder / "never")
    elif manner == "leaves children":
        leave_children(folder)
        wait_for(folder / "never")
    elif manner == "leaves children and ends":
        leave_children(folder)
        sys.exit(0)
    elif manner == "prints garbage":
        os.write(1, os.urandom(200_000) + b"\n" * 1000 + b"Status: \x00\xff\xfe" * 100)
        sys.exit(0)
    elif manner == "prints a gigabyte":
        for _ in range(1024):
            os.write(1, (b"all is well, all is well, all is well\n" * 28_000)[: 1 << 20])
        sys.exit(0)
    elif manner == "does nothing":
        sys.exit(0)
    elif manner == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif manner == "waits":
        wait_for(folder / "go")


def ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def leave_children(folder: Path) -> None:
    """A child in the session, one in a session of its own, and one that its parent has left to init."""
    tool = os.getpid()
    signs = {how: folder / "children" / f"{tool}-{how}" for how in ("child", "session", "orphan")}
    for how, sign in signs.items():
        if os.fork():
            continue
        ignore_signals()
        if how != "child":
            os.setsid()
        if how == "orphan" and os.fork():
            os._exit(0)
        sign.touch()
        wait_for(folder / "never")
    for sign in signs.values():
        wait_for(sign)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.02)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
