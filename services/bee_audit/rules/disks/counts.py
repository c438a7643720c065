"""Counters that predict a failure: ATA attributes and statistics, SCSI error counters and defect lists.

A vendor may put anything under an attribute's number, so each is judged by number and name together, and only
where smartctl knows how the raw value is packed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bee_audit.rules.disks.common import REPLACE, WATCH, disks, finding
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.disk_health import AtaHealth
from bee_bus.documents.storage import Disk


@dataclass(frozen=True)
class Count:
    """``numbers`` and ``names``: of the attribute when it is this one. ``media``: the kinds that it means.

    ``statistic``: the same count in the standard's own log, where the disk keeps it.
    """

    rule: str
    limit: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    message: str
    next_step: str
    media: tuple[str | None, ...] = ("hdd", "ssd", None)
    statistic: Callable[[AtaHealth], int | None] | None = None
    young_limit: str | None = None


_REALLOCATED = "has moved {count} bad sectors to spare ones"
_CABLE = (
    "Reseat or replace the cable, the backplane or the tray, and audit again: the count must stand still."
)
_REWRITE = "Save its data, write over them or run a long self-test; replace it if they come back."
_DISKS_WITH_PLATTERS = ("hdd", None)

COUNTS = (
    Count(
        "reallocated-sectors",
        "storage.reallocated_sectors",
        (5,),
        ("Reallocated_Sector_Ct",),
        _REALLOCATED,
        WATCH,
        media=_DISKS_WITH_PLATTERS,
        statistic=lambda ata: ata.reallocated_sectors,
        young_limit="storage.reallocated_sectors_young",
    ),
    Count(
        "reallocated-blocks",
        "storage.reallocated_blocks_ssd",
        (5, 170),
        (
            "Reallocated_Sector_Ct",
            "Reallocated_Block_Count",
            "Reallocate_NAND_Blk_Cnt",
            "Retired_Block_Count",
            "Runtime_Bad_Block",
            "Grown_Bad_Block_Ct",
            "Grown_Failing_Block_Ct",
        ),
        "has retired {count} blocks of flash",
        WATCH,
        media=("ssd",),
    ),
    Count(
        "reallocation-events",
        "storage.reallocated_sectors",
        (196,),
        ("Reallocated_Event_Count",),
        "has moved sectors {count} times",
        WATCH,
        media=_DISKS_WITH_PLATTERS,
        young_limit="storage.reallocated_sectors_young",
    ),
    Count(
        "spin-retries",
        "storage.spin_retries",
        (10,),
        ("Spin_Retry_Count",),
        "needed {count} retries to spin up",
        "Check its power supply and cabling; replace it if the count grows.",
        media=_DISKS_WITH_PLATTERS,
    ),
    Count(
        "end-to-end-errors",
        "storage.end_to_end_errors",
        (180, 184),
        ("End-to-End_Error", "End-to-End_Error_Count", "End_to_End_Err_Detect"),
        "has corrupted data on its way through its own electronics {count} times",
        REPLACE,
    ),
    Count(
        "reported-uncorrectable",
        "storage.reported_uncorrectable",
        (187, 195),
        (
            "Reported_Uncorrect",
            "Reported_UE_Counts",
            "Uncorrectable_Error_Cnt",
            "Uncorrectable_Err_Ct",
            "Uncorrectable_ECC_Ct",
        ),
        "could not give back data {count} times",
        WATCH,
        statistic=lambda ata: ata.reported_uncorrectable,
    ),
    Count(
        "command-timeouts",
        "storage.command_timeouts",
        (188,),
        ("Command_Timeout", "Command_Timeouts"),
        "let {count} commands run into a timeout",
        "Check its power and its cable, and audit again; replace it if the count grows.",
        media=_DISKS_WITH_PLATTERS,
    ),
    Count(
        "pending-sectors",
        "storage.pending_sectors",
        (197,),
        ("Current_Pending_Sector", "Current_Pending_ECC_Cnt", "Pending_Sector_Count"),
        "has {count} sectors that cannot be read now",
        _REWRITE,
        statistic=lambda ata: ata.pending_defects,
    ),
    Count(
        "offline-uncorrectable",
        "storage.offline_uncorrectable",
        (198,),
        ("Offline_Uncorrectable", "Offline_Scan_UNC_SectCt", "Uncor_Read_Error_Ct"),
        "found {count} sectors that cannot be read in its own scan",
        WATCH,
    ),
    Count(
        "soft-read-errors",
        "storage.soft_read_errors",
        (201,),
        ("Soft_Read_Error_Rate",),
        "has {count} uncorrected read errors off its surface",
        WATCH,
        media=_DISKS_WITH_PLATTERS,
    ),
    Count(
        "interface-crc",
        "storage.interface_crc_errors",
        (199, 210, 218),
        ("UDMA_CRC_Error_Count", "CRC_Error_Count", "SATA_CRC_Error_Count", "SATA_CRC_Error"),
        "has counted {count} transfers that arrived damaged over its cable",
        _CABLE,
        statistic=lambda ata: ata.interface_crc_errors,
    ),
)
# Vendors pack other things above the low word of these; a bare number is a count, "2111 (12437 0)" is not.
_ONLY_BARE = (196,)


def predicting_counts(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for disk in disks(hardware):
        for count in COUNTS:
            if disk.kind not in count.media:
                continue
            limit = count.young_limit if count.young_limit and _is_young(disk, thresholds) else count.limit
            seen = _seen(disk, count)
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


def _seen(disk: Disk, count: Count) -> int | None:
    places = [
        one.count
        for one in disk.attributes
        if one.number in count.numbers
        and one.name in count.names
        and (one.raw_text is None or one.number not in _ONLY_BARE)
    ]
    if count.statistic is not None and disk.ata is not None:
        places.append(count.statistic(disk.ata))
    return max((number for number in places if number is not None), default=None)


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
