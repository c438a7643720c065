"""What the parent tells a worker, one JSON object on its standard input."""

import msgspec

from bee_bus.documents.base import Document
from bee_sat.gpu_stress.events import PlannedPhase, StressGpu
from bee_sat.gpu_stress.inject import Fault


class Task(Document, tag_field="task"):
    """A worker does one, and ends."""


class Discover(Task, tag="discover"):
    """Say what GPUs there are: the answer is one `Discovered`."""


class LoadGpu(Task, tag="load"):
    """Load one GPU, phase after phase. ``turns``: the descriptor that all workers lock in turn."""

    gpu: StressGpu
    plan: tuple[PlannedPhase, ...]
    size_mb: int | None = None
    faults: tuple[Fault, ...] = ()
    turns: int | None = None


class Pair(Document):
    """Two GPUs, and the promise that they fulfil."""

    one: str
    other: str
    planned: PlannedPhase


class CopyPairs(Task, tag="copy-pairs"):
    """Copy between GPUs, pair after pair. ``faults``: by GPU."""

    gpus: tuple[StressGpu, ...]
    pairs: tuple[Pair, ...]
    faults: dict[str, tuple[Fault, ...]]
    size_mb: int | None = None


class Discovered(Document):
    """The GPUs that CUDA shows, or why it shows none. ``lost``: why others of them cannot be had."""

    gpus: tuple[StressGpu, ...] = ()
    lost: tuple[str, ...] = ()
    driver_version: str | None = None
    problem: str = ""
    next_step: str = ""


AnyTask = Discover | LoadGpu | CopyPairs

read_task = msgspec.json.Decoder(AnyTask).decode
read_discovered = msgspec.json.Decoder(Discovered).decode
