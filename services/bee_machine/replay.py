"""A captured machine: answers from an archive what the real one answered then."""

import errno
import posixpath
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import TypeVar

from bee_machine.answers import ControlAnswer, Failure, ServiceAnswer, ToolAnswer
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

A = TypeVar("A", ToolAnswer, ControlAnswer, ServiceAnswer)

TOOL_ERRORS: dict[str, type[ToolError]] = {"missing": ToolMissing, "hung": ToolHung, "flooded": ToolFlooded}


class ReplayMachine(Machine):
    """What the capture does not hold, that machine did not have. What hung then raises TimeoutError now."""

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self.captured_at = archive.manifest.captured_at
        self._files = archive.files
        self._outputs = archive.outputs
        self._answers = archive.answers
        self._hung = frozenset(archive.answers.hung)
        self._tools: _Sequences[ToolAnswer] = _Sequences((tool.argv, tool) for tool in self._answers.tools)
        self._controls: _Sequences[ControlAnswer] = _Sequences(
            ((control.device, control.operation, control.request), control)
            for control in self._answers.controls
        )
        self._services: _Sequences[ServiceAnswer] = _Sequences(
            ((answer.service,), answer) for answer in self._answers.services
        )

    async def read_bytes(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        self._raise_hung(path)
        if (failure := self._answers.failures.get(path)) is not None:
            raise OSError(failure.errno, failure.message, path)
        if path not in self._files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return self._files[path][:limit_bytes]

    async def read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        asked = tuple(paths)
        self._raise_hung(*asked)
        return {path: self._files[path] for path in asked if path in self._files}

    async def list_folder(self, path: str) -> tuple[str, ...]:
        self._raise_hung(path)
        return self._answers.folders.get(path, ())

    async def read_entries(
        self, folder: str, *, files: Sequence[str] = (), links: Sequence[str] = ()
    ) -> tuple[Entry, ...]:
        self._raise_hung(folder)
        entries = []
        for answer in self._answers.entries.get(folder, ()):
            path = posixpath.join(folder, answer.name)
            entries.append(
                Entry(
                    name=answer.name,
                    path=path,
                    real_path=answer.real_path,
                    files={
                        name: self._files[f"{path}/{name}"]
                        for name in files
                        if f"{path}/{name}" in self._files
                    },
                    links={
                        name: self._answers.links[f"{path}/{name}"]
                        for name in links
                        if f"{path}/{name}" in self._answers.links
                    },
                )
            )
        return tuple(entries)

    async def read_link(self, path: str) -> str | None:
        self._raise_hung(path)
        return self._answers.links.get(path)

    async def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...]:
        self._raise_hung(f"udev:{subsystem}")
        return tuple(
            UdevDevice(
                sys_path=device.sys_path,
                sys_name=device.sys_name,
                subsystem=subsystem,
                device_type=device.device_type,
                device_node=device.device_node,
                properties=device.properties,
            )
            for device in self._answers.udev.get(subsystem, ())
        )

    async def run(
        self, *argv: str, deadline_seconds: float, output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ToolResult:
        answer = self._tools.next(argv)
        if answer is None:
            raise ToolMissing(f"{argv[0]} was not run in this capture")
        if answer.failure is not None:
            _raise_timeout(answer.failure)
            raise TOOL_ERRORS.get(answer.failure.kind, ToolError)(answer.failure.message)
        return ToolResult(
            argv=argv,
            exit_code=answer.exit_code,
            stdout=self._outputs.get(answer.stdout, b""),
            stderr=self._outputs.get(answer.stderr, b""),
            duration_seconds=answer.duration_seconds,
        )

    async def control(
        self, device: str, operation: str, request: bytes, *, deadline_seconds: float = 10.0
    ) -> bytes:
        answer = self._controls.next((device, operation, request.hex()))
        if answer is None:
            raise ControlError(errno.ENOENT, f"{device} was not asked this in the capture")
        if answer.failure is not None:
            _raise_timeout(answer.failure)
            raise ControlError(answer.failure.errno, answer.failure.message)
        try:
            return bytes.fromhex(answer.response)
        except ValueError as error:
            raise ControlError(errno.EIO, f"the capture's answer of {device} is damaged") from error

    async def ask(self, service: str) -> bytes:
        answer = self._services.next((service,))
        if answer is None:
            raise FileNotFoundError(errno.ENOENT, f"{service} was not asked in this capture")
        if answer.failure is not None:
            _raise_timeout(answer.failure)
            raise OSError(answer.failure.errno or errno.EIO, answer.failure.message)
        return answer.content.encode()

    def _raise_hung(self, *paths: str) -> None:
        if any(path in self._hung for path in paths):
            raise TimeoutError(f"{paths[0]} did not answer in this capture")


def _raise_timeout(failure: Failure) -> None:
    if failure.kind == "timeout":
        raise TimeoutError(failure.message)


class _Sequences(dict[tuple[str, ...], deque[A]]):
    """Answers by question, each question's in their order; the last one stays."""

    def __init__(self, answers: Iterable[tuple[tuple[str, ...], A]]) -> None:
        super().__init__()
        grouped: defaultdict[tuple[str, ...], deque[A]] = defaultdict(deque)
        for question, answer in answers:
            grouped[question].append(answer)
        self.update(grouped)

    def next(self, question: tuple[str, ...]) -> A | None:
        answers = self.get(question)
        if not answers:
            return None
        return answers.popleft() if len(answers) > 1 else answers[0]
