"""Counters that predict a failure: ATA attributes and statistics, SCSI error counters and defect lists."""

from collections.abc import Iterator

import msgspec

from bee_audit.rules.disks.common import REPLACE, WATCH, disks, finding
from bee_audit.rules.thresholds import Thresholds
from bee_bus import ata_counters
from bee_bus.ata_counters import AtaCounter
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.storage import Disk


class Count(msgspec.Struct, frozen=True):
    """What is said of a counter whose total is above ``limit``, on young disks ``young_limit``."""

    rule: str
    limit: str
    counter: AtaCounter
    message: str
    next_step: str
    young_limit: str | None = None


_REALLOCATED = "has moved {count} bad sectors to spare ones"
_CABLE = (
    "Reseat or replace the cable, the backplane or the tray, and audit again: the count must stand still."
)
_REWRITE = "Save its data, write over them or run a long self-test; replace it if they come back."

COUNTS = (
    Count(
        "reallocated-sectors",
        "storage.reallocated_sectors",
        ata_counters.REALLOCATED_SECTORS,
        _REALLOCATED,
        WATCH,
        young_limit="storage.reallocated_sectors_young",
    ),
    Count(
        "reallocated-blocks",
        "storage.reallocated_blocks_ssd",
        ata_counters.RETIRED_BLOCKS,
        "has retired {count} blocks of flash",
        WATCH,
    ),
    Count(
        "reallocation-events",
        "storage.reallocated_sectors",
        ata_counters.REALLOCATION_EVENTS,
        "has moved sectors {count} times",
        WATCH,
        young_limit="storage.reallocated_sectors_young",
    ),
    Count(
        "spin-retries",
        "storage.spin_retries",
        ata_counters.SPIN_RETRIES,
        "needed {count} retries to spin up",
        "Check its power supply and cabling; replace it if the count grows.",
    ),
    Count(
        "end-to-end-errors",
        "storage.end_to_end_errors",
        ata_counters.END_TO_END_ERRORS,
        "has corrupted data on its way through its own electronics {count} times",
        REPLACE,
    ),
    Count(
        "reported-uncorrectable",
        "storage.reported_uncorrectable",
        ata_counters.REPORTED_UNCORRECTABLE,
        "could not give back data {count} times",
        WATCH,
    ),
    Count(
        "command-timeouts",
        "storage.command_timeouts",
        ata_counters.COMMAND_TIMEOUTS,
        "let {count} commands run into a timeout",
        "Check its power and its cable, and audit again; replace it if the count grows.",
    ),
    Count(
        "pending-sectors",
        "storage.pending_sectors",
        ata_counters.PENDING_SECTORS,
        "has {count} sectors that cannot be read now",
        _REWRITE,
    ),
    Count(
        "offline-uncorrectable",
        "storage.offline_uncorrectable",
        ata_counters.OFFLINE_UNCORRECTABLE,
        "found {count} sectors that cannot be read in its own scan",
        WATCH,
    ),
    Count(
        "soft-read-errors",
        "storage.soft_read_errors",
        ata_counters.SOFT_READ_ERRORS,
        "has {count} uncorrected read errors off its surface",
        WATCH,
    ),
    Count(
        "interface-crc",
        "storage.interface_crc_errors",
        ata_counters.INTERFACE_CRC_ERRORS,
        "has counted {count} transfers that arrived damaged over its cable",
        _CABLE,
    ),
)


def predicting_counts(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        for count in COUNTS:
            limit = count.young_limit if count.young_limit and _is_young(disk, thresholds) else count.limit
            seen = count.counter.read(disk)
            if seen is not None and seen > thresholds.number(limit):
                yield finding(
                    disk,
                    count.rule,
                    "Warning",
                    count.message.format(count=seen),
                    count.next_step,
                    value=seen,
                    threshold=thresholds[limit],
                )


def _is_young(disk: Disk, thresholds: Thresholds) -> bool:
    hours = disk.power_on_hours
    return hours is not None and hours < thresholds.number("storage.young_disk_hours")


def link_failures(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        failures = disk.ata.link_crc_failures if disk.ata is not None else None
        if failures is not None and failures > thresholds.number("storage.link_crc_failures"):
            yield finding(
                disk,
                "link-crc",
                "Warning",
                f"lost {failures} commands to errors on its link since the counter was last reset",
                _CABLE,
                value=failures,
                threshold=thresholds["storage.link_crc_failures"],
            )


def scsi_uncorrected(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Set against the amount of data, so that one old error on a disk that stays sound ages out."""
    limit = thresholds["storage.scsi_uncorrected_errors_per_bit"]
    for disk in disks(hardware):
        scsi = disk.scsi
        if scsi is None:
            continue
        for what, errors, amount in (
            ("reading", scsi.uncorrected_reads, scsi.bytes_read),
            ("writing", scsi.uncorrected_writes, scsi.bytes_written),
            ("verifying", scsi.uncorrected_verifies, scsi.bytes_verified),
        ):
            allowed = int((amount or 0) * 8 * thresholds.number("storage.scsi_uncorrected_errors_per_bit"))
            if errors is not None and errors > allowed:
                yield finding(
                    disk,
                    "scsi-uncorrected",
                    "Warning",
                    f"could not correct {errors} errors in {what} {(amount or 0) / 1e12:.1f} TB",
                    WATCH,
                    value=errors,
                    threshold=limit,
                )


def scsi_defects(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        if disk.scsi is None:
            continue
        young = _is_young(disk, thresholds)
        limit = "storage.reallocated_sectors_young" if young else "storage.grown_defects"
        grown, pending = disk.scsi.grown_defects, disk.scsi.pending_defects
        if grown is not None and grown > thresholds.number(limit):
            yield finding(
                disk,
                "grown-defects",
                "Warning",
                f"has {grown} blocks in its list of grown defects",
                WATCH,
                value=grown,
                threshold=thresholds[limit],
            )
        if pending is not None and pending > thresholds.number("storage.pending_sectors"):
            yield finding(
                disk,
                "pending-sectors",
                "Warning",
                f"has {pending} blocks that cannot be read now",
                _REWRITE,
                value=pending,
                threshold=thresholds["storage.pending_sectors"],
            )


RULES = (predicting_counts, link_failures, scsi_uncorrected, scsi_defects)
