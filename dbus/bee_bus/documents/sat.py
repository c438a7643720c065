"""Acceptance runs: what a run and its steps ended as, and what was measured.

Whether a step was executed and what it found are two things. Only `Completed` carries a result, so that a
pass that was not executed cannot be written down (Open Compute diagnostics keep them apart in the same way).
"""

from typing import Literal

import msgspec

from bee_bus.documents.base import Document
from bee_bus.documents.findings import Finding, Threshold

SCHEMA_VERSION = "1.0"

# How a step, and a run, ended, in the word that people and scripts read.
Status = Literal["OK", "FAILED", "UNSUPPORTED", "ABORTED", "INTERRUPTED"]
STATUSES: tuple[Status, ...] = ("OK", "FAILED", "UNSUPPORTED", "ABORTED", "INTERRUPTED")
RunStatus = Literal["RUNNING", "OK", "FAILED", "UNSUPPORTED", "ABORTED", "INTERRUPTED"]


class Completed(Document, tag="completed", tag_field="execution"):
    """It ran to its end. ``reason``: why it failed; what passed may say a word too."""

    result: Literal["pass", "fail"]
    reason: str = ""


class Skipped(Document, tag="skipped", tag_field="execution"):
    """The machine cannot do it: UNSUPPORTED."""

    reason: str


class Errored(Document, tag="errored", tag_field="execution"):
    """It could not be carried out, or gave nothing that can be judged: FAILED."""

    reason: str


class Aborted(Document, tag="aborted", tag_field="execution"):
    """Somebody told it to end."""

    reason: str


class Interrupted(Document, tag="interrupted", tag_field="execution"):
    """The service or the machine ended under it."""

    reason: str


Outcome = Completed | Skipped | Errored | Aborted | Interrupted


def status_of(outcome: Outcome) -> Status:
    """The one word for an outcome."""
    match outcome:
        case Completed(result="pass"):
            return "OK"
        case Completed() | Errored():
            return "FAILED"
        case Skipped():
            return "UNSUPPORTED"
        case Aborted():
            return "ABORTED"
        case Interrupted():
            return "INTERRUPTED"


class Measurement(Document):
    """One number of a step, with the limit that judged it, if one did.

    ``wanted``: on which side of the limit it has to be.
    """

    name: str  # "memory_bandwidth"
    value: float
    unit: str = ""
    component: str = ""  # "gpus/0000:3b:00.0"
    threshold: Threshold | None = None
    wanted: Literal["at-least", "at-most"] | None = None


class StepResult(Document):
    """One step. A step that is not ``promised`` may be unsupported without harm to the run's status."""

    name: str
    title: str
    status: RunStatus
    promised: bool = True
    outcome: Outcome | None = None  # absent while it runs, and for a step whose turn never came
    reason: str = ""
    started_at: str | None = None  # RFC 3339, UTC
    finished_at: str | None = None
    duration_seconds: float | None = None
    command: tuple[str, ...] = ()
    exit_code: int | None = None  # negative: ended by that signal
    output: str | None = None  # the artifact
    output_bytes: int | None = None
    output_cut: bool = False
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()


class CounterChange(Document):
    """A counter that was looked at before and after the load."""

    name: str  # "memory.uncorrected_errors"
    component: str  # "memory/DIMM_A1"
    before: float | None = None  # absent: it was not there to be read
    after: float | None = None


class Look(Document):
    """What was read of the machine before or after the load, and where it is kept."""

    when: Literal["before", "after"]
    source: Literal["audit", "gpus"]
    artifact: str | None = None
    error: str = ""


class SatResult(Document):
    """One run: everything in it is computed from the run's records."""

    schema_version: str
    bee_version: str
    run: str
    pack: str
    status: RunStatus
    host_name: str
    started_at: str
    reason: str = ""
    finished_at: str | None = None
    duration_seconds: float | None = None
    boot_id: str = ""
    kernel_release: str = ""
    system_serial: str | None = None
    owner_uid: int = 0
    options: dict[str, str] = msgspec.field(default_factory=dict)
    resources: tuple[str, ...] = ()
    steps: tuple[StepResult, ...] = ()
    findings: tuple[Finding, ...] = ()  # of the whole run: what the looks and the kernel log show
    counters: tuple[CounterChange, ...] = ()  # those that moved, and those that could not be compared
    looks: tuple[Look, ...] = ()
    kernel_messages: int | None = None  # how many the run's windows hold; absent: the log could not be read


class SatRun(Document):
    """A run in a list. ``job``: its object's path, while it has one."""

    run: str
    pack: str
    status: RunStatus
    started_at: str
    reason: str = ""
    finished_at: str | None = None
    owner_uid: int = 0
    directory: str = ""
    archive: str | None = None
    job: str | None = None


class SatOption(Document):
    """An option of a pack, for forms and help. ``allowed``: for people; ``default``: as a string, or what is
    found by itself."""

    name: str
    help: str
    allowed: str
    default: str
    environment: str | None = None  # the variable that the command line takes it from


class SatPack(Document):
    """A pack: what it proves and what can be set."""

    name: str
    title: str
    summary: str
    steps: tuple[str, ...]
    options: tuple[SatOption, ...]
