"""NVMe health, and wear of any flash."""

from collections.abc import Iterator

from bee_audit.rules.disks.common import REPLACE, WATCH, disks, finding, own_limit
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware

_NEXT_STEPS = {
    1: "Check fans, air flow and heat sink, let it cool and audit again.",
    4: "It may lose data at a power cut: replace it.",
}
TEMPERATURE_BIT = 1


def nvme_critical_warning(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        if disk.nvme is None or not disk.nvme.critical_warning:
            continue
        bits = [bit for bit in range(8) if disk.nvme.critical_warning >> bit & 1]
        limit = own_limit("critical warning", 0, "NVMe 2.0 fig. 207, the drive's own warning")
        for bit, words in zip(bits, disk.nvme.critical_warnings, strict=False):
            yield finding(
                disk,
                "nvme-critical-warning",
                "Critical",
                f"warns: {words}",
                _NEXT_STEPS.get(bit, REPLACE),
                value=disk.nvme.critical_warning,
                threshold=limit,
            )


def endurance_group_warning(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A part of a drive's flash can wear out before the rest; the drive as a whole need not warn of it."""
    for disk in disks(hardware):
        if disk.nvme is None:
            continue
        for words in disk.nvme.endurance_group_warnings:
            if words not in disk.nvme.critical_warnings:
                yield finding(
                    disk,
                    "nvme-critical-warning",
                    "Critical",
                    f"warns of one of its endurance groups: {words}",
                    REPLACE,
                    value=words,
                    threshold=own_limit("endurance group warnings", 0, "NVMe 2.0 fig. 207, byte 6"),
                )


def nvme_spare(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        health = disk.nvme
        if health is None or health.available_spare_percent is None:
            continue
        threshold = health.available_spare_threshold_percent
        if threshold is not None and health.available_spare_percent < threshold:
            yield finding(
                disk,
                "nvme-spare",
                "Critical",
                f"has {health.available_spare_percent} % of its spare left, its threshold is {threshold} %",
                REPLACE,
                value=health.available_spare_percent,
                threshold=own_limit("available spare threshold", threshold, "the drive's own threshold", "%"),
            )


def worn_out(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    limit, critical = thresholds["storage.percentage_used"], thresholds["storage.percentage_used_critical"]
    for disk in disks(hardware):
        used = disk.percentage_used
        if used is None or used < thresholds.number("storage.percentage_used"):
            continue
        is_critical = used >= thresholds.number("storage.percentage_used_critical")
        yield finding(
            disk,
            "worn-out",
            "Critical" if is_critical else "Warning",
            f"has used {used} % of its rated endurance",
            "Replace it before it is written much more; its warranty is likely used up as well.",
            value=used,
            threshold=critical if is_critical else limit,
        )


def nvme_media_errors(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Data that the drive could not give back, more often than so much reading allows.

    The total alone would warn for ever; set against what was read it ages out on a drive that stays sound.
    """
    limit = thresholds["storage.nvme_media_errors_per_bit_read"]
    rate = thresholds.number("storage.nvme_media_errors_per_bit_read")
    for disk in disks(hardware):
        if disk.nvme is None or not disk.nvme.media_errors:
            continue
        bits_read = (disk.nvme.bytes_read or 0) * 8
        if disk.nvme.media_errors > int(bits_read * rate):
            usual = f", one in {1 / rate / 8e12:,.0f} TB is allowed" if rate > 0 else ""
            yield finding(
                disk,
                "nvme-media-errors",
                "Warning",
                f"could not read or verify its own data {disk.nvme.media_errors} times "
                f"in {bits_read / 8e12:,.1f} TB read{usual}",
                WATCH,
                value=disk.nvme.media_errors,
                threshold=limit,
            )


RULES = (nvme_critical_warning, endurance_group_warning, nvme_spare, worn_out, nvme_media_errors)
