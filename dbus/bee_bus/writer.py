"""The sending half of a connection.

It stands in for dbus-next's own, which takes a full socket for the end of the connection: a burst of
signals, or one slow reader on the bus, would end the service.
"""

import array
import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING

from dbus_next.message import Message

if TYPE_CHECKING:
    from bee_bus.connection import Connection

Sent = asyncio.Future[None]

# So much is handed to the kernel in one go.
BATCH_BYTES = 64 << 10


class Writer:
    """Messages waiting for the socket, in order. The method names are those that dbus-next calls."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._socket = connection._sock
        self._waiting: deque[tuple[memoryview, list[int], Sent | None]] = deque()
        self._scheduled = False  # to be written at the end of this turn
        self._full = False  # the socket: the loop watches it

    def schedule_write(self, msg: Message | None = None, future: Sent | None = None) -> None:
        """Queue a message; before the bus has greeted us, messages only wait."""
        if msg is not None:
            data = memoryview(bytes(msg._marshall(negotiate_unix_fd=True)))  # type: ignore[no-untyped-call]
            self._waiting.append((data, list(msg.unix_fds or ()), future))
        if self._connection.connected and not self._scheduled and not self._full:
            self._scheduled = True
            self._loop.call_soon(self.write_callback)

    def write_callback(self) -> None:
        """Hand the socket what it takes; the rest when it takes more."""
        self._scheduled = False
        try:
            while self._waiting:
                self._write_some()
        except BlockingIOError:
            if not self._full:
                self._full = True
                self._loop.add_writer(self._socket.fileno(), self.write_callback)
        except OSError as error:
            self._connection._finalize(error)
        else:
            if self._full:
                self._full = False
                self._loop.remove_writer(self._socket.fileno())

    def fail(self, error: Exception) -> None:
        """The connection has ended: tell everybody whose message has not left."""
        while self._waiting:
            _, _, future = self._waiting.popleft()
            if future is not None and not future.done():
                future.set_exception(error)

    def _write_some(self) -> None:
        data, fds, _ = self._waiting[0]
        if fds:
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            self._consume(self._socket.sendmsg([data], passed))
            return
        batch: list[memoryview] = []
        size = 0
        for data, fds, _ in self._waiting:
            if fds or size > BATCH_BYTES or len(batch) == 64:
                break
            batch.append(data)
            size += len(data)
        self._consume(self._socket.sendmsg(batch))

    def _consume(self, sent_bytes: int) -> None:
        """So many bytes have left, and with the first of them the file descriptors of their message."""
        while self._waiting:
            data, _fds, future = self._waiting[0]
            if sent_bytes < len(data):
                if sent_bytes:
                    self._waiting[0] = (data[sent_bytes:], [], future)
                return
            sent_bytes -= len(data)
            self._waiting.popleft()
            if future is not None and not future.done():
                future.set_result(None)
            if not sent_bytes:
                return
