"""The storage pack: every disk's own diagnosis, and its self-test from start to result. Nothing is written.

What a disk says of itself is read and judged by the audit, before and after and while the tests run; this
pack starts the tests (smartctl, nvme) and follows them there.
"""

import re
from collections.abc import Iterable, Sequence

from bee_bus.client import Bus
from bee_bus.documents.storage import Disk, StorageSection
from bee_bus.errors import InvalidOption, NotSupported
from bee_machine import Machine
from bee_sat.options import Option, choice
from bee_sat.packs.complete import complete_step
from bee_sat.packs.disk_watch import DiskWatch
from bee_sat.packs.pack import Claim, Options, Pack
from bee_sat.packs.raid import raid_step
from bee_sat.packs.self_test import self_test_step
from bee_sat.steps import Looks, Plan, Step

# Block devices that are not disks, and parts of disks that have an entry of their own.
_NO_DISK = re.compile(
    r"(loop|ram|zram|dm-|md|nbd|sr|fd|mtdblock|nvme|rbd|drbd|zd|bcache|ublkb|pmem|dasd)\d|mmcblk\d+(boot\d+|rpmb)"
)
_USB = re.compile(r"/usb\d+/")
# Over Fibre Channel or iSCSI, as NVMe over a network is: another machine's, which the audit leaves out too.
_REMOTE = re.compile(r"/(?:rport-[\d:-]+|session\d+)/")
_CONTROLLER = re.compile(r"nvme\d+")
HIDDEN = "disk/behind-controllers"


def check_names(text: str) -> str:
    """Names without doubles. Raises ValueError for paths and whatever is none."""
    names = [name.strip() for name in text.split(",")]
    if not all(re.fullmatch(r"[a-z]+[a-z0-9]*", name) for name in names):
        raise ValueError(text)
    return ",".join(dict.fromkeys(names))


class StoragePack(Pack):
    name = "storage"
    title = "Disks"
    summary = "the health of every disk, and a self-test followed to its result; nothing is written"
    step_names = ("each disk, by its name", "raid")
    options = (
        Option(
            "disks",
            "which disks",
            "the kernel's names joined by commas, like nvme0,sda, and no paths (by default all)",
            check_names,
        ),
        Option(
            "self_test",
            "which self-test: short takes minutes, extended may take a day",
            "short or extended",
            choice("short", "extended"),
            default="short",
        ),
    )
    sections = ("board", "storage", "bmc")

    async def claim(self, options: Options, machine: Machine, bus: Bus) -> Claim:
        there = await disk_names(machine)
        wanted = [name for name in options["disks"].split(",") if name]
        for name in wanted:
            if name not in there:
                known = ", ".join(there) or "none"
                raise InvalidOption(f"disks: there is no disk {name!r}; it takes: {known}")
        if not there:
            raise NotSupported("the kernel shows no disk on this machine")
        # Disks that the kernel does not show stand behind a controller, and are found by the audit.
        hidden = () if wanted else (HIDDEN,)
        return Claim((*(f"disk/{name}" for name in wanted or there), *hidden), options)

    async def plan(self, claim: Claim, machine: Machine, before: Looks) -> Plan:
        wanted = [name for name in claim.options["disks"].split(",") if name]
        claimed = [one.removeprefix("disk/") for one in claim.resources if one != HIDDEN]
        section = (before.audit.hardware.storage if before.audit else None) or StorageSection()
        known = {disk.id: disk for disk in section.disks}
        names = wanted or list(dict.fromkeys([*claimed, *known]))
        merged = paths_of(known.values())
        disks = [known.get(name) or Disk(id=name) for name in names if wanted or name not in merged]
        watch = DiskWatch()
        kind = claim.options["self_test"]
        tests = tuple(
            self_test_step(
                disk,
                watch,
                kind=kind,
                known=disk.id in known,
                lent=is_lent(disk) and not wanted,
                promised=bool(wanted) or is_promised(disk, list(known.values())),
            )
            for disk in disks
        )
        # Its word alone is no run: without a disk to test there is nothing to be OK.
        beside: tuple[Step | None, ...] = ()
        if not wanted and any(test.promised for test in tests):
            beside = (raid_step(section), complete_step(before, "storage"))
        return ((*tests, *(step for step in beside if step is not None)),)


async def disk_names(machine: Machine) -> tuple[str, ...]:
    """The disks that the kernel shows: NVMe drives by their controller, others by their block device.

    A reader on USB without a medium is none, like the floppy disk that a BMC offers to every machine.
    """
    controllers = await machine.read_entries("/sys/class/nvme", files=("transport",))
    blocks = await machine.read_entries("/sys/class/block", files=("size", "removable"), links=("device",))
    return (
        *(
            entry.name
            for entry in controllers
            if _CONTROLLER.fullmatch(entry.name) and entry.text("transport") in (None, "pcie")
        ),
        *(
            entry.name
            for entry in blocks
            if "device" in entry.links and not _NO_DISK.match(entry.name) and entry.name.isalnum()
            if not _REMOTE.search(entry.real_path)
            if entry.integer("size") or not (entry.integer("removable") and _USB.search(entry.real_path))
        ),
    )


def is_promised(disk: Disk, known: Sequence[Disk]) -> bool:
    """Whether OK needs this disk's test: not of a stick that comes and goes, and not of a RAID volume whose
    own disks, those of the same controller, are tested.
    """
    if is_lent(disk):
        return False
    behind = [one for one in known if "@" in one.id and one.controller == disk.controller]
    return not (disk.raid_volume and behind)


def is_lent(disk: Disk) -> bool:
    """Whether it is no part of the machine. "Removable" says less: kernels call hot-plug bays so too."""
    return disk.transport == "usb"


def paths_of(disks: Iterable[Disk]) -> set[str]:
    """What the kernel calls these disks beside their id: further paths, an NVMe drive's namespaces."""
    names: set[str] = set()
    for disk in disks:
        names |= {node.removeprefix("/dev/") for node in disk.device_nodes} - {disk.id}
    return names


PACK = StoragePack()
