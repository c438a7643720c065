"""The sockets that requests come by: those that systemd opened, or one of our own on a port."""

import os
import socket
from collections.abc import Mapping

from tornado.netutil import bind_sockets

_FIRST = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
_MANY = 16  # more than the unit will ever have
BACKLOG = 256


class NoSocket(Exception):
    """There is nothing to listen on; the message says why."""


def from_systemd(environment: Mapping[str, str] | None = None, *, first: int = _FIRST) -> list[socket.socket]:
    """The listening sockets that systemd passed to this very process; none when it did not start it.

    Raises NoSocket when what was passed is not a listening stream socket.
    """
    told = os.environ if environment is None else environment
    if told.get("LISTEN_PID") != str(os.getpid()):
        return []  # meant for another process, which left its environment to us
    count = told.get("LISTEN_FDS", "")
    if not count.isdecimal() or not 1 <= int(count) <= _MANY:
        raise NoSocket(f"LISTEN_FDS is 1 to {_MANY}, not {count!r}")
    return [_taken(number) for number in range(first, first + int(count))]


def on_port(port: int, address: str) -> list[socket.socket]:
    """Sockets of our own. Raises NoSocket when the port is taken or not ours to have."""
    try:
        return bind_sockets(port, address or None, backlog=BACKLOG)
    except OSError as error:
        where = f"{address or 'any address'}, port {port}"
        raise NoSocket(f"cannot listen on {where}: {error.strerror or error}") from error


def _taken(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        taken = socket.socket(fileno=number)
    except OSError as error:
        raise NoSocket(f"file descriptor {number} is not a socket: {error.strerror}") from error
    listens = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if taken.type != socket.SOCK_STREAM or not listens:
        taken.detach()
        raise NoSocket(f"file descriptor {number} is not a listening stream socket")
    taken.setblocking(False)
    return taken
