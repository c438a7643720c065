"""Findings on disks, in one form."""

from collections.abc import Iterator

from bee_bus.documents.audit import Finding, Hardware, Severity, Threshold
from bee_bus.documents.storage import Disk, StorageSection

REPLACE = (
    "Save its data and replace the disk; send the vendor the output of `smartctl -x` with its serial number."
)
WATCH = "Run a long self-test and audit again: a count that has grown means a dying disk, replace it then."
COOL = "Check fans, air flow and blanking plates, let it cool and audit again."


def section(hardware: Hardware) -> StorageSection:
    return hardware.storage if hardware.storage is not None else StorageSection()


def disks(hardware: Hardware) -> tuple[Disk, ...]:
    return section(hardware).disks


def real_disks(hardware: Hardware) -> Iterator[Disk]:
    """Those with a metal case around them: no volumes, no virtual disks."""
    return (disk for disk in disks(hardware) if not disk.virtual and not disk.raid_volume)


def finding(
    disk: Disk,
    rule: str,
    severity: Severity,
    message: str,
    next_step: str,
    *,
    value: float | str | bool | None = None,
    threshold: Threshold | None = None,
) -> Finding:
    """``message`` goes on from the disk's name: "has 8 sectors that cannot be read"."""
    return Finding(
        rule=f"storage.{rule}",
        severity=severity,
        component=f"storage/{disk.id}",
        where=where(disk),
        message=f"{title(disk)} {message}.",
        next_step=next_step,
        value=value,
        threshold=threshold,
    )


def title(disk: Disk) -> str:
    model = disk.model or disk.vendor
    return f"{disk.id} ({model})" if model is not None else disk.id


def where(disk: Disk) -> str:
    parts = (disk.location or disk.name or disk.id, f"serial {disk.serial}" if disk.serial else None)
    return ", ".join(part for part in parts if part is not None)


def own_limit(name: str, value: float | str, source: str, unit: str = "") -> Threshold:
    """The disk's own threshold, which is used before any of ours."""
    return Threshold(name=name, value=value, source=source, layer="device", unit=unit)
