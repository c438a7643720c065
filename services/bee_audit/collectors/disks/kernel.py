"""What the kernel knows of disks and of what they hang on, read at once."""

import asyncio
import posixpath
import re
from collections.abc import Iterable, Mapping

import msgspec

from bee_machine import Entry, Machine

# Read of every block device, so only what most of them have; md.py and emmc.py read the rest.
_BLOCK_FILES = (
    *("size", "removable", "ro", "wwid", "serial", "nsid"),
    *("queue/rotational", "queue/logical_block_size", "queue/physical_block_size"),
    *("device/vendor", "device/model", "device/rev", "device/state", "device/raid_level", "device/vpd_pg0"),
)
_NVME_FILES = ("model", "serial", "firmware_rev", "state", "transport", "address", "subsysnqn")
_HOST_FILES = (
    *("proc_name", "ahci_host_caps", "board_name", "board_assembly", "version_fw", "version_bios"),
    *("model", "vendor", "serial_number", "firmware_version", "firmware_revision"),
    *("hba_kernel_version", "hba_bios_version"),
)
_PHY_FILES = ("negotiated_linkrate", "maximum_linkrate", "maximum_linkrate_hw")

# Made by software of other devices, or not a disk at all.
_NO_DISK = re.compile(
    r"(?:loop|ram|zram|dm-|md|sr|fd|nbd|rbd|drbd|zd|bcache|ublkb|mtdblock|pmem|dasd)\d|mmcblk\d+(?:boot\d|rpmb)"
)
# Volumes of a storage network, over Fibre Channel or iSCSI: the disks below them are another machine's.
_REMOTE = re.compile(r"/(?:rport-[\d:-]+|session\d+)/")
_PCI_ADDRESS = re.compile(r"/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?=/)")
_SCSI_ADDRESS = re.compile(r"/(\d+):(\d+):(\d+):(\d+)(?=/|$)")
_GBIT = re.compile(r"([\d.]+) Gbit")
# AHCI 1.3.1 §3.1.1: CAP.ISS, the fastest speed of the controller's ports.
_AHCI_SPEEDS_GBPS = {1: 1.5, 2: 3.0, 3: 6.0}


class Kernel(msgspec.Struct, frozen=True):
    """One reading of sysfs and of the udev database."""

    blocks: tuple[Entry, ...]
    nvme: tuple[Entry, ...]
    hosts: tuple[Entry, ...]
    udev: Mapping[str, Mapping[str, str]]  # properties by kernel name
    bays: Mapping[str, str]  # SCSI address or SAS end device -> where it sits
    pci_slots: Mapping[str, str]  # "0000:3b:00" -> the slot's name
    port_gbps: Mapping[str, tuple[float | None, float | None]]  # SAS port -> current and highest speed

    @property
    def disks(self) -> tuple[Entry, ...]:
        """The block devices that are disks and no NVMe namespaces."""
        return tuple(
            entry
            for entry in self.blocks
            if not _NO_DISK.match(entry.name) and not entry.name.startswith("nvme")
            if "/devices/virtual/" not in entry.real_path and not _REMOTE.search(entry.real_path)
        )

    @property
    def namespaces(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.blocks if entry.name.startswith("nvme"))

    @property
    def arrays(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.blocks if re.match(r"md(?:\d|_)", entry.name))

    def host_of(self, entry: Entry) -> Entry | None:
        found = re.search(r"/(host\d+)/", entry.real_path)
        return next((host for host in self.hosts if found and host.name == found[1]), None)

    def link_gbps(self, entry: Entry) -> tuple[float | None, float | None]:
        """A disk's link as its port sees it: the negotiated speed where known, and the port's highest."""
        ports = re.findall(r"/(port-[\d:]+)/", entry.real_path)
        if ports:
            return self.port_gbps.get(ports[-1], (None, None))
        host = self.host_of(entry)
        return None, ahci_maximum_gbps(host) if host is not None else None

    def place_of(self, entry: Entry) -> str | None:
        address = scsi_address(entry.real_path)
        if address is not None and (bay := self.bays.get(":".join(map(str, address)))):
            return bay
        end_device = re.search(r"/(end_device-[\d:]+)/", entry.real_path)
        return self.bays.get(end_device[1]) if end_device else None

    def pci_place_of(self, address: str) -> str:
        """The slot that holds a PCI device, its address where no slot is named."""
        slot = self.pci_slots.get(address.rpartition(".")[0])
        return f"slot {slot} ({address})" if slot is not None else address


async def read_kernel(machine: Machine) -> Kernel:
    readings, enclosures, udev = await asyncio.gather(
        asyncio.gather(
            machine.read_entries("/sys/block", files=_BLOCK_FILES),
            machine.read_entries("/sys/class/nvme", files=_NVME_FILES),
            machine.read_entries("/sys/class/scsi_host", files=_HOST_FILES),
            machine.read_entries("/sys/class/sas_phy", files=_PHY_FILES, links=("device/port",)),
            machine.read_entries("/sys/class/sas_device", files=("bay_identifier",)),
            machine.read_entries("/sys/bus/pci/slots", files=("address",)),
        ),
        machine.list_folder("/sys/class/enclosure"),
        machine.udev_devices("block"),
    )
    blocks, nvme, hosts, phys, end_devices, slots = readings
    bays = {
        entry.name: f"bay {bay}"
        for entry in end_devices
        if (bay := entry.integer("bay_identifier")) is not None and bay < 0xFFFF
    }
    bays.update(await _enclosure_bays(machine, enclosures))
    return Kernel(
        blocks=blocks,
        nvme=nvme,
        hosts=hosts,
        udev={device.sys_name: device.properties for device in udev},
        bays=bays,
        pci_slots={address: entry.name for entry in slots if (address := entry.text("address")) is not None},
        port_gbps=_port_speeds(phys),
    )


async def _enclosure_bays(machine: Machine, enclosures: Iterable[str]) -> dict[str, str]:
    """SCSI address of a disk -> its slot, by SCSI enclosure services."""
    names = tuple(enclosures)
    readings = await asyncio.gather(
        *(
            machine.read_entries(f"/sys/class/enclosure/{name}", files=("slot",), links=("device",))
            for name in names
        )
    )
    bays = {}
    for name, slots in zip(names, readings, strict=True):
        for slot in slots:
            disk = slot.link_name("device")
            # "device" of the enclosure itself is one of the folders too: it has no link of that name inside.
            if disk is not None and re.fullmatch(r"\d+:\d+:\d+:\d+", disk):
                bays[disk] = f"slot {slot.text('slot') or slot.name} of enclosure {name}"
    return bays


def _port_speeds(phys: Iterable[Entry]) -> dict[str, tuple[float | None, float | None]]:
    speeds: dict[str, tuple[float | None, float | None]] = {}
    for phy in phys:
        port = phy.link_name("device/port")
        if port is not None:
            maximum = _gbit(phy.text("maximum_linkrate_hw")) or _gbit(phy.text("maximum_linkrate"))
            speeds[port] = (_gbit(phy.text("negotiated_linkrate")), maximum)
    return speeds


def _gbit(text: str | None) -> float | None:
    found = _GBIT.match(text or "")
    return float(found[1]) if found else None


def ahci_maximum_gbps(host: Entry) -> float | None:
    text = host.text("ahci_host_caps")  # hexadecimal without a prefix
    if text is None or not re.fullmatch(r"[0-9a-fA-F]{1,8}", text):
        return None
    return _AHCI_SPEEDS_GBPS.get(int(text, 16) >> 20 & 0xF)


def scsi_address(real_path: str) -> tuple[int, int, int, int] | None:
    """Host, channel, target and LUN from a device's path."""
    found = _SCSI_ADDRESS.findall(real_path)
    if not found:
        return None
    host, channel, target, lun = (int(number) for number in found[-1])
    return host, channel, target, lun


def pci_address(real_path: str) -> str | None:
    """The PCI function that a device hangs on: the last one in its path."""
    found = _PCI_ADDRESS.findall(posixpath.join(real_path, ""))
    return found[-1] if found else None
