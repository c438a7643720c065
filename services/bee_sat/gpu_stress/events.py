"""What bee-gpu-stress says: one JSON object a line, told apart by ``event``.

Workers say what happens on their GPU; the parent adds what it sees from outside (a worker that died,
telemetry) and the verdict, which is a function of these lines and nothing else: anybody can compute it again
from them.

The first line is `RunStarted` and the last one always the `Verdict`; output without one is a run that was cut
off, and never OK. GPUs are named by their PCI address, as org.bee.Gpu1 names them.
"""

import time
from typing import Literal

import msgspec

from bee_bus.documents.base import Document
from bee_bus.documents.findings import Finding, Threshold
from bee_bus.documents.gpu import GpuCounters, GpuSample
from bee_bus.documents.gpus import Condition, GpuEvent

FORMAT = 1
LINE_LIMIT_BYTES = 1 << 20  # of what a worker says
# Of what the program says: the plan of a week on many GPUs is one line, and so is the verdict on it.
REPORT_LINE_LIMIT_BYTES = 32 << 20

Result = Literal["OK", "FAILED", "UNKNOWN", "ABORTED"]


class Event(Document, kw_only=True, tag_field="event"):
    """``unix_seconds``: when it was said, for people. ``steady_seconds``: the same by the clock that nobody
    sets and all processes share, to tell how long something lasted.
    """

    unix_seconds: float = msgspec.field(default_factory=time.time)
    steady_seconds: float = msgspec.field(default_factory=time.monotonic)


# The run.


class StressGpu(Document):
    """A GPU as CUDA shows it. ``index``: CUDA's number among the visible ones.

    ``clock_hertz``, ``memory_clock_hertz`` and ``memory_bus_bits`` are the device's own word on what it and
    its memory can do.
    """

    id: str  # PCI address, "0000:3b:00.0"
    index: int
    uuid: str
    name: str
    compute_capability: tuple[int, int]
    memory_total_bytes: int
    multiprocessors: int = 0
    clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    memory_bus_bits: int | None = None


class PlannedPhase(Document):
    """One promise: this phase, in this round, on this GPU."""

    gpu: str
    phase: str  # "gemm-bf16", "memory", "peer" ...
    seconds: float
    round: int = 1


class RunStarted(Event, tag="run-started"):
    """``format``: of these lines. ``size_mb``: the bound on the memory used per GPU, absent without one.

    ``whole_machine``: neither --gpus nor CUDA_VISIBLE_DEVICES chose among the GPUs, so every NVIDIA GPU of
    the machine has to be in ``gpus``. ``lost``: GPUs that CUDA counts and cannot give, and why.
    """

    format: int
    version: str
    seconds: float
    gpus: tuple[StressGpu, ...]
    plan: tuple[PlannedPhase, ...]
    size_mb: int | None = None
    whole_machine: bool = False
    with_telemetry: bool = True
    injections: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    driver_version: str | None = None


# A worker.


class Hello(Event, tag="hello"):
    """A worker has its GPU. ``kernels``: the target of the kernel set in use; ``note``: about it."""

    gpu: str
    pid: int
    memory_total_bytes: int
    memory_free_bytes: int
    kernels: str
    note: str | None = None


class Opening(Event, tag="opening"):
    """The worker of all pairs takes up this GPU, one after the other."""

    gpu: str


class PhaseStarted(Event, tag="phase-started"):
    gpu: str
    phase: str
    seconds: float
    round: int = 1
    peer: str | None = None


class Rate(Document):
    """``name``: "tflops", "read", "host-to-device" ...; ``judged``: it stands for what the GPU can do."""

    name: str
    value: float
    unit: str
    judged: bool = True


class PhaseProgress(Event, tag="phase-progress"):
    """How it goes: each second, in long runs less often. ``doing``: what it is at."""

    gpu: str
    phase: str
    doing: str
    elapsed_seconds: float
    round: int = 1
    compared: int = 0
    wrong: int = 0
    rate: Rate | None = None
    peer: str | None = None


class Wrong(Event, tag="wrong"):
    """One wrong element or word. ``expected`` and ``got`` are the bits, in hexadecimal.

    ``address`` is the GPU's own virtual address; ``sm`` the multiprocessor that saw it.
    """

    gpu: str
    phase: str
    index: int
    expected: str
    got: str
    what: str  # "result", "memory word", "transferred byte" ...
    address: str | None = None
    row: int | None = None
    column: int | None = None
    sm: int | None = None
    expected_value: float | None = None
    got_value: float | str | None = None  # a string for NaN and the infinities, which JSON cannot hold
    round: int = 1
    peer: str | None = None


class Link(Document):
    """The PCIe link while data was moving, from sysfs. The limits are those of both its ends together.

    ``path_...``: of the slowest link between the GPU and the processor; behind a switch that may be another.
    """

    speed_gtps: float | None = None
    width: int | None = None
    max_speed_gtps: float | None = None
    max_width: int | None = None
    path_speed_gtps: float | None = None
    path_width: int | None = None


class Coverage(Document):
    """``free_bytes``: free when the phase began; ``total_bytes``: what the GPU has."""

    tested_bytes: int
    free_bytes: int
    total_bytes: int


class Completed(Document, tag="completed", tag_field="execution"):
    """It ran. Whether it passed is judged from these numbers.

    ``iterations``: launches of the load, or passes. ``compared``, ``wrong``, ``not_finite``: elements, words
    or bytes. ``self_proof``: before it was trusted the check was shown one wrong element, and found it alone.
    ``checked_share``: of all results, how many were compared; ``check_cost``: of the time, what that took.
    ``far``: nobody knows that the processor which moved the data is the one beside the GPU.
    ``translated``: from GPU to GPU with an IOMMU in between, which the driver does not support over PCIe.
    """

    seconds: float
    iterations: int
    compared: int
    wrong: int
    self_proof: bool
    not_finite: int = 0
    checked_share: float = 1.0
    check_cost: float | None = None
    rates: tuple[Rate, ...] = ()
    coverage: Coverage | None = None
    link: Link | None = None
    far: bool = False
    translated: bool = False
    size: str = ""  # "8192 × 8192 × 8192", "76.1 GiB"
    notes: tuple[str, ...] = ()


class NotSupported(Document, tag="not-supported", tag_field="execution"):
    """The hardware has not what this phase loads."""

    reason: str


class Errored(Document, tag="errored", tag_field="execution"):
    """It could not be carried out. ``code``: of the CUDA driver, where it gave one.

    ``fault``: what failed was the GPU, and not what is around it (memory in use by others, no kernels).
    """

    reason: str
    fault: bool
    code: int | None = None


class Aborted(Document, tag="aborted", tag_field="execution"):
    """Somebody told it to end."""

    reason: str


Outcome = Completed | NotSupported | Errored | Aborted


class PhaseEnded(Event, tag="phase-ended"):
    gpu: str
    phase: str
    outcome: Outcome
    round: int = 1
    peer: str | None = None


class Unusable(Event, tag="unusable"):
    """The worker cannot go on with this GPU, and says why before it ends. ``fault`` as in `Errored`."""

    gpu: str
    reason: str
    fault: bool
    next_step: str = ""
    code: int | None = None


class Farewell(Event, tag="farewell"):
    """The worker's last word: it did all that it was told. Whoever ends without it has died."""

    gpu: str


# What the parent sees.

# died: it ended without its last word. hung: it was silent for too long, and was killed. broken: it said what
# cannot be understood. errored: its GPU could not be used.
Ending = Literal["completed", "errored", "died", "hung", "broken", "aborted"]


STARTING = "starting"  # what a worker is at before it says anything


class WorkerEnded(Event, tag="worker-ended"):
    """``doing``: its last known work. ``exit_code``: negative when a signal ended it."""

    gpu: str
    ending: Ending
    message: str = ""
    doing: str = ""
    exit_code: int | None = None
    fault: bool = True  # false: what failed was not the GPU
    next_step: str = ""
    peers: bool = False  # it was the worker of the peer phase

    @property
    def blames_nobody(self) -> bool:
        """It was to take up all GPUs and said nothing: any of them may be the cause."""
        return self.peers and self.doing == STARTING and self.ending in ("hung", "died")


class Telemetry(Event, tag="telemetry"):
    """Whether org.bee.Gpu1 watches; said again when that changes."""

    watching: bool
    reason: str = ""


class GpuLook(Document):
    """What org.bee.Gpu1 knew of one GPU.

    ``xids``: number → how often it is in the kernel log; without those that only follow from others.
    ``findings``: what it found wrong with the GPU.
    """

    gpu: str
    name: str | None = None
    condition: Condition = "ok"
    trouble: str | None = None
    counters: GpuCounters | None = None
    mig_enabled: bool | None = None
    power_limit_enforced_watts: float | None = None
    power_limit_default_watts: float | None = None
    xids: dict[str, int] = msgspec.field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class Looked(Event, tag="looked"):
    """All NVIDIA GPUs of the machine, before or after."""

    when: Literal["before", "after"]
    gpus: tuple[GpuLook, ...]
    driver_version: str | None = None


class Sample(Event, tag="sample"):
    """One moment of one GPU."""

    gpu: str
    condition: Condition
    sample: GpuSample | None = None


class Happened(Event, tag="happened"):
    """What org.bee.Gpu1 noticed: an Xid, throttling, ECC errors, a link that narrowed."""

    news: GpuEvent


class Stopped(Event, tag="stopped"):
    """Somebody ended the run. ``signal``: "SIGTERM" or "SIGINT"."""

    signal: str


# The end.


class JudgedRate(Document):
    """One rate of one GPU, and what judged it: its peers' median, the floor for its model, or nothing."""

    gpu: str
    phase: str
    rate: Rate
    peer: str | None = None
    median: float | None = None
    floor: Threshold | None = None
    passed: bool = True
    note: str = ""


class Throttled(Document):
    """How long one reason held the clocks of a GPU down while it was loaded."""

    reason: str
    seconds: float
    severity: Literal["Info", "Warning", "Critical"]


class GpuReport(Document):
    """One GPU at the end. ``power_share``: the highest draw against the enforced limit."""

    gpu: str
    name: str
    result: Result
    compared: int = 0
    wrong: int = 0
    coverage: Coverage | None = None
    power_max_watts: float | None = None
    power_limit_watts: float | None = None
    power_share: float | None = None
    temperature_max_celsius: int | None = None
    memory_temperature_max_celsius: int | None = None
    sm_clock_min_mhz: int | None = None  # while a GEMM ran
    sm_clock_max_mhz: int | None = None
    burst_power_watts: tuple[float, float] | None = None  # lowest and highest in the load steps
    throttled: tuple[Throttled, ...] = ()


class Verdict(Event, tag="verdict"):
    """The last line. ``result`` is OK only if all that was promised ran and passed."""

    result: Result
    summary: str
    gpus: tuple[GpuReport, ...] = ()
    rates: tuple[JudgedRate, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


AnyEvent = (
    RunStarted
    | Hello
    | Opening
    | PhaseStarted
    | PhaseProgress
    | Wrong
    | PhaseEnded
    | Unusable
    | Farewell
    | WorkerEnded
    | Telemetry
    | Looked
    | Sample
    | Happened
    | Stopped
    | Verdict
)

_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class BadLine(ValueError):
    """A line that is no event: cut off, or not of this format."""


def read(line: bytes | str) -> AnyEvent:
    """The event of one line. Raises BadLine."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadLine(f"not an event of bee-gpu-stress: {error}") from error


def line(event: AnyEvent) -> bytes:
    """The event as one line, with its end."""
    return msgspec.json.encode(event) + b"\n"
