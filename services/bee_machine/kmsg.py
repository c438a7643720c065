"""The kernel log as it is written: /dev/kmsg (Linux, Documentation/ABI/testing/dev-kmsg).

A read gives one record: "priority,sequence,microseconds,flags;text", then lines " KEY=value" about the
device. Control characters in the text are written as \\xNN. Other programs may write to the log too, with a
facility other than the kernel's.
"""

import asyncio
import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

KMSG = "/dev/kmsg"
KERNEL = 0  # the facility of the kernel itself (syslog(3))
ERROR = 3  # and the priority of an error; below it are critical, alert and emergency

_RECORD_LIMIT_BYTES = 1 << 16  # a longer one cannot be read (EINVAL); the kernel's are up to 8 KiB
_DEVICE = os.makedev(1, 11)  # Documentation/admin-guide/devices.txt
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")


class LogUnreadable(Exception):
    """The kernel log cannot be read; the message says why."""


@dataclass(frozen=True)
class KernelMessage:
    """``fields``: SUBSYSTEM and DEVICE, where the kernel names the device that the message is about."""

    priority: int  # 0 emergency to 7 debug
    facility: int  # 0: the kernel itself
    sequence: int
    boot_seconds: float
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)


def parse_message(record: bytes) -> KernelMessage | None:
    """None for what is no record."""
    head, semicolon, body = record.partition(b";")
    text, *rest = body.removesuffix(b"\n").split(b"\n")
    try:
        # More values may follow the flags in later kernels ("caller=T1").
        number, sequence, microseconds, _flags = head.decode("ascii").split(",")[:4]
        prefix = int(number)
        if not semicolon or prefix < 0:
            return None
        return KernelMessage(
            priority=prefix & 7,
            facility=prefix >> 3,
            sequence=int(sequence),
            boot_seconds=int(microseconds) / 1e6,
            text=_plain(text),
            fields=dict(_field(line) for line in rest if line.startswith(b" ") and b"=" in line),
        )
    except ValueError:
        return None


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = _plain(line[1:]).partition("=")
    return name, value


def _plain(text: bytes) -> str:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text).decode("utf-8", "replace")


def open_kernel_log(path: str = KMSG) -> int:
    """A descriptor at the end of the log. Raises LogUnreadable."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LogUnreadable(f"{path}: {error.strerror}") from error
    try:
        # Containers put a pipe, an empty file or /dev/null in its place.
        if os.fstat(file).st_rdev != _DEVICE:
            raise LogUnreadable(f"{path} is not the kernel's log here")
        os.lseek(file, 0, os.SEEK_END)
    except OSError as error:
        os.close(file)
        raise LogUnreadable(f"{path}: {error.strerror}") from error
    except LogUnreadable:
        os.close(file)
        raise
    return file


class KernelLogReader:
    """Reads from a descriptor of the log, which it closes. ``lost``: messages overwritten unread."""

    def __init__(self, file: int) -> None:
        self.lost = 0
        self._file = file
        self._last: int | None = None

    def close(self) -> None:
        os.close(self._file)

    async def wait(self) -> None:
        """Return when there is something to read."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._file, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_reader(self._file)

    def read(self, limit: int) -> list[KernelMessage]:
        """What is there now, ``limit`` messages at most; never waits. Raises LogUnreadable."""
        messages: list[KernelMessage] = []
        while len(messages) < limit:
            try:
                message = parse_message(os.read(self._file, _RECORD_LIMIT_BYTES))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise LogUnreadable(f"the kernel log: {error.strerror}") from error
                # Messages were overwritten before they were read; the next one's number tells how many.
                self.lost += self._last is None
                continue
            if message is None:
                raise LogUnreadable("the kernel log gives no messages that can be understood")
            if self._last is not None:
                self.lost += max(message.sequence - self._last - 1, 0)
            self._last = message.sequence
            messages.append(message)
        return messages
