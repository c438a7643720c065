"""The firmware section of the audit snapshot: every version of the other sections in one table."""

from typing import Literal

from bee_bus.documents.base import Document, Section

FirmwareKind = Literal["BIOS", "BMC", "microcode", "disk", "HBA", "NIC", "GPU", "PSU", "memory"]


class FirmwareVersion(Document):
    """``id``: section and id of the component that runs it, "storage/nvme0"."""

    id: str
    kind: FirmwareKind
    version: str
    name: str | None = None
    location: str | None = None


class FirmwareSection(Section):
    versions: tuple[FirmwareVersion, ...] = ()
