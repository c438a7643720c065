"""The kernel's own RAID: /sys/block/md*/md (Documentation/admin-guide/md.rst)."""

import asyncio

from bee_audit.collectors.disks.block import SECTOR_BYTES
from bee_audit.collectors.disks.kernel import Kernel
from bee_bus.documents.storage import MdArray, MdMember
from bee_machine import Entry, Machine

_FILES = (
    *("level", "array_state", "degraded", "raid_disks"),
    *("sync_action", "sync_completed", "mismatch_cnt", "metadata_version"),
)
_NO_ARRAY = (None, "clear")  # a device node that holds no array


async def read_arrays(machine: Machine, kernel: Kernel) -> tuple[MdArray, ...]:
    found = await asyncio.gather(*(_array(machine, entry) for entry in kernel.arrays))
    return tuple(array for array in found if array is not None)


def _container(array: Entry) -> str | None:
    """The disks of a firmware's RAID (Intel's, DDF) as a whole are "inactive" and have no level: the arrays
    on them, whose metadata is "external:/md127/0", have one.
    """
    metadata = array.text("metadata_version") or ""
    return "container" if metadata.startswith("external:") and "/" not in metadata else None


async def _array(machine: Machine, entry: Entry) -> MdArray | None:
    folder = f"{entry.path}/md"
    files, members = await asyncio.gather(
        machine.read_files(f"{folder}/{name}" for name in _FILES),
        machine.read_entries(folder, files=("state", "slot", "errors")),
    )
    own = Entry(
        entry.name, entry.path, entry.real_path, {path.rpartition("/")[2]: raw for path, raw in files.items()}
    )
    if own.text("array_state") in _NO_ARRAY:
        return None
    sectors = entry.integer("size")
    return MdArray(
        id=entry.name,
        level=own.text("level") or _container(own),
        state=own.text("array_state"),
        size_bytes=sectors * SECTOR_BYTES if sectors else None,
        raid_disks=own.integer("raid_disks"),
        missing_disks=own.integer("degraded"),
        sync_action=own.text("sync_action"),
        sync_completed=own.text("sync_completed"),
        mismatched_sectors=own.integer("mismatch_cnt"),
        members=tuple(
            MdMember(
                name=member.name.removeprefix("dev-"),
                state=member.text("state"),
                slot=member.text("slot"),
                read_errors=member.integer("errors"),
            )
            for member in members
            if member.name.startswith("dev-")
        ),
    )
