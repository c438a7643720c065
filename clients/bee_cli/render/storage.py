"""Disks, RAID controllers and the kernel's own arrays."""

from bee_bus.documents.storage import Disk, MdArray, StorageController, StorageSection
from bee_bus.units import celsius, disk_size, joined, several, without_vendor, words
from bee_cli.render.page import Page


def put_storage(page: Page, storage: StorageSection) -> None:
    whole = sum(disk.size_bytes or 0 for disk in storage.disks)
    page.heading("storage", joined(several(len(storage.disks), "disk"), disk_size(whole) if whole else ""))
    page.table(("=disk", "place", "=model", ">size", "=serial", "health"), map(_disk, storage.disks))
    raid = [controller for controller in storage.controllers if controller.raid or controller.condition]
    page.table(("controller", "model", "state", "volumes", "drives"), map(_controller, raid))
    page.table(("array", "level", ">size", "state"), map(_array, storage.arrays))


def _disk(disk: Disk) -> tuple[str, ...]:
    model = without_vendor(disk.model or disk.vendor or "", disk.vendor)
    return (disk.id, disk.location or "", model, disk_size(disk.size_bytes), disk.serial or "", _health(disk))


def _health(disk: Disk) -> str:
    """What the disk says of itself; findings say what is wrong with it."""
    if disk.virtual:
        return "virtual"
    if disk.health_unread:
        return "not readable"
    verdict = "FAILING" if disk.smart_status_passed is False else ""
    used = "" if disk.percentage_used is None else f"{disk.percentage_used} % used"
    return joined(verdict, celsius(disk.temperature_celsius), used)


def _controller(controller: StorageController) -> tuple[str, ...]:
    volumes = [
        words(volume.name or volume.number, volume.level, disk_size(volume.size_bytes), volume.state)
        for volume in controller.volumes
    ]
    return (
        controller.id,
        words(controller.vendor, controller.model or controller.name),
        controller.condition or controller.status or "",
        joined(*volumes),
        str(len(controller.drives) or ""),
    )


def _array(array: MdArray) -> tuple[str, ...]:
    missing = f"{array.missing_disks} missing" if array.missing_disks else ""
    busy = array.sync_action if array.sync_action not in (None, "idle") else ""
    return (array.id, array.level or "", disk_size(array.size_bytes), joined(array.state, missing, busy))
