"""What org.bee.Gpu1 answers, and the gpus section of the audit snapshot, which holds the same facts.

What one GPU is, does and counts stands in ``bee_bus.documents.gpu``. A field that a GPU does not support is
absent, not zero.
"""

from typing import Literal

import msgspec

from bee_bus.documents.base import Document, Section
from bee_bus.documents.findings import Finding, Verdict
from bee_bus.documents.gpu import GpuIdentity, GpuSample, GpuState

# not-in-driver: PCI shows it and its driver does not list it. no-driver: no driver has taken it.
Condition = Literal["ok", "lost", "needs-reset", "no-power", "not-answering", "no-driver", "not-in-driver"]
# Of the service as a whole; "ready" says that NVML answers, or that no NVIDIA GPU needs it.
ServiceState = Literal["ready", "no-gpu", "no-driver", "no-library", "version-mismatch", "not-answering"]
EventSeverity = Literal["Info", "Warning", "Critical"]


class GpuLink(Document):
    """The link of a GPU as sysfs shows it: what the GPU can do, and what the port above it can."""

    port: str | None = None  # PCI address of the port; absent where a hypervisor hides it
    speed_gtps: float | None = None
    width: int | None = None
    max_speed_gtps: float | None = None
    max_width: int | None = None
    port_max_speed_gtps: float | None = None
    port_max_width: int | None = None


class XidRecord(Document):
    """One kind of Xid of one GPU in the kernel log of this boot, and how often it is there."""

    gpu: str  # PCI address
    number: int
    name: str
    severity: EventSeverity
    meaning: str
    next_step: str
    source: str
    count: int
    first_seconds: float  # since boot
    last_seconds: float
    message: str  # the last of them, as the driver wrote it


class InventoryGpu(Document):
    """One GPU. ``trouble`` says why its condition is not "ok"."""

    id: str  # PCI address, "0000:53:00.0"
    vendor: str
    condition: Condition
    trouble: str | None = None
    name: str | None = None
    pci_id: str | None = None  # "10de:2330"
    pci_subsystem_id: str | None = None
    on_pci: bool = True
    driver: str | None = None
    numa_node: int | None = None
    link: GpuLink | None = None
    identity: GpuIdentity | None = None
    state: GpuState | None = None
    sample: GpuSample | None = None


class GpuInventory(Document):
    """The answer of GetInventory: every GPU that PCI or a driver shows, and what is wrong with them."""

    state: ServiceState = "ready"
    verdict: Verdict = "Unknown"
    driver_version: str | None = None
    nvml_version: str | None = None
    cuda_version: str | None = None
    nvswitches: tuple[str, ...] = ()  # PCI addresses
    gpus: tuple[InventoryGpu, ...] = ()
    xids: tuple[XidRecord, ...] = ()
    findings: tuple[Finding, ...] = ()


class GpuEvent(Document):
    """Something that happened to a GPU; ``gpu`` is empty for the driver as a whole."""

    unix_seconds: float
    gpu: str
    kind: str  # "xid", "throttle-begin", "ecc-uncorrected", "lost" ...
    severity: EventSeverity
    message: str
    details: dict[str, int | float | str | bool | None] = msgspec.field(default_factory=dict)


class GpuHealth(Document):
    """The answer of GetHealth. ``verdicts`` is by PCI address; ``events`` are the last ones, oldest first."""

    verdict: Verdict
    verdicts: dict[str, Verdict]
    findings: tuple[Finding, ...]
    events: tuple[GpuEvent, ...] = ()


class SampledGpu(Document):
    """One GPU in a Samples signal; ``sample`` is absent while the GPU does not give one."""

    gpu: str  # PCI address
    condition: Condition
    sample: GpuSample | None = None


class GpuTick(Document):
    """One Samples signal: every GPU at one moment."""

    unix_seconds: float
    gpus: tuple[SampledGpu, ...]


class GpuHistory(Document):
    """The answer of GetHistory: a row for each sample, the time in microseconds since 1970 in front."""

    gpu: str
    fields: tuple[str, ...]
    samples: tuple[tuple[float | None, ...], ...]


class Gpu(Document):
    """A GPU or accelerator of the audit: as PCI shows it, with what its driver says through org.bee.Gpu1."""

    id: str  # PCI address, "0000:53:00.0"
    name: str
    vendor_id: str
    device_id: str
    location: str | None = None
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    firmware: str | None = None  # VBIOS
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    numa_node: int | None = None
    driver: str | None = None  # absent: no driver has taken it
    uuid: str | None = None
    condition: Condition | None = None  # absent when the service was not asked
    identity: GpuIdentity | None = None
    state: GpuState | None = None
    sample: GpuSample | None = None


class GpusSection(Section):
    """``findings`` are those of org.bee.Gpu1, which judges GPUs for everybody."""

    gpus: tuple[Gpu, ...] = ()
    driver_version: str | None = None
    nvml_version: str | None = None
    cuda_version: str | None = None
    xids: tuple[XidRecord, ...] = ()
    findings: tuple[Finding, ...] = ()
