"""The audit snapshot: what a machine is made of, and the verdict on it."""

from typing import Literal

from bee_bus.documents.base import Document
from bee_bus.documents.bmc import BmcSection
from bee_bus.documents.board import BoardSection
from bee_bus.documents.cpus import CpusSection
from bee_bus.documents.findings import Finding, Severity, Threshold, Verdict
from bee_bus.documents.firmware import FirmwareSection
from bee_bus.documents.gpus import GpusSection
from bee_bus.documents.memory import MemorySection
from bee_bus.documents.network import NetworkSection
from bee_bus.documents.pcie import PcieSection
from bee_bus.documents.psus import PsusSection
from bee_bus.documents.sensors import SensorsSection
from bee_bus.documents.storage import StorageSection

__all__ = [
    "SCHEMA_VERSION",
    "CollectorRun",
    "CollectorStatus",
    "Finding",
    "Hardware",
    "Severity",
    "Snapshot",
    "Summary",
    "Threshold",
    "Verdict",
]

SCHEMA_VERSION = "1.0"

CollectorStatus = Literal["ok", "absent", "partial", "error", "timeout"]


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
    given_limits: str = ""  # limits of the caller's own that it was judged by, TOML
    expected_source: str = ""  # the file that says what the machine must have; empty: nothing was compared
