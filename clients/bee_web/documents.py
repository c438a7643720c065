"""What the web itself says, beside the documents of the services: its events and answers.

A value that is not known is absent.
"""

from typing import Any, Literal

import msgspec

from bee_bus.documents.base import Document
from bee_bus.documents.findings import Finding, Verdict
from bee_bus.documents.gpus import Condition
from bee_bus.documents.sat import RunStatus

# running: it is on the bus. idle: it starts when it is asked. missing: the bus knows no such service.
# error: it could not be started, or does not answer; the message says more.
ServiceWord = Literal["running", "idle", "missing", "error"]


class Problem(Document):
    """Why there is no other answer: a name for programs, a sentence for people."""

    error: str
    message: str


class ServicesNow(Document):
    """Event "services". ``messages``: a sentence for each service that is not well, by its name."""

    bus: bool
    audit: ServiceWord
    sat: ServiceWord
    gpu: ServiceWord
    messages: dict[str, str] = msgspec.field(default_factory=dict)


class AuditNow(Document):
    """Event "audit": the last audit as its file tells, and the one under way.

    ``trouble``: why there is no result. ``failure``: why the last audit that was seen ended without one.
    ``earlier_boot``: the result is of the time before the machine was started.
    """

    verdict: Verdict
    running: bool
    failure_count: int | None = None
    warning_count: int | None = None
    unknown_count: int | None = None
    audited_at: str | None = None  # RFC 3339
    earlier_boot: bool = False
    step: str | None = None
    progress: float | None = None  # 0 to 1
    trouble: str = ""
    failure: str = ""


class StepNow(Document):
    """A step of a run. ``doing``: what it does, or why it ended so."""

    name: str
    status: str  # "waiting", "running", or how it ended
    doing: str = ""
    progress: float | None = None


class RunNow(Document):
    """A run that has a job: it is under way, or has ended a while ago."""

    run: str
    pack: str
    state: Literal["queued", "running", "finished"]
    status: RunStatus
    step: str = ""
    progress: float | None = None
    started_at: str | None = None
    finished_at: str | None = None
    cancelable: bool = False
    reason: str = ""
    steps: tuple[StepNow, ...] = ()


class RunsNow(Document):
    """Event "runs". The oldest first."""

    runs: tuple[RunNow, ...]


class GpuNow(Document):
    """One GPU at one moment. ``reasons``: why its clocks are what they are."""

    gpu: str  # PCI address
    condition: Condition
    index: int | None = None
    verdict: Verdict | None = None
    temperature_celsius: int | None = None
    memory_temperature_celsius: int | None = None
    utilization_gpu_percent: int | None = None
    utilization_memory_percent: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    clock_sm_mhz: int | None = None
    clock_memory_mhz: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    reasons: tuple[str, ...] = ()


class GpusNow(Document):
    """Event "gpus", once a second. Without a time there is nothing to tell; ``trouble`` may say why.

    ``state``: of the GPU service, absent while it cannot be asked.
    """

    gpus: tuple[GpuNow, ...]
    state: str | None = None
    verdict: Verdict | None = None
    unix_seconds: float | None = None
    trouble: str = ""


class Status(Document):
    """The machine in one look. ``gpus`` only while somebody looks at them live."""

    version: str
    started_at: str  # of the web itself
    services: ServicesNow
    audit: AuditNow
    runs: tuple[RunNow, ...]
    host_name: str | None = None
    machine: str | None = None
    serial: str | None = None
    gpus: GpusNow | None = None


class Findings(Document):
    """What the last audit found, the worst first."""

    verdict: Verdict
    audited_at: str
    findings: tuple[Finding, ...]
    earlier_boot: bool = False


class ComponentAnswer(Document):
    """A part of the machine with an identity of its own. ``facts``: all that is known, as in the snapshot."""

    section: str
    id: str
    name: str
    location: str
    serial: str
    verdict: str
    findings: tuple[str, ...]
    facts: dict[str, Any]


class ChartSeries(Document):
    """``points``: pairs of seconds and value; a value that is null is a gap.

    Where many samples became one, the lowest and the highest of them are there, in their order.
    """

    name: str
    unit: str
    colour: str
    points: tuple[tuple[float, float | None], ...]


class ChartSpan(Document):
    """A time in which something held: the clocks were held back, say."""

    begin_seconds: float
    end_seconds: float
    label: str
    kind: str


class GpuChart(Document):
    """One GPU of a run; times are seconds since the load began."""

    title: str
    gpu: str
    begin_seconds: float
    end_seconds: float
    series: tuple[ChartSeries, ...]
    spans: tuple[ChartSpan, ...] = ()


class Charts(Document):
    """What a run measured. ``whole``: the run has ended, and there will be no more."""

    run: str
    whole: bool
    charts: tuple[GpuChart, ...]
