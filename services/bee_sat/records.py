"""What a run writes down while it happens: one JSON line each, in ``records.jsonl``.

The verdict is computed from these and from the looks that they name, by `bee_sat.judge`, at the end of the
run and by anybody later. A line that was not written whole (the machine lost power) is the last, and is left
out.

``at`` is the time of day, which somebody may set while a run goes on; ``steady_seconds`` is the same moment
by the kernel's clock that nobody sets (CLOCK_MONOTONIC), which tells how long something lasted.
"""

from typing import Any, Literal

import msgspec

from bee_bus.documents.base import Document
from bee_bus.documents.findings import Finding, Threshold
from bee_bus.documents.sat import Measurement, Outcome


class RunStarted(Document, tag="run-started", tag_field="record"):
    """``looks``: the sources that the pack wants looked at before and after the load.

    ``limits``: the thresholds in force, so that a later judgement is by the same ones.
    """

    at: str  # RFC 3339, UTC
    run: str
    pack: str
    bee_version: str
    host_name: str
    boot_id: str
    kernel_release: str
    owner_uid: int
    options: dict[str, str]
    resources: tuple[str, ...]
    steady_seconds: float | None = None
    looks: tuple[Literal["audit", "gpus"], ...] = ()
    limits: tuple[Threshold, ...] = ()


class PlannedStep(Document):
    """``stage``: steps of one stage run side by side, stages one after the other."""

    name: str
    title: str
    stage: int
    promised: bool
    deadline_seconds: float


class Planned(Document, tag="planned", tag_field="record"):
    at: str
    steps: tuple[PlannedStep, ...]


class LookTaken(Document, tag="look-taken", tag_field="record"):
    """``artifact``: the audit snapshot or GPU inventory as it came, JSON. ``error``: why there is none."""

    at: str
    when: Literal["before", "after"]
    source: Literal["audit", "gpus"]
    artifact: str | None = None
    error: str = ""
    steady_seconds: float | None = None


class StepStarted(Document, tag="step-started", tag_field="record"):
    at: str
    step: str
    steady_seconds: float | None = None


class CommandStarted(Document, tag="command-started", tag_field="record"):
    """``number``: the step's first, second and so on; several may run at once."""

    at: str
    step: str
    command: tuple[str, ...]
    number: int = 1


class CommandEnded(Document, tag="command-ended", tag_field="record"):
    at: str
    step: str
    exit_code: int | None  # negative: ended by that signal; absent: it could not be started, or did not die
    output: str | None
    output_bytes: int
    output_cut: bool
    number: int = 1  # as of its CommandStarted
    note: str = ""  # "killed at its deadline", "printed more than 64 MiB and was stopped"


class Measured(Document, tag="measured", tag_field="record"):
    at: str
    step: str
    measurement: Measurement


class Found(Document, tag="found", tag_field="record"):
    """``step``: empty when it concerns the run as a whole."""

    at: str
    step: str
    finding: Finding


class KernelLogKept(Document, tag="kernel-log-kept", tag_field="record"):
    """The kernel messages of a step's window. ``error``: why they could not be read, and so not judged."""

    at: str
    step: str
    artifact: str | None = None
    messages: int = 0
    lost: int = 0  # messages that the kernel overwrote before they were read
    error: str = ""


class StepEnded(Document, tag="step-ended", tag_field="record"):
    at: str
    step: str
    outcome: Outcome
    steady_seconds: float | None = None


class RunEnded(Document, tag="run-ended", tag_field="record"):
    """``outcome``: how the run as a process ended; "completed" says nothing of its steps."""

    at: str
    outcome: Outcome
    steady_seconds: float | None = None


Record = (
    RunStarted
    | Planned
    | LookTaken
    | StepStarted
    | CommandStarted
    | CommandEnded
    | Measured
    | Found
    | KernelLogKept
    | StepEnded
    | RunEnded
)

# What decoding one of a run's files raises when somebody, or a dying disk, has damaged it.
DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def to_line(record: Record) -> bytes:
    """The record as it stands in the file. Text that is none (bytes of a file's name) is replaced in it."""
    try:
        return _encoder.encode(record) + b"\n"
    except UnicodeEncodeError:
        return _encoder.encode(_as_text(msgspec.to_builtins(record))) + b"\n"


def _as_text(part: Any) -> Any:
    if isinstance(part, str):
        return part.encode("utf-8", "replace").decode()
    if isinstance(part, dict):
        return {_as_text(name): _as_text(value) for name, value in part.items()}
    return [_as_text(one) for one in part] if isinstance(part, list | tuple) else part


def from_line(line: bytes) -> Record:
    """Raises one of DAMAGED for what is no record."""
    return _decoder.decode(line)
