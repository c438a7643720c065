"""The machine that this program runs on."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from bee_machine.conversation import Conversation
from bee_machine.links import Links
from bee_machine.machine import (
    FILE_LIMIT_BYTES,
    OUTPUT_LIMIT_BYTES,
    ControlError,
    Entry,
    Machine,
    ToolResult,
    UdevDevice,
)
from bee_machine.process import run_tool
from bee_machine.threads import in_thread

T = TypeVar("T")

# Nearly all files are sysfs attributes of a page at most; a long one is read in ever larger parts. A read of
# /dev/kmsg gives one record of up to 8 KiB, and is refused when there is no room for it.
_FIRST_READ_BYTES = 16 << 10

Ask = Callable[[], Awaitable[bytes]]


class LiveMachine(Machine):
    """``services``: how to ask other services of bee, by bus name."""

    def __init__(self, *, services: Mapping[str, Ask] | None = None) -> None:
        super().__init__()
        self._services = services or {}
        self._links = Links()

    async def read_bytes(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        return await in_thread(_read, path, limit_bytes)

    async def read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        return await in_thread(_read_all, tuple(paths))

    async def list_folder(self, path: str) -> tuple[str, ...]:
        return await in_thread(_list, path)

    async def read_entries(
        self, folder: str, *, files: Sequence[str] = (), links: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        return await in_thread(_read_entries, folder, tuple(files), tuple(links))

    async def read_link(self, path: str) -> str | None:
        return await in_thread(_read_link, path)

    async def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...]:
        from bee_machine.udev import list_devices

        return await in_thread(list_devices, subsystem)

    async def await_links(self) -> None:
        await self._links.wait()

    async def run(
        self, *argv: str, deadline_seconds: float, output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ToolResult:
        return await run_tool(argv, deadline_seconds=deadline_seconds, output_limit_bytes=output_limit_bytes)

    async def control(
        self, device: str, operation: str, request: bytes, *, deadline_seconds: float = 10.0
    ) -> bytes:
        from bee_machine.controls import OPERATIONS

        # The operation keeps its own deadline; the second one is for a request that hangs in the kernel.
        try:
            async with asyncio.timeout(deadline_seconds + 1):
                return await in_thread(OPERATIONS[operation], device, request, deadline_seconds)
        except TimeoutError as error:
            message = f"{device} did not answer within {deadline_seconds:g} s"
            raise ControlError(errno.ETIMEDOUT, message) from error

    async def converse(self, device: str, conversation: Conversation[T]) -> T:
        from bee_machine.trip import converse_in_thread

        return await converse_in_thread(device, conversation)

    async def ask(self, service: str) -> bytes:
        if service not in self._services:
            raise FileNotFoundError(f"{service} is not there")
        return await self._services[service]()


def _read(path: str, limit_bytes: int) -> bytes:
    try:
        return _content(path, limit_bytes)
    except OSError as error:
        error.filename = path  # a read that fails does not name its file, unlike an open
        raise


def _content(path: str, limit_bytes: int) -> bytes:
    # O_NONBLOCK: a path that is a FIFO or a device without data must not hold the thread.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        content = bytearray()
        while wanted := min(max(_FIRST_READ_BYTES, len(content)), limit_bytes - len(content)):
            try:
                chunk = os.read(descriptor, wanted)
            except BlockingIOError:  # all that a device has to say now, as at the end of the kernel log
                break
            if not chunk:
                break
            content += chunk
        return bytes(content)
    finally:
        os.close(descriptor)


def _read_all(paths: tuple[str, ...]) -> dict[str, bytes]:
    found = {}
    for path in paths:
        try:
            found[path] = _read(path, FILE_LIMIT_BYTES)
        except OSError:
            continue  # absence and a file that cannot be read are one answer here: see Machine.read_files
    return found


def _list(path: str) -> tuple[str, ...]:
    return tuple(sorted(map(_text, _names(path))))


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _text(name: str) -> str:
    """A name that can be written down, though an interface's may be any bytes: "wl\\xff"."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _read_link(path: str) -> str | None:
    try:
        return _text(os.readlink(path))
    except OSError:
        return None


def _read_entries(folder: str, files: tuple[str, ...], links: tuple[str, ...]) -> tuple[Entry, ...]:
    entries = []
    for name in sorted(_names(folder)):
        path = f"{folder}/{name}"
        if not os.path.isdir(path):
            continue
        contents = _read_all(tuple(f"{path}/{file}" for file in files))
        targets = {link: target for link in links if (target := _read_link(f"{path}/{link}")) is not None}
        entries.append(
            Entry(
                name=_text(name),
                path=_text(path),
                real_path=_text(os.path.realpath(path)),
                files={key[len(path) + 1 :]: content for key, content in contents.items()},
                links=targets,
            )
        )
    return tuple(entries)
