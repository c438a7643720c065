"""A stand-in for the kernel's log, /dev/kmsg."""

import socket


class FakeKernelLog:
    """Gives one record a read, as the kernel does. ``file``: the descriptor to read from."""

    def __init__(self) -> None:
        self._writer, reader = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader.setblocking(False)
        self.file = reader.detach()
        self._sequence = 100

    def say(self, text: str, *, priority: int = 3, skip: int = 0, device: str = "") -> None:
        self._sequence += 1 + skip
        rest = f" SUBSYSTEM=pci\n DEVICE={device}\n" if device else ""
        self._writer.send(f"{priority},{self._sequence},{self._sequence * 1000},-;{text}\n{rest}".encode())

    def garbage(self) -> None:
        self._writer.send(b"no record")

    def close(self) -> None:
        self._writer.close()
