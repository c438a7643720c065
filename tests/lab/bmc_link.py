"""The cable between QEMU's ``ipmi-bmc-extern`` device and `lab.bmc.Bmc`: a Unix socket.

The bytes are those of OpenIPMI's "VM" serial protocol, as QEMU's hw/ipmi/ipmi_bmc_extern.c speaks it. A
message ends with A0, a command to the machine with A1; AA escapes these three by setting bit 4 of the byte
after it. A message is a sequence number, network function and LUN, command, data, and a checksum that makes
the sum 0.
"""

import socket
import threading
from pathlib import Path
from types import TracebackType

from lab.bmc import Bmc

MESSAGE, COMMAND, ESCAPE = 0xA0, 0xA1, 0xAA
PROTOCOL_VERSION = bytes((0xFF, 1, COMMAND))
ENABLE_INTERRUPTS, DISABLE_INTERRUPTS = bytes((0x05, COMMAND)), bytes((0x06, COMMAND))
SET_GLOBAL_ENABLES = (0x06, 0x2E)


class BmcLink:
    """Serves one BMC on a socket until it is left."""

    def __init__(self, bmc: Bmc, path: Path) -> None:
        self._bmc = bmc
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, name="bmc", daemon=True)

    def __enter__(self) -> "BmcLink":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # shutdown wakes a thread that waits in accept, which close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(PROTOCOL_VERSION)
        message, escaped = bytearray(), False
        while received := _receive(connection):
            for byte in received:
                if byte == ESCAPE:
                    escaped = True
                elif byte == MESSAGE:
                    self._answer(connection, bytes(message))
                    message.clear()
                elif byte == COMMAND:
                    message.clear()  # version, capabilities, reset: nothing that this BMC acts on
                else:
                    message.append(byte & ~0x10 if escaped else byte)
                    escaped = False

    def _answer(self, connection: socket.socket, message: bytes) -> None:
        if len(message) < 4 or sum(message) & 0xFF or self._bmc.silent:
            return
        sequence, function, command, data = message[0], message[1], message[2], message[3:-1]
        if (function >> 2, command) == SET_GLOBAL_ENABLES and data:
            connection.sendall(ENABLE_INTERRUPTS if data[0] & 0x03 else DISABLE_INTERRUPTS)
        answer = bytes((sequence, function | 0x04, command)) + self._bmc.answer(function >> 2, command, data)
        connection.sendall(_escaped(answer + bytes((-sum(answer) & 0xFF,))) + bytes((MESSAGE,)))


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except OSError:
        return b""


def _escaped(raw: bytes) -> bytes:
    special = (MESSAGE, COMMAND, ESCAPE)
    return b"".join(bytes((ESCAPE, byte | 0x10)) if byte in special else bytes((byte,)) for byte in raw)
