"""The kernel's own RAID: /sys/block/md*/md (Documentation/admin-guide/md.rst)."""

import asyncio

from bee_audit.collectors.disks.block import SECTOR_BYTES
from bee_audit.collectors.disks.kernel import Kernel
from bee_bus.documents.storage import MdArray, MdMember
from bee_machine import Entry, Machine

_NO_ARRAY = ("clear",)  # a device node that holds no array


async def read_arrays(machine: Machine, kernel: Kernel) -> tuple[MdArray, ...]:
    entries = [entry for entry in kernel.arrays if entry.text("md/array_state") not in _NO_ARRAY]
    return tuple(await asyncio.gather(*(_array(machine, entry) for entry in entries)))


async def _array(machine: Machine, entry: Entry) -> MdArray:
    members = await machine.read_entries(f"{entry.path}/md", files=("state", "slot", "errors"))
    sectors = entry.integer("size")
    return MdArray(
        id=entry.name,
        level=entry.text("md/level"),
        state=entry.text("md/array_state"),
        size_bytes=sectors * SECTOR_BYTES if sectors else None,
        raid_disks=entry.integer("md/raid_disks"),
        missing_disks=entry.integer("md/degraded"),
        sync_action=entry.text("md/sync_action"),
        sync_completed=entry.text("md/sync_completed"),
        mismatched_sectors=entry.integer("md/mismatch_cnt"),
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
