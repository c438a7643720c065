"""ATA attributes that count faults: by which number and name a disk's attribute is one of them.

A vendor may put anything under an attribute's number, so each is taken by number and name together, and only
where smartctl knows how its raw value is packed (smartmontools, drivedb.h). The audit judges the totals, an
acceptance run what it has added to them.
"""

from collections.abc import Callable

import msgspec

from bee_bus.documents.disk_health import AtaHealth
from bee_bus.documents.storage import Disk

_PLATTERS = ("hdd", None)
VOID_THRESHOLDS = (0xFE, 0xFF)  # of attributes (SFF-8035i)


class AtaCounter(msgspec.Struct, frozen=True):
    """``media``: the kinds of disks that it means something of. ``statistic``: the same count in the
    standard's own log (ACS-4 §9.5), where the disk keeps it. ``only_bare``: vendors pack other things above
    its low word; a bare number is a count, "2111 (12437 0)" is not. ``restless``: names under which
    sound disks show a one that comes and goes.
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    media: tuple[str | None, ...] = ("hdd", "ssd", None)
    statistic: Callable[[AtaHealth], int | None] | None = None
    only_bare: bool = False
    restless: tuple[str, ...] = ()

    def read(self, disk: Disk) -> int | None:
        """What the disk has counted, by the attribute or by the standard's log; None where it does not."""
        if disk.kind not in self.media:
            return None
        counts = [
            0 if one.count == 1 and one.name in self.restless else one.count
            for one in disk.attributes
            if one.number in self.numbers
            and one.name in self.names
            and not (self.only_bare and one.raw_text is not None)
        ]
        if self.statistic is not None and disk.ata is not None:
            counts.append(self.statistic(disk.ata))
        return max((count for count in counts if count is not None), default=None)


REALLOCATED_SECTORS = AtaCounter(
    (5,), ("Reallocated_Sector_Ct",), _PLATTERS, lambda ata: ata.reallocated_sectors
)
RETIRED_BLOCKS = AtaCounter(
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
    ("ssd",),
)
REALLOCATION_EVENTS = AtaCounter((196,), ("Reallocated_Event_Count",), _PLATTERS, only_bare=True)
SPIN_RETRIES = AtaCounter((10,), ("Spin_Retry_Count",), _PLATTERS)
END_TO_END_ERRORS = AtaCounter(
    (180, 184), ("End-to-End_Error", "End-to-End_Error_Count", "End_to_End_Err_Detect")
)
REPORTED_UNCORRECTABLE = AtaCounter(
    (187, 195),
    (
        "Reported_Uncorrect",
        "Reported_UE_Counts",
        "Uncorrectable_Error_Cnt",
        "Uncorrectable_Err_Ct",
        "Uncorrectable_ECC_Ct",
    ),
    statistic=lambda ata: ata.reported_uncorrectable,
)
COMMAND_TIMEOUTS = AtaCounter((188,), ("Command_Timeout", "Command_Timeouts"), _PLATTERS)
PENDING_SECTORS = AtaCounter(
    (197,),
    ("Current_Pending_Sector", "Current_Pending_ECC_Cnt", "Pending_Sector_Count"),
    statistic=lambda ata: ata.pending_defects,
    restless=("Current_Pending_ECC_Cnt",),  # Crucial MX500 (smartmontools, ticket 1227)
)
OFFLINE_UNCORRECTABLE = AtaCounter(
    (198,), ("Offline_Uncorrectable", "Offline_Scan_UNC_SectCt", "Uncor_Read_Error_Ct")
)
SOFT_READ_ERRORS = AtaCounter((201,), ("Soft_Read_Error_Rate",), _PLATTERS)
INTERFACE_CRC_ERRORS = AtaCounter(
    (199, 210, 218),
    ("UDMA_CRC_Error_Count", "CRC_Error_Count", "SATA_CRC_Error_Count", "SATA_CRC_Error"),
    statistic=lambda ata: ata.interface_crc_errors,
)
