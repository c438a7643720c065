"""A machine made of dictionaries, for tests of collectors.

Paths are files unless they stand in ``links``; folders come from both. A link to a folder of the same machine
is followed, as sysfs needs. A tool or a control that was not given is missing; one given as an exception
raises it.
"""

import asyncio
import errno
import fnmatch
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from bee_machine import ControlError, Entry, Machine, ToolError, ToolMissing, ToolResult, UdevDevice
from bee_machine.machine import FILE_LIMIT_BYTES, OUTPUT_LIMIT_BYTES

ToolAnswer = ToolResult | ToolError | str | bytes
ControlAnswer = Callable[[str, bytes], bytes]


class Hang:
    """As a file's content: reading it never ends."""


class FakeMachine(Machine):
    """``files``: path to text, bytes, an OSError or Hang(). ``links``: path to target.

    ``tools``: a command line as one string, wildcards allowed ("smartctl * /dev/sda"), to its standard output
    or ToolResult or ToolError. ``controls``: operation to a function of device and request. ``asks``: service
    to JSON or an OSError.
    """

    def __init__(
        self,
        *,
        files: Mapping[str, str | bytes | OSError | Hang] | None = None,
        links: Mapping[str, str] | None = None,
        tools: Mapping[str, ToolAnswer] | None = None,
        controls: Mapping[str, ControlAnswer] | None = None,
        udev: Mapping[str, Sequence[UdevDevice]] | None = None,
        asks: Mapping[str, bytes | OSError] | None = None,
    ) -> None:
        super().__init__()
        self.files = dict(files or {})
        self.links = dict(links or {})
        self.tools = dict(tools or {})
        self.controls = dict(controls or {})
        self.udev = dict(udev or {})
        self.asks = dict(asks or {})
        self.commands: list[tuple[str, ...]] = []  # every tool run, for tests that count

    async def read_bytes(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        content = self.files.get(self._resolve(path))
        if content is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        if isinstance(content, Hang):
            await asyncio.Event().wait()
        if isinstance(content, OSError):
            raise content
        assert isinstance(content, str | bytes)
        raw = content.encode() if isinstance(content, str) else content
        return raw[:limit_bytes]

    async def read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for path in paths:
            try:
                found[path] = await self.read_bytes(path)
            except OSError:
                continue
        return found

    async def list_folder(self, path: str) -> tuple[str, ...]:
        folder = self._resolve(path).rstrip("/") + "/"
        known = (*self.files, *self.links)
        return tuple(sorted({name[len(folder) :].split("/")[0] for name in known if name.startswith(folder)}))

    async def read_entries(
        self, folder: str, *, files: Sequence[str] = (), links: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        entries = []
        for name in await self.list_folder(folder):
            path = f"{folder}/{name}"
            if not await self.list_folder(path):
                continue  # a file, or nothing
            found = await self.read_files(f"{path}/{file}" for file in files)
            targets = {link: await self.read_link(f"{path}/{link}") for link in links}
            entries.append(
                Entry(
                    name=name,
                    path=path,
                    real_path=self._resolve(path),
                    files={key[len(path) + 1 :]: content for key, content in found.items()},
                    links={link: target for link, target in targets.items() if target is not None},
                )
            )
        return tuple(entries)

    async def read_link(self, path: str) -> str | None:
        parent, name = posixpath.split(path)
        return self.links.get(posixpath.join(self._resolve(parent), name))

    async def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...]:
        return tuple(self.udev.get(subsystem, ()))

    async def run(
        self, *argv: str, deadline_seconds: float, output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ToolResult:
        self.commands.append(argv)
        line = " ".join(argv)
        for pattern, answer in self.tools.items():
            if line == pattern or fnmatch.fnmatchcase(line, pattern):
                if isinstance(answer, ToolError):
                    raise answer
                if isinstance(answer, ToolResult):
                    return answer
                output = answer.encode() if isinstance(answer, str) else answer
                return ToolResult(argv, 0, output, b"", 0.01)
        raise ToolMissing(f"{argv[0]} is not installed")

    async def control(
        self, device: str, operation: str, request: bytes, *, deadline_seconds: float = 10.0
    ) -> bytes:
        if operation not in self.controls:
            raise ControlError(errno.ENOENT, f"{device} is not there")
        return self.controls[operation](device, request)

    async def ask(self, service: str) -> bytes:
        answer = self.asks.get(service, FileNotFoundError(errno.ENOENT, f"{service} is not there"))
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _resolve(self, path: str) -> str:
        """The path with links in its folders and at its end followed, as the kernel does."""
        done = "/"
        parts = [part for part in path.split("/") if part]
        for _ in range(200):
            if not parts:
                return done
            here = posixpath.normpath(posixpath.join(done, parts.pop(0)))
            target = self.links.get(here)
            if target is None:
                done = here
            else:
                parts = [
                    *(part for part in posixpath.join(posixpath.dirname(here), target).split("/") if part),
                    *parts,
                ]
                done = "/"
        raise OSError(errno.ELOOP, "Too many levels of symbolic links", path)
