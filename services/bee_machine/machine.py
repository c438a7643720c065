"""What a machine can be asked. `LiveMachine` asks the hardware, `ReplayMachine` a capture of it.

Everything is asked by an absolute path of the machine (``/sys/...``, ``/dev/nvme0``) or by the words of a
command, so that question and answer can be recorded together and a collector cannot tell the two apart.
"""

import asyncio
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from bee_machine.conversation import Conversation, Question

T = TypeVar("T")

FILE_LIMIT_BYTES = 16 << 20
OUTPUT_LIMIT_BYTES = 16 << 20
_KERNEL_BITS = 64  # of its longest numbers; what a damaged capture has for one must not reach a document


class ToolError(Exception):
    """A tool gave no usable answer; the message names the tool and what happened."""


class ToolMissing(ToolError):
    """The tool is not installed."""


class ToolHung(ToolError):
    """The tool did not end before its deadline and was killed with all its children."""


class ToolFlooded(ToolError):
    """The tool printed more than anyone can read and was killed."""


class ControlError(OSError):
    """A device refused or did not answer a control request; ``errno`` is the kernel's."""


class ToolResult(msgspec.Struct, frozen=True):
    argv: tuple[str, ...]
    exit_code: int  # negative: ended by that signal
    stdout: bytes
    stderr: bytes
    duration_seconds: float


class Entry(msgspec.Struct, frozen=True):
    """One folder of sysfs with the files and links that were asked for, those that are there."""

    name: str
    path: str  # as asked: /sys/bus/pci/devices/0000:3b:00.0
    real_path: str  # all links resolved: /sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0
    files: Mapping[str, bytes] = {}
    links: Mapping[str, str] = {}  # the link's own text

    def data(self, name: str) -> bytes | None:
        return self.files.get(name)

    def text(self, name: str) -> str | None:
        """The file's text without white space around it; None when absent or empty."""
        raw = self.files.get(name)
        text = raw.decode("utf-8", "replace").replace("\0", "").strip() if raw is not None else ""
        return text or None

    def integer(self, name: str) -> int | None:
        """The file's number, decimal or with its prefix (0x...); None when absent or no such number."""
        text = self.text(name)
        try:
            number = int(text, 0) if text is not None else None
        except ValueError:
            return None
        return number if number is not None and number.bit_length() <= _KERNEL_BITS else None

    def link_name(self, name: str) -> str | None:
        """The last part of a link's target: the driver's name, the IOMMU group's number."""
        target = self.links.get(name)
        return posixpath.basename(target) if target else None


class UdevDevice(msgspec.Struct, frozen=True):
    """A device as udev knows it."""

    sys_path: str
    sys_name: str
    subsystem: str
    device_type: str | None
    device_node: str | None
    properties: Mapping[str, str]


class Machine(ABC):
    """The machine under audit.

    Reads never block the event loop, and what the machine does not have is an empty answer, not an error.
    ``OSError`` other than absence (I/O error, permission) is raised by `read_bytes` alone.
    """

    def __init__(self) -> None:
        self._shared: dict[str, asyncio.Task[Any]] = {}

    @abstractmethod
    async def read_bytes(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """The file's content. Raises FileNotFoundError, PermissionError or another OSError."""

    @abstractmethod
    async def read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The content of each of the files that is there and can be read, in one trip."""

    @abstractmethod
    async def list_folder(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; empty when it is not there."""

    @abstractmethod
    async def read_entries(
        self, folder: str, *, files: Sequence[str] = (), links: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        """Every sub-folder of ``folder`` (sysfs class and bus folders), sorted by name, in one trip.

        ``files`` and ``links`` are paths relative to each entry ("device/vendor").
        """

    @abstractmethod
    async def read_link(self, path: str) -> str | None:
        """The text of a symbolic link, None when it is none."""

    @abstractmethod
    async def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...]:
        """The devices of one subsystem from the udev database, sorted by path."""

    async def await_links(self) -> None:  # noqa: B027
        """On a machine that has just started, give its network ports the time to find their links.

        Their time runs from when they are first seen: who asks early has less to wait later.
        """

    @abstractmethod
    async def run(
        self,
        *argv: str,
        deadline_seconds: float,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> ToolResult:
        """Run a tool to its end. Raises ToolMissing, ToolHung, ToolFlooded."""

    @abstractmethod
    async def control(
        self, device: str, operation: str, request: bytes, *, deadline_seconds: float = 10.0
    ) -> bytes:
        """Send one device control request (`bee_machine.controls` lists the operations and their bytes).

        Raises ControlError (``errno`` ENOENT when the device is not there, ETIMEDOUT after the deadline).
        """

    async def converse(self, device: str, conversation: Conversation[T]) -> T:
        """The result of a conversation with a device, whose questions are asked one after the other.

        Raises what the conversation raises; that a question has failed is told to the conversation.
        """
        try:
            question: Question = conversation.send(None)
            while True:
                await asyncio.sleep(question.pause_seconds)
                try:
                    answer = await self.control(
                        device,
                        question.operation,
                        question.request,
                        deadline_seconds=question.deadline_seconds,
                    )
                except OSError as error:
                    question = conversation.throw(error)
                else:
                    question = conversation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            conversation.close()

    @abstractmethod
    async def ask(self, service: str) -> bytes:
        """The JSON of what another service of bee knows of this machine ("org.bee.Gpu1").

        Raises FileNotFoundError when nobody offers it, TimeoutError or OSError when it fails.
        """

    async def read_text(self, path: str) -> str | None:
        """A small text file without white space around it; None when absent, unreadable or empty."""
        raw = (await self.read_files([path])).get(path, b"")
        return raw.decode("utf-8", "replace").replace("\0", "").strip() or None

    async def exists(self, path: str) -> bool:
        folder, name = posixpath.split(path)
        return name in await self.list_folder(folder)

    async def once(self, key: str, read: Callable[[], Awaitable[T]]) -> T:
        """The answer of ``read``, asked once per machine however many collectors want it.

        A collector that gives up does not take the answer from the others.
        """
        task = self._shared.get(key)
        if task is None:
            task = self._shared[key] = asyncio.ensure_future(_awaited(read))
        answer: T = await asyncio.shield(task)
        return answer

    async def close(self) -> None:
        """Give up on shared reads that nobody got an answer to."""
        hanging = [task for task in self._shared.values() if not task.done()]
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()
