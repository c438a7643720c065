"""A UDisks2 whose stick is a folder. Usage: udisks2.py FOLDER [--busy] [--without]

Objects as version 2.10 has them: the machine's own disk, the stick that it was started from (an image of a
disc, which stays mounted), and one to write on, unless it is without. What it mounts is the folder.
"""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

from dbus_next.message import Message
from dbus_next.signature import Variant

from bee_bus.connection import Connection
from bee_bus.names import OBJECT_MANAGER
from lab.freedesktop import UDISKS2
from lab.freedesktop.fake import Fake, Method, Refused, serve

PATH = "/org/freedesktop/UDisks2"
ERROR = "org.freedesktop.UDisks2.Error"
FILESYSTEM = f"{UDISKS2}.Filesystem"
STICK = f"{PATH}/block_devices/sdc1"

Objects = dict[str, dict[str, dict[str, Variant]]]


class UDisks2(Fake):
    def __init__(self, connection: Connection, *, folder: str, busy: bool, without: bool) -> None:
        self._folder = folder
        self._busy = busy
        self._mounted_by: int | None = None
        self._objects = _objects(without=without)
        methods = {(PATH, OBJECT_MANAGER, "GetManagedObjects"): Method("", "a{oa{sa{sv}}}", self._all)}
        for path, interfaces in self._objects.items():
            if FILESYSTEM in interfaces:
                methods[path, FILESYSTEM, "Mount"] = Method("a{sv}", "s", self._mount)
                methods[path, FILESYSTEM, "Unmount"] = Method("a{sv}", "", self._unmount)
        super().__init__(connection, methods)

    async def _all(self, _: Message) -> list[Any]:
        return [self._objects]

    async def _mount(self, message: Message) -> list[Any]:
        self._take_options(message, {"fstype", "options", "as-user", "auth.no_user_interaction"})
        block = self._objects[message.path][f"{UDISKS2}.Block"]
        drive = self._objects[block["Drive"].value][f"{UDISKS2}.Drive"]
        if self._mounted(message.path):
            raise Refused(f"{ERROR}.AlreadyMounted", "It is already mounted")
        system = "filesystem-mount-system" if block["HintSystem"].value else "filesystem-mount-other-seat"
        details = {"device": "/dev/sdc1", "id.type": block["IdType"].value}
        if drive["Removable"].value:
            details |= {"drive.removable": "true", "drive.removable.bus": drive["ConnectionBus"].value}
        answer = await self.permitted(message, f"org.freedesktop.udisks2.{system}", **details)
        if not answer:
            raise Refused(f"{ERROR}.NotAuthorized{'CanObtain' if answer is None else ''}", "Not authorized")
        self._mounted_by = await self.connection.uid_of(message.sender)
        self._set_mount_points(message.path, [self._folder])
        self.said.append(f"mount {message.path.rpartition('/')[2]}")
        return [self._folder]

    async def _unmount(self, message: Message) -> list[Any]:
        self._take_options(message, {"force", "auth.no_user_interaction"})
        if not self._mounted(message.path):
            raise Refused(f"{ERROR}.NotMounted", "It is not mounted")
        uid = await self.connection.uid_of(message.sender)
        if message.path != STICK or uid not in (0, self._mounted_by):
            raise Refused(f"{ERROR}.NotAuthorizedCanObtain", "Not authorized")
        if self._busy:
            raise Refused(f"{ERROR}.DeviceBusy", "Error unmounting /dev/sdc1: target is busy")
        self._set_mount_points(message.path, [])
        self.said.append(f"unmount {message.path.rpartition('/')[2]}")
        return []

    def _take_options(self, message: Message, known: set[str]) -> None:
        if unknown := set(message.body[0]) - known:
            raise Refused(f"{ERROR}.OptionNotPermitted", f"{unknown}")

    def _mounted(self, path: str) -> bool:
        return bool(self._objects[path][FILESYSTEM]["MountPoints"].value)

    def _set_mount_points(self, path: str, folders: list[str]) -> None:
        self._objects[path][FILESYSTEM]["MountPoints"] = _paths(*folders)


def _objects(*, without: bool) -> Objects:
    drives = {
        "Samsung": _drive("Samsung", "SSD 980 PRO", bus="", removable=False),
        "Live": _drive("Kingston", "DataTraveler 3.0", bus="usb", removable=True),
        "Stick": _drive("SanDisk", "Ultra \x1b[2J", bus="usb", removable=True),
    }
    objects: Objects = {f"{PATH}/drives/{name}": drive for name, drive in drives.items()}
    objects |= {
        f"{PATH}/Manager": {f"{UDISKS2}.Manager": {"Version": Variant("s", "2.10.1")}},
        f"{PATH}/block_devices/nvme0n1p2": _file_system(
            "nvme0n1p2", "Samsung", "ext4", "root", ["/"], system=True
        ),
        f"{PATH}/block_devices/nvme0n1p1": _file_system(
            "nvme0n1p1", "Samsung", "ext4", "data", [], system=True
        ),
        f"{PATH}/block_devices/sdb": _file_system("sdb", "Live", "iso9660", "bee", ["/run/live/medium"]),
        f"{PATH}/block_devices/sdc": {f"{UDISKS2}.Block": _block("sdc", "Stick", "", "", usage="")},
        STICK: _file_system("sdc1", "Stick", "vfat", "REPORTS", []),
    }
    if without:
        for path in (f"{PATH}/drives/Stick", f"{PATH}/block_devices/sdc", STICK):
            del objects[path]
    return objects


def _drive(vendor: str, model: str, *, bus: str, removable: bool) -> dict[str, dict[str, Variant]]:
    return {
        f"{UDISKS2}.Drive": {
            "Vendor": Variant("s", vendor),
            "Model": Variant("s", model),
            "ConnectionBus": Variant("s", bus),
            "Removable": Variant("b", removable),
        }
    }


def _block(
    name: str, drive: str, kind: str, label: str, *, usage: str, system: bool = False
) -> dict[str, Variant]:
    return {
        "Device": Variant("ay", _raw(f"/dev/{name}")),
        "PreferredDevice": Variant("ay", _raw(f"/dev/{name}")),
        "Drive": Variant("o", f"{PATH}/drives/{drive}"),
        "IdUsage": Variant("s", usage),
        "IdType": Variant("s", kind),
        "IdLabel": Variant("s", label),
        "Size": Variant("t", 16 << 30),
        "ReadOnly": Variant("b", False),
        "HintIgnore": Variant("b", False),
        "HintSystem": Variant("b", system),
    }


def _file_system(
    name: str, drive: str, kind: str, label: str, folders: list[str], *, system: bool = False
) -> dict[str, dict[str, Variant]]:
    block: Mapping[str, Variant] = _block(name, drive, kind, label, usage="filesystem", system=system)
    return {f"{UDISKS2}.Block": dict(block), FILESYSTEM: {"MountPoints": _paths(*folders)}}


def _paths(*folders: str) -> Variant:
    return Variant("aay", [_raw(folder) for folder in folders])


def _raw(path: str) -> bytes:
    return path.encode() + b"\0"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--without", action="store_true")
    asked = parser.parse_args()
    serve(UDISKS2, partial(UDisks2, folder=asked.folder, busy=asked.busy, without=asked.without))


if __name__ == "__main__":
    main()
