"""A step of a run, as data: what is done, until when, and what counts as passed.

A pack plans stages of steps. The runner gives each step's work a `StepContext`, awaits the outcome, and keeps
what was printed, measured and found.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bee_bus.client import Bus
from bee_bus.documents.audit import Snapshot
from bee_bus.documents.findings import Finding
from bee_bus.documents.gpus import GpuInventory
from bee_bus.documents.sat import Measurement, Outcome
from bee_machine import Machine

OUTPUT_LIMIT_BYTES = 16 << 20
TAIL_LIMIT_BYTES = 16 << 10

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Command:
    """A child process: its session is its own, its output goes to the step's file.

    ``unprivileged``: as the user bee-load rather than root. ``memory_lock``: it may lock all memory.
    ``on_line``: is given each line that it prints as it comes (without its end, of bounded length).
    ``cpus``: a list as the kernel writes it ("0-15,32-47") that it may run on. ``redrawn``: it draws over its
    own lines with backspaces (memtester); what is kept and told is the line as it stands in the end.
    """

    argv: tuple[str, ...]
    deadline_seconds: float
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    unprivileged: bool = False
    memory_lock: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    on_line: OnLine | None = None
    cpus: str = ""
    redrawn: bool = False


@dataclass(frozen=True)
class CommandResult:
    """``exit_code``: negative when it was ended by that signal. ``tail``: the end of what it printed, all of
    which is in the run's file ``output``."""

    exit_code: int
    duration_seconds: float
    output_bytes: int
    output_cut: bool
    tail: str
    output: str


class CommandFailed(Exception):
    """The command gave no result: it is missing, could not start, or did not end. The message says which."""


class CommandMissing(CommandFailed):
    """The program is not installed."""


class CommandHung(CommandFailed):
    """It was killed at its deadline."""


class CommandFlooded(CommandFailed):
    """It printed more than anyone can read and was killed."""


@dataclass(frozen=True)
class Looks:
    """The machine before the load: the audit's sections of the pack, and the GPUs. None: not readable."""

    audit: Snapshot | None = None
    gpus: GpuInventory | None = None


class StepContext(ABC):
    """What a step's work is given."""

    bus: Bus
    machine: Machine
    before: Looks

    @abstractmethod
    def report(self, doing: str | None = None, progress: float | None = None) -> None:
        """What it is doing now, for people, and how far it is (0 to 1)."""

    @abstractmethod
    def measure(self, measurement: Measurement) -> None:
        """Keep a number."""

    @abstractmethod
    def find(self, finding: Finding) -> None:
        """Keep something that is wrong. A Critical finding fails the step whatever its outcome says."""

    @abstractmethod
    async def run(self, command: Command) -> CommandResult:
        """Run a child to its end. Raises CommandFailed; when cancelled, kills it whole first.

        Several at a time may run: each has an output file of its own.
        """

    @abstractmethod
    def open_artifact(self, name: str) -> BinaryIO:
        """A new file of the run, for writing; ``name`` is a plain file name. The step closes it."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The run's folder, for a program that writes its files itself; they become artifacts."""


Work = Callable[[StepContext], Awaitable[Outcome]]


@dataclass(frozen=True)
class Step:
    """``name``: unique in the run, letters, digits, ``-`` and ``_`` ("memtester-3", "nvme0").

    ``promised``: the run is OK only if this passed. ``deadline_seconds``: for all of the work; what does not
    end by then is killed and failed. ``share``: how much of the run's progress this step stands for.
    ``component``: the one thing that it tests ("storage/nvme0"), so that what another one did meanwhile is
    not taken for its fault.
    """

    name: str
    title: str
    work: Work
    deadline_seconds: float
    promised: bool = True
    share: float = 1.0
    component: str = ""


Stage = tuple[Step, ...]  # side by side
Plan = tuple[Stage, ...]  # one after the other
