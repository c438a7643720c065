"""What disks, RAID controllers and the kernel's arrays count."""

from collections import Counter
from collections.abc import Iterator

from bee_bus.documents.disk_health import NvmeHealth, ScsiHealth
from bee_bus.documents.storage import Disk, MdArray, StorageController, StorageSection
from bee_sat.counters.ata import CABLE, COOL, COUNTERS, PENDING, POWER, REPLACE
from bee_sat.counters.reading import Counting, Kind, Part, Reading, shown

LINK_CRC = Kind(
    "storage.link_crc_failures",
    "commands that failed by errors on its link",
    CABLE,
    falls=True,  # counted since its last reset, which anybody may do
    told_by=("storage.link-crc",),
)
POWER_CYCLES = Kind("storage.power_cycles", "times that its power came back", POWER, severity="Warning")
ERROR_LOG = shown("storage.error_log_entries", "entries in its error log")

MEDIA_ERRORS = Kind(
    "storage.nvme_media_errors",
    "times that it could not read or verify its own data",
    REPLACE,
    told_by=("storage.nvme-media-errors",),
)
CRITICAL_WARNINGS = Kind(
    "storage.nvme_critical_warnings",
    "critical warnings of the drive",
    "See which warning it is: heat asks for air flow, all others for a new drive.",
    falls=True,
    told_by=("storage.nvme-critical-warning",),
)
UNSAFE_SHUTDOWNS = Kind(
    "storage.unsafe_shutdowns", "times that it lost power without notice", POWER, severity="Warning"
)
CRITICAL_MINUTES = Kind(
    "storage.critical_temperature_minutes",
    "minutes above its own critical temperature",
    COOL,
    severity="Warning",
)
WARNING_MINUTES = shown("storage.warning_temperature_minutes", "minutes above its own warning temperature")

SCSI_UNCORRECTED = Kind(
    "storage.scsi_uncorrected_errors",
    "errors that it could not correct",
    REPLACE,
    told_by=("storage.scsi-uncorrected",),
)
GROWN_DEFECTS = Kind(
    "storage.reallocated_sectors",
    "blocks in its list of grown defects",
    REPLACE,
    told_by=("storage.grown-defects",),
)
PHY_ERRORS = Kind("storage.phy_errors", "errors of its SAS link", CABLE, severity="Warning")

DRIVE_MEDIA_ERRORS = Kind(
    "storage.raid_drive_media_errors",
    "times that a drive behind the controller could not read",
    "Replace the drive in that slot.",
    told_by=("storage.raid-drive-media-errors",),
)
DRIVE_PREDICTED = Kind(
    "storage.raid_drive_predicted_failures",
    "failures that a drive behind the controller predicts",
    "Replace the drive in that slot.",
    told_by=("storage.raid-drive",),
)
DRIVE_OTHER_ERRORS = shown("storage.raid_drive_other_errors", "other errors of a drive")
RAID_MEMORY = Kind(
    "storage.raid_memory_errors",
    "uncorrectable errors in the controller's memory",
    "Replace the controller or its cache module.",
    told_by=("storage.raid-memory",),
)
MD_MISSING = Kind(
    "storage.md_missing_disks",
    "disks that the array lost",
    "Find the disk that left the array, look at its own counters, replace it and let the array rebuild.",
    falls=True,
)
MD_READ_ERRORS = Kind(
    "storage.md_read_errors",
    "read errors that the array repaired",
    "Look at the disk's own counters, and replace it.",
    severity="Warning",
    falls=True,
)


def readings(section: StorageSection) -> Iterator[Reading]:
    keys = _keys(section)
    for disk in section.disks:
        if not is_lent(disk):
            yield from _disk(disk, keys[disk.id])
    for controller in section.controllers:
        yield from _controller(controller)
    for array in section.arrays:
        yield from _array(array)


def _disk(disk: Disk, key: str) -> Counting:
    counting = Counting(f"storage/{disk.id}", _where(disk), key)
    for kind, counter in COUNTERS:
        counting.add(kind, counter.read(disk))
    if disk.ata is not None:
        counting.add(LINK_CRC, disk.ata.link_crc_failures)
        counting.add(ERROR_LOG, disk.ata.error_log_entries)
    if disk.nvme is not None:
        _nvme(counting, disk.nvme)
    if disk.scsi is not None:
        _scsi(counting, disk.scsi)
    counting.add(POWER_CYCLES, disk.power_cycles)
    return counting


def _nvme(counting: Counting, health: NvmeHealth) -> None:
    counting.add(MEDIA_ERRORS, health.media_errors)
    if health.critical_warning is not None:
        for bit in range(8):
            counting.add(CRITICAL_WARNINGS, health.critical_warning >> bit & 1, part=f"bit {bit}")
    counting.add(CRITICAL_WARNINGS, len(health.endurance_group_warnings), part="endurance groups")
    counting.add(UNSAFE_SHUTDOWNS, health.unsafe_shutdowns)
    counting.add(CRITICAL_MINUTES, health.critical_temperature_minutes)
    counting.add(WARNING_MINUTES, health.warning_temperature_minutes)
    counting.add(ERROR_LOG, health.error_log_entries)


def _scsi(counting: Counting, health: ScsiHealth) -> None:
    counting.add(SCSI_UNCORRECTED, health.uncorrected_reads, part="reading")
    counting.add(SCSI_UNCORRECTED, health.uncorrected_writes, part="writing")
    counting.add(SCSI_UNCORRECTED, health.uncorrected_verifies, part="verifying")
    counting.add(GROWN_DEFECTS, health.grown_defects, part="grown defects")
    counting.add(PENDING, health.pending_defects, part="pending defects")
    counting.add(PHY_ERRORS, health.phy_errors)


def _controller(controller: StorageController) -> Iterator[Reading]:
    component, place = f"storage/{controller.id}", controller.location or controller.id
    counting = Counting(component, place, _key_of(controller))
    counting.add(RAID_MEMORY, controller.memory_uncorrectable_errors)
    yield from counting
    for drive in controller.drives:
        slot = f"slot {drive.slot}"
        counting = Counting(component, f"{slot} of {place}", f"{component} {slot}")
        counting.add(DRIVE_MEDIA_ERRORS, drive.media_errors, part=slot)
        counting.add(DRIVE_PREDICTED, drive.predicted_failures, part=slot)
        counting.add(DRIVE_OTHER_ERRORS, drive.other_errors, part=slot)
        yield from counting


def _array(array: MdArray) -> Counting:
    counting = Counting(f"storage/{array.id}", f"/dev/{array.id}")
    counting.add(MD_MISSING, array.missing_disks)
    for member in array.members:
        counting.add(MD_READ_ERRORS, member.read_errors, part=member.name)
    return counting


def parts(section: StorageSection) -> Iterator[Part]:
    keys = _keys(section)
    for disk in section.disks:
        if is_lent(disk):
            continue
        step = "Look for it in the kernel log; reseat it, and replace it if it goes again."
        yield Part(
            f"storage/{disk.id}", _where(disk), _title(disk), keys[disk.id], step, lister=_lister_of(disk)
        )
    for controller in section.controllers:
        if controller.hosts:
            component = f"storage/{controller.id}"
            place = controller.location or controller.id
            name = f"The controller {controller.model or controller.id}"
            step = "Look for it in the kernel log (PCIe errors); reseat it, and replace it if it goes again."
            yield Part(component, place, name, _key_of(controller), step)
        for drive in controller.drives:
            yield Part(
                f"storage/{controller.id}",
                f"slot {drive.slot} of {controller.location or controller.id}",
                f"The drive in slot {drive.slot} of {controller.model or controller.id}",
                f"storage/{controller.id} slot {drive.slot}",
                "Reseat the drive; replace it if it goes again.",
                lister=_tool_of(controller),
            )


def is_lent(disk: Disk) -> bool:
    """A stick, a technician's disk, or what the BMC's viewer lends: people take them away.

    "Removable" is another thing: some kernels call disks in hot-plug bays so (ATA_PFLAG_EXTERNAL,
    drivers/ata), and those must stay.
    """
    return disk.transport == "usb"


def listers(section: StorageSection) -> frozenset[str]:
    """Who tells of drives that the kernel does not show: the controllers' own tools, and smartctl's scan."""
    told = (*map(_tool_of, section.controllers), *map(_lister_of, section.disks))
    return frozenset(filter(None, told))


def _tool_of(controller: StorageController) -> str:
    return f"{controller.tool} at {controller.id}" if controller.tool else ""


def _key_of(controller: StorageController) -> str:
    return f"storage/{controller.id} itself"  # its drives are of the same component


def _lister_of(disk: Disk) -> str:
    return f"smartctl's scan of {disk.controller or disk.device_nodes[0]}" if "@" in disk.id else ""


def _keys(section: StorageSection) -> dict[str, str]:
    """By the serial number where that is one disk's only: a disk that comes back may get another name."""
    told = Counter((disk.serial, disk.model) for disk in section.disks)
    return {
        disk.id: f"storage/serial {disk.serial} {disk.model or ''}"
        if disk.serial and told[disk.serial, disk.model] == 1
        else f"storage/{disk.id}"
        for disk in section.disks
    }


def _title(disk: Disk) -> str:
    model = disk.model or disk.vendor
    return f"{disk.id} ({model})" if model is not None else disk.id


def _where(disk: Disk) -> str:
    parts = (disk.location or disk.name or disk.id, f"serial {disk.serial}" if disk.serial else None)
    return ", ".join(part for part in parts if part is not None)
