"""A step's context for tests of packs: commands print what the test scripts, what is kept is at hand."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from bee_bus.client import Bus
from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Measurement, Outcome
from bee_machine import Machine
from bee_sat.steps import Command, CommandFailed, CommandMissing, CommandResult, Looks, Step, StepContext
from lab.machine import FakeMachine

# What a program prints and its exit code, or why it gave nothing; asked anew for every command.
Answer = tuple[str, int] | CommandFailed
Program = Callable[[Command], Answer]


class FakeContext(StepContext):
    """``programs``: by name. One that is not there is missing, as on a machine without it."""

    def __init__(
        self,
        programs: Mapping[str, Program],
        *,
        machine: Machine | None = None,
        before: Looks | None = None,
        folder: Path | None = None,
        seconds: float = 1e6,
    ) -> None:
        """``seconds``: how long each command takes, by the clock of who runs it."""
        self.bus = Bus()
        self.machine = machine or FakeMachine()
        self.before = before or Looks()
        self.commands: list[Command] = []
        self.measurements: list[Measurement] = []
        self.findings: list[Finding] = []
        self.reports: list[tuple[str | None, float | None]] = []
        self.artifacts: dict[str, _Kept] = {}
        self._programs = programs
        self._folder = folder
        self._seconds = seconds

    def report(self, doing: str | None = None, progress: float | None = None) -> None:
        assert progress is None or 0 <= progress <= 1
        self.reports.append((doing, progress))

    def measure(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)

    async def run(self, command: Command) -> CommandResult:
        self.commands.append(command)
        program = self._programs.get(command.argv[0])
        if program is None:
            raise CommandMissing(f"{command.argv[0]} is not installed")
        answer = program(command)
        if isinstance(answer, CommandFailed):
            raise answer
        text, exit_code = answer
        for line in text.splitlines():
            if command.on_line is not None:
                command.on_line(line)
        output = f"output-{len(self.commands)}.txt"
        if self._folder is not None:
            (self._folder / output).write_text(text)
        return CommandResult(exit_code, self._seconds, len(text), False, text[-1000:], output)

    def open_artifact(self, name: str) -> BinaryIO:
        assert "/" not in name and name not in self.artifacts
        self.artifacts[name] = _Kept()
        return self.artifacts[name]

    @property
    def folder(self) -> Path:
        assert self._folder is not None, "this test gives the step no folder"
        return self._folder

    def measured(self, name: str) -> list[float]:
        return [one.value for one in self.measurements if one.name == name]


class _Kept(io.BytesIO):
    """A file whose content can be read after it was closed."""

    text = ""

    def close(self) -> None:
        self.text = self.getvalue().decode()
        super().close()


async def done(step: Step, context: FakeContext) -> Outcome:
    """The step's outcome."""
    return await step.work(context)
