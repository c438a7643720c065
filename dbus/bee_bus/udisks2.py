"""USB sticks: find them, mount one, unmount it, through org.freedesktop.UDisks2.

async with Bus() as bus:
    disks = UDisks2Client(bus)
    for stick in await disks.sticks(): ...
    async with disks.mounted(stick) as folder: ...  # written to disk when the block has ended
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from dbus_next.signature import Variant

from bee_bus import errors, values
from bee_bus.client import Bus
from bee_bus.names import OBJECT_MANAGER

NAME = "org.freedesktop.UDisks2"
PATH = "/org/freedesktop/UDisks2"
_BLOCK = "org.freedesktop.UDisks2.Block"
_DRIVE = "org.freedesktop.UDisks2.Drive"
_FILESYSTEM = "org.freedesktop.UDisks2.Filesystem"

# A slow stick is a minute behind with writing, and unmounting waits for it.
DEADLINE_SECONDS = 600.0

# File systems of discs and of images of discs, which cannot be written to whatever they are on.
_READ_ONLY_TYPES = frozenset({"iso9660", "squashfs"})


class Stick(NamedTuple):
    """A file system on a USB drive that can be written to. Names are as the hardware says them: not clean."""

    path: str  # on the bus
    device: str  # "/dev/sdb1"
    label: str
    type: str  # "vfat", "exfat", "ext4" ...
    size_bytes: int
    drive: str  # vendor and model
    mount_point: str = ""  # empty when it is not mounted


class UDisks2Client:
    """Needs no rights beyond those that polkit gives: see 50-org.bee.rules."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def sticks(self) -> tuple[Stick, ...]:
        """Every file system on a USB drive that may be written to, in the order of their devices."""
        reply = await self.bus.connection.ask(NAME, PATH, OBJECT_MANAGER, "GetManagedObjects")
        objects: Mapping[str, Mapping[str, Mapping[str, Any]]] = values.plain(reply.body[0])
        found = [
            _stick(path, objects)
            for path, interfaces in objects.items()
            if _FILESYSTEM in interfaces and _writable(interfaces, objects)
        ]
        return tuple(sorted(found, key=lambda stick: stick.device))

    async def mount(self, stick: Stick) -> Path:
        """Mount it, readable and writable for the caller; where it is."""
        return Path(await self._call(stick, "Mount"))

    async def unmount(self, stick: Stick) -> None:
        """Unmount it; when this returns, everything is on the stick, and it may be pulled out."""
        await self._call(stick, "Unmount")

    @asynccontextmanager
    async def mounted(self, stick: Stick) -> AsyncIterator[Path]:
        """The stick's folder for a while. One that is mounted already stays so."""
        if stick.mount_point:
            yield Path(stick.mount_point)
            return
        folder = await self.mount(stick)
        try:
            yield folder
        finally:
            await self.unmount(stick)

    async def _call(self, stick: Stick, member: str) -> str:
        try:
            reply = await self.bus.connection.ask(
                NAME,
                stick.path,
                _FILESYSTEM,
                member,
                "a{sv}",
                [{"auth.no_user_interaction": Variant("b", not self.bus.interactive)}],
                deadline_seconds=DEADLINE_SECONDS,
                interactive=self.bus.interactive,
            )
        except errors.OtherError as error:
            raise _ours(error) from error
        return str(reply.body[0]) if reply.body else ""


def _ours(error: errors.OtherError) -> errors.BeeError:
    """UDisks2's own names for refusals, as everybody else's."""
    said = error.message.partition(": ")[2] or error.message
    if error.error_name.startswith(f"{NAME}.Error.NotAuthorized"):
        return errors.AccessDenied(said)
    if error.error_name == f"{NAME}.Error.DeviceBusy":
        return errors.Busy(said)
    return errors.OtherError(said, error.error_name)


def _writable(
    interfaces: Mapping[str, Mapping[str, Any]], objects: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> bool:
    block = interfaces.get(_BLOCK, {})
    drive = objects.get(block.get("Drive", "/"), {}).get(_DRIVE, {})
    return (
        drive.get("ConnectionBus") == "usb"
        and block.get("IdUsage") == "filesystem"
        and block.get("IdType") not in _READ_ONLY_TYPES
        and not block.get("ReadOnly", True)
        and not block.get("HintIgnore", False)
        and not block.get("HintSystem", False)
    )


def _stick(path: str, objects: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Stick:
    block = objects[path][_BLOCK]
    drive = objects[block["Drive"]][_DRIVE]
    mount_points = objects[path][_FILESYSTEM].get("MountPoints", [])
    return Stick(
        path=path,
        device=_text(block["PreferredDevice"]),
        label=block["IdLabel"],
        type=block["IdType"],
        size_bytes=block["Size"],
        drive=" ".join(part for part in (drive["Vendor"], drive["Model"]) if part),
        mount_point=_text(mount_points[0]) if mount_points else "",
    )


def _text(raw: bytes) -> str:
    """A path as UDisks2 sends it: bytes that end with a NUL."""
    return bytes(raw).rstrip(b"\0").decode("utf-8", "surrogateescape")
