"""The disks that a storage run could be given, as the last audit saw them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bee_bus.errors import NotFound
from bee_tui.model import Model, Trouble

if TYPE_CHECKING:
    from bee_bus.client import Bus
    from bee_bus.documents.storage import Disk


class DiskChoice(NamedTuple):
    """``id``: the kernel's name. ``usual``: whether a run without a choice tests it: not what is on USB."""

    id: str
    model: str
    size_bytes: int | None
    serial: str
    usual: bool
    note: str


class Disks(Model):
    """``disks``: empty where no audit has seen one, None until that is known.

    ``behind_controllers``: how many the kernel does not show. They have no names to choose them by.
    """

    disks: tuple[DiskChoice, ...] | None = None
    behind_controllers: int = 0

    async def follow(self, bus: Bus) -> None:
        from bee_bus.client import AuditClient
        from bee_bus.documents.audit import Snapshot

        try:
            snapshot = msgspec.json.decode(await AuditClient(bus).get_snapshot(), type=Snapshot)
        except NotFound:
            found: tuple[Disk, ...] = ()
        except msgspec.MsgspecError as error:
            raise Trouble("the audit's result is of another version of bee") from error
        else:
            section = snapshot.hardware.storage
            found = section.disks if section is not None else ()
        self.disks = tuple(_choice(disk) for disk in found if disk.id.isalnum())
        self.behind_controllers = len(found) - len(self.disks)
        self.well()
        self.changed()
        await asyncio.Event().wait()  # who audits meanwhile has left the form


def _choice(disk: Disk) -> DiskChoice:
    is_lent = disk.transport == "usb"
    note = "on USB: no part of the machine" if is_lent else "volume of a RAID controller"
    return DiskChoice(
        id=disk.id,
        model=disk.model or disk.vendor or "",
        size_bytes=disk.size_bytes,
        serial=disk.serial or "",
        usual=not is_lent,
        note=note if is_lent or disk.raid_volume else "",
    )
