"""The real ipmitool, asking the lab's BMC by its "dummy" interface: what it says is what ours must say."""

import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from lab.bmc import Bmc

# struct dummy_rq and dummy_rs of ipmitool's src/plugins/dummy/dummy.h
_REQUEST = struct.Struct("@BBBBHP")
_RESPONSE = struct.Struct("@BBBBBiP")
_BYE = 0x3F


class Ipmitool:
    """``run("sdr", "elist")`` is the tool's standard output."""

    def __init__(self, bmc: Bmc, folder: Path) -> None:
        program = shutil.which("ipmitool")
        if program is None:
            pytest.skip("needs ipmitool (apt-get install ipmitool)")
        self._program = program
        self._bmc = bmc
        self._path = folder / "ipmi"

    def run(self, *words: str) -> str:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen(1)
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            try:
                ended = subprocess.run(
                    [self._program, "-Z", "-I", "dummy", *words],
                    env={**os.environ, "IPMI_DUMMY_SOCK": str(self._path), "LC_ALL": "C"},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(timeout=5)
                self._path.unlink()
        return ended.stdout

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        while head := _exactly(connection, _REQUEST.size):
            function, lun, command, _, length, _ = _REQUEST.unpack(head)
            data = _exactly(connection, length)
            if function == _BYE:
                return
            answer = self._bmc.answer(function, command, data)
            head = _RESPONSE.pack(function | 1, command, 0, lun, answer[0], len(answer) - 1, 0)
            connection.sendall(head)
            connection.sendall(answer[1:])


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            return b""
        data += part
    return data
