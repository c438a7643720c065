"""What systemd wants to hear from a service: sd_notify(3), without a library."""

import contextlib
import os
import socket


def notify(*states: str) -> None:
    """Tell systemd, if it started us: ``notify("READY=1", "STATUS=...")``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    # Nobody listening is nobody's problem: the service works without systemd.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to,
    ):
        to.sendto("\n".join(states).encode(), name)


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life, when it does."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        period = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return None
    return period if period > 0 else None
