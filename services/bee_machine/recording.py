"""A machine that remembers every answer, so that an audit of it can be repeated elsewhere."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import msgspec

from bee_machine.answers import (
    ControlAnswer,
    EntryAnswer,
    Failure,
    ServiceAnswer,
    ToolAnswer,
    UdevAnswer,
)
from bee_machine.archive import Archive
from bee_machine.machine import (
    FILE_LIMIT_BYTES,
    OUTPUT_LIMIT_BYTES,
    ControlError,
    Entry,
    Machine,
    ToolError,
    ToolFlooded,
    ToolHung,
    ToolMissing,
    ToolResult,
    UdevDevice,
)

KINDS: dict[type[ToolError], Literal["missing", "hung", "flooded"]] = {
    ToolMissing: "missing",
    ToolHung: "hung",
    ToolFlooded: "flooded",
}


class RecordingMachine(Machine):
    """Asks ``machine`` and puts its answers into ``archive``."""

    def __init__(self, machine: Machine, archive: Archive) -> None:
        super().__init__()
        self._machine = machine
        self._archive = archive
        self._answers = archive.answers

    async def await_links(self) -> None:
        await self._machine.await_links()

    async def read_bytes(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        with self._noting_hang(path):
            try:
                content = await self._machine.read_bytes(path, limit_bytes=limit_bytes)
            except FileNotFoundError:
                raise
            except OSError as error:
                self._answers.failures[path] = _os_failure(error)
                raise
        return self._first(path, content)[:limit_bytes]

    async def read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        asked = tuple(paths)
        with self._noting_hang(*asked):
            found = await self._machine.read_files(asked)
        return {path: self._first(path, content) for path, content in found.items()}

    async def list_folder(self, path: str) -> tuple[str, ...]:
        with self._noting_hang(path):
            names = self._answers.folders[path] = await self._machine.list_folder(path)
        return names

    async def read_entries(
        self, folder: str, *, files: Sequence[str] = (), links: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        with self._noting_hang(folder):
            entries = await self._machine.read_entries(folder, files=files, links=links)
        self._answers.entries[folder] = tuple(
            EntryAnswer(name=entry.name, real_path=entry.real_path) for entry in entries
        )
        for entry in entries:
            self._answers.links.update(
                {f"{entry.path}/{name}": target for name, target in entry.links.items()}
            )
        return tuple(
            msgspec.structs.replace(
                entry,
                files={
                    name: self._first(f"{entry.path}/{name}", content)
                    for name, content in entry.files.items()
                },
            )
            for entry in entries
        )

    async def read_link(self, path: str) -> str | None:
        with self._noting_hang(path):
            target = await self._machine.read_link(path)
        if target is not None:
            self._answers.links[path] = target
        return target

    async def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...]:
        with self._noting_hang(f"udev:{subsystem}"):
            devices = await self._machine.udev_devices(subsystem)
        self._answers.udev[subsystem] = tuple(
            UdevAnswer(
                sys_path=device.sys_path,
                sys_name=device.sys_name,
                device_type=device.device_type,
                device_node=device.device_node,
                properties=dict(device.properties),
            )
            for device in devices
        )
        return devices

    async def run(
        self, *argv: str, deadline_seconds: float, output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ToolResult:
        try:
            result = await self._machine.run(
                *argv, deadline_seconds=deadline_seconds, output_limit_bytes=output_limit_bytes
            )
        except ToolError as error:
            failure = Failure(kind=KINDS[type(error)], message=str(error))
            self._answers.tools.append(ToolAnswer(argv=argv, failure=failure))
            raise
        except asyncio.CancelledError:
            self._answers.tools.append(ToolAnswer(argv=argv, failure=_hung_failure(argv[0])))
            raise
        number = f"tools/{len(self._answers.tools) + 1:04d}"
        self._answers.tools.append(
            ToolAnswer(
                argv=argv,
                exit_code=result.exit_code,
                duration_seconds=result.duration_seconds,
                stdout=self._keep(f"{number}.stdout", result.stdout),
                stderr=self._keep(f"{number}.stderr", result.stderr),
            )
        )
        return result

    async def control(
        self, device: str, operation: str, request: bytes, *, deadline_seconds: float = 10.0
    ) -> bytes:
        failure: Failure | None = None
        response = b""
        try:
            response = await self._machine.control(
                device, operation, request, deadline_seconds=deadline_seconds
            )
        except ControlError as error:
            failure = _os_failure(error)
            raise
        except asyncio.CancelledError:
            failure = _hung_failure(device)
            raise
        finally:
            self._answers.controls.append(
                ControlAnswer(
                    device=device,
                    operation=operation,
                    request=request.hex(),
                    response=response.hex(),
                    failure=failure,
                )
            )
        return response

    async def ask(self, service: str) -> bytes:
        failure: Failure | None = None
        content = b""
        try:
            content = await self._machine.ask(service)
        except OSError as error:  # TimeoutError and FileNotFoundError are OSErrors too
            failure = _os_failure(error)
            raise
        except asyncio.CancelledError:
            failure = _hung_failure(service)
            raise
        finally:
            self._answers.services.append(
                ServiceAnswer(service=service, content=content.decode("utf-8", "replace"), failure=failure)
            )
        return content

    def _first(self, path: str, content: bytes) -> bytes:
        """What the file said when it was first read: a replay has one answer, so the audit gets one too.

        A look at more of the same content takes the place of a shorter one.
        """
        known = self._archive.files.get(path)
        if known is None or (known and content.startswith(known)):
            self._archive.files[path] = known = content
        return known

    def _keep(self, name: str, output: bytes) -> str:
        if not output:
            return ""
        self._archive.outputs[name] = output
        return name

    @contextmanager
    def _noting_hang(self, *paths: str) -> Iterator[None]:
        """A read that the collector gave up on is an answer as well: it hung."""
        try:
            yield
        except asyncio.CancelledError:
            self._answers.hung.extend(paths)
            raise


def _os_failure(error: OSError) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure(kind="timeout", message=str(error))
    return Failure(kind="os", message=error.strerror or str(error), errno=error.errno or 0)


def _hung_failure(what: str) -> Failure:
    return Failure(kind="timeout", message=f"{what} did not answer")
