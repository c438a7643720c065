"""One disk, however many ways lead to it."""

import re
from collections.abc import Iterable

import msgspec

from bee_bus.documents.storage import Disk, StorageController


def merged(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """The disks without repetition, sorted by name.

    The same serial number and model, with no contradicting world wide names, are one disk: over two paths of
    a SAS or NVMe drive, or passed through by a RAID controller that lists it as well. The view whose health
    was read counts, and the kernel's before a controller's.
    """
    found: list[Disk] = []
    for disk in sorted(disks, key=_order):
        twin = next((index for index, other in enumerate(found) if _same(other, disk)), None)
        if twin is None:
            found.append(disk)
        else:
            found[twin] = _joined(found[twin], disk)
    return tuple(found)


def _order(disk: Disk) -> tuple[object, ...]:
    behind = "@" in disk.id
    parts = re.split(r"(\d+)", disk.id)
    # sda, sdb, ..., sdaa; nvme2 before nvme10
    names = tuple(
        (len(part), part) if index % 2 == 0 else (int(part), "") for index, part in enumerate(parts)
    )
    return (behind, disk.transport != "nvme", names)


def _same(one: Disk, other: Disk) -> bool:
    if one.serial is None or one.serial != other.serial or one.model != other.model or one.virtual:
        return False
    return one.wwn == other.wwn or one.wwn is None or other.wwn is None


def _joined(one: Disk, other: Disk) -> Disk:
    best, rest = (
        (other, one) if one.health_unread is not None and other.health_unread is None else (one, other)
    )
    nodes = dict.fromkeys((*one.device_nodes, *other.device_nodes))
    return msgspec.structs.replace(
        best,
        id=one.id,
        name=one.name,
        location=one.location or other.location,
        size_bytes=best.size_bytes or rest.size_bytes,
        namespaces=one.namespaces or other.namespaces,
        contents=one.contents or other.contents,
        state=one.state or other.state,
        device_nodes=tuple(node for node in nodes if "@" not in other.id or node in one.device_nodes),
    )


def placed(disks: Iterable[Disk], controllers: Iterable[StorageController]) -> tuple[Disk, ...]:
    """Disks behind a controller, with the slot that the controller's tool names for their serial number."""
    slots = {
        drive.serial: f"slot {drive.slot} of {controller.model or controller.id}"
        for controller in controllers
        for drive in controller.drives
        if drive.serial is not None
    }
    return tuple(
        msgspec.structs.replace(disk, location=slots[disk.serial])
        if disk.serial in slots and "@" in disk.id
        else disk
        for disk in disks
    )
