"""The audit snapshot: what a machine is made of, and the verdict on it."""

from typing import Literal

from bee_bus.documents.base import Document
from bee_bus.documents.bmc import BmcSection
from bee_bus.documents.board import BoardSection
from bee_bus.documents.cpus import CpusSection
from bee_bus.documents.firmware import FirmwareSection
from bee_bus.documents.gpus import GpusSection
from bee_bus.documents.memory import MemorySection
from bee_bus.documents.network import NetworkSection
from bee_bus.documents.pcie import PcieSection
from bee_bus.documents.psus import PsusSection
from bee_bus.documents.sensors import SensorsSection
from bee_bus.documents.storage import StorageSection

SCHEMA_VERSION = "1.0"

Verdict = Literal["OK", "Warning", "Critical", "Unknown"]
Severity = Literal["Warning", "Critical", "Unknown"]
CollectorStatus = Literal["ok", "absent", "partial", "error", "timeout"]


class Threshold(Document):
    """A limit and where it comes from, printed beside the value that it judged."""

    name: str
    value: float | str | bool
    source: str  # the document, standard or device that states the number
    layer: Literal["built-in", "model", "site", "option", "device"]
    unit: str = ""


class Finding(Document):
    """One thing that is wrong, or that could not be seen (severity ``Unknown``)."""

    rule: str  # "storage.nvme-spare"
    severity: Severity
    component: str  # "storage/nvme0": section and the component's id in it
    where: str  # for hands: "slot DIMM_A1, serial 8C2F01", "0000:3b:00.0 in SLOT 4"
    message: str  # what was seen, one sentence
    next_step: str  # what to do, one sentence
    value: float | str | bool | None = None
    threshold: Threshold | None = None


class Summary(Document):
    verdict: Verdict
    failure_count: int  # findings of severity Critical
    warning_count: int
    unknown_count: int
    findings: tuple[Finding, ...]


class Hardware(Document):
    """The inventory; a section whose source the machine does not have is absent."""

    summary: Summary
    board: BoardSection | None = None
    cpus: CpusSection | None = None
    memory: MemorySection | None = None
    storage: StorageSection | None = None
    pcie: PcieSection | None = None
    network: NetworkSection | None = None
    psus: PsusSection | None = None
    sensors: SensorsSection | None = None
    bmc: BmcSection | None = None
    gpus: GpusSection | None = None
    firmware: FirmwareSection | None = None


class CollectorRun(Document):
    """How reading one section went; ``absent``: the machine does not have its source."""

    name: str
    status: CollectorStatus
    duration_seconds: float
    error: str = ""


class Snapshot(Document):
    """One audit of one machine."""

    schema_version: str
    bee_version: str
    host_name: str
    started_at: str  # RFC 3339, UTC
    duration_seconds: float
    collectors: tuple[CollectorRun, ...]
    hardware: Hardware
    kernel_release: str = ""
    boot_id: str = ""  # of the kernel: two snapshots with the same one saw the same run of the machine
    sections: tuple[str, ...] = ()  # what was asked for, when it was not everything
