"""What a step's work is given, as the runner makes it."""

import asyncio
import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from bee_bus.client import Bus
from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Measurement
from bee_machine import Machine, ToolError, ToolFlooded, ToolHung, ToolMissing
from bee_machine.endings import to_its_end
from bee_machine.load import run_load
from bee_machine.process import find_program
from bee_machine.threads import in_thread
from bee_sat.board import Board
from bee_sat.book import ArtifactRefused, BookError
from bee_sat.ledger import Ledger, now
from bee_sat.packs.cpu_list import parse_cpu_list
from bee_sat.records import CommandEnded, CommandStarted, Found, Measured
from bee_sat.steps import (
    TAIL_LIMIT_BYTES,
    Command,
    CommandFailed,
    CommandFlooded,
    CommandHung,
    CommandMissing,
    CommandResult,
    Looks,
    Step,
    StepContext,
)

CLOSE_SECONDS = 10.0
_FAILURES: dict[type[ToolError], type[CommandFailed]] = {
    ToolMissing: CommandMissing,
    ToolHung: CommandHung,
    ToolFlooded: CommandFlooded,
}
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class Context(StepContext):
    """One step's. ``critical``: whether it has found something that fails it; ``unknown``: something because
    of which it cannot be judged.
    """

    def __init__(
        self, step: Step, *, ledger: Ledger, board: Board, bus: Bus, machine: Machine, before: Looks
    ) -> None:
        self.bus = bus
        self.machine = machine
        self.before = before
        self.doing = ""
        self.critical = False
        self.unknown = False
        self._step = step.name
        self._ledger = ledger
        self._board = board
        self._commands = 0

    def report(self, doing: str | None = None, progress: float | None = None) -> None:
        self.doing = doing if doing is not None else self.doing
        self._board.report(self._step, doing, progress)

    def measure(self, measurement: Measurement) -> None:
        self._ledger.append(Measured(at=now(), step=self._step, measurement=measurement))

    def find(self, finding: Finding) -> None:
        self.critical = self.critical or finding.severity == "Critical"
        self.unknown = self.unknown or finding.severity == "Unknown"
        self._ledger.append(Found(at=now(), step=self._step, finding=finding))

    def open_artifact(self, name: str) -> BinaryIO:
        return self._ledger.book.open_artifact(name)

    @property
    def folder(self) -> Path:
        return self._ledger.book.folder

    async def run(self, command: Command) -> CommandResult:
        self._commands += 1
        number = self._commands
        name = f"{self._step}.txt" if number == 1 else f"{self._step}.{number}.txt"
        self._ledger.append(CommandStarted(at=now(), step=self._step, command=command.argv, number=number))
        started = time.monotonic()
        exit_code: int | None = None
        note = "killed: its step was told to end"
        cut = False
        try:
            exit_code = await self._run(command, name)
            note = ""
        except ToolError as error:
            note, cut = str(error), isinstance(error, ToolFlooded)
            raise _FAILURES.get(type(error), CommandFailed)(note) from error
        except (ArtifactRefused, BookError, OSError) as error:
            note = f"the output of {command.argv[0]} could not be kept: {_reason(error)}"
            self._consider(error)
            raise CommandFailed(note) from error
        finally:
            size_bytes = _size_bytes(self.folder / name)
            self._ledger.append(
                CommandEnded(
                    at=now(),
                    step=self._step,
                    exit_code=exit_code,
                    output=name if size_bytes is not None else None,
                    output_bytes=size_bytes or 0,
                    output_cut=cut,
                    number=number,
                    note=note,
                )
            )
        tail = await in_thread(_read_tail, self.folder / name)
        return CommandResult(
            exit_code=exit_code,
            duration_seconds=time.monotonic() - started,
            output_bytes=size_bytes or 0,
            output_cut=cut,
            tail=tail,
            output=name,
        )

    async def _run(self, command: Command, name: str) -> int:
        find_program(command.argv[0])  # what is not there leaves no empty file
        output = await in_thread(self.open_artifact, name)
        try:
            return await run_load(
                command.argv,
                output=output,
                deadline_seconds=command.deadline_seconds,
                output_limit_bytes=command.output_limit_bytes,
                on_line=command.on_line,
                environment=command.environment,
                folder=self.folder,
                unprivileged=command.unprivileged,
                memory_lock=command.memory_lock,
                cpus=parse_cpu_list(command.cpus),
                redrawn=command.redrawn,
            )
        finally:
            await to_its_end(_close(output))

    def _consider(self, error: Exception) -> None:
        """Whether what went wrong with one file is the end of the whole run."""
        if isinstance(error, BookError):
            self._ledger.fail(error)
        elif isinstance(error, OSError) and error.errno in _DISK:
            self._ledger.fail(BookError(f"what the run prints cannot be kept: {_reason(error)}"))


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _size_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _read_tail(path: Path) -> str:
    with path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(size_bytes - TAIL_LIMIT_BYTES, 0))
        return file.read().decode("utf-8", "replace")


async def _close(file: BinaryIO) -> None:
    # On a disk that hangs this would never end; the thread that waits there keeps the file.
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await in_thread(file.close)
