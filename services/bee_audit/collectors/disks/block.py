"""One block device as the kernel shows it, before the disk itself is asked."""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from bee_audit.collectors.disks.kernel import Kernel, pci_address, scsi_address
from bee_audit.decode.disk_text import clean
from bee_audit.decode.filler import genuine
from bee_audit.decode.smartctl import SmartReport
from bee_bus.documents.storage import Disk
from bee_machine import Entry

SECTOR_BYTES = 512  # the unit of "size" in sysfs, whatever the disk's own blocks are

# What hypervisors, BMCs and storage servers put as vendor and model.
_VIRTUAL = re.compile(
    r"""QEMU|VMware|VBOX|Virtual[ _]?Disk|Virtual\ (?:HDisk|Floppy|CD|Media)|Google\ Persistent|nvme_card
        |Amazon\ Elastic|BlockVolume|VDISK|LIO-ORG|IET\ |OPENSTACK|Linux\ File|iDRAC|LCDRIVE|Insyde""",
    re.IGNORECASE | re.VERBOSE,
)
# Some drivers put the volumes that their controllers make on SCSI channels of their own. On mpt3sas the next
# one, 2, has the NVMe drives of a tri-mode adapter (drivers/scsi/mpt3sas/mpt3sas_scsih.c, PCIE_CHANNEL).
_VOLUME_CHANNELS = {"megaraid_sas": (2, 3), "mpt3sas": (1,), "mpt2sas": (1,), "mptsas": (1,)}
# Other controllers call them by their own names: MR9660-16i, MR416i-p. HUSMR1650ASS200 is a disk.
_VOLUME_MODELS = re.compile(r"LOGICAL VOLUME|PERC |RAID|\bMR\d{3,4}", re.IGNORECASE)
# Drivers whose every disk is a volume of the controller, if its model does not say otherwise.
_ALWAYS_VOLUMES = re.compile(r"3w-|aacraid|arcmsr")


Transport: TypeAlias = Literal["nvme", "sata", "sas", "scsi", "usb", "virtio", "mmc"]
Kind: TypeAlias = Literal["nvme", "ssd", "hdd", "emmc"]


def disk_of(entry: Entry, kernel: Kernel) -> Disk | None:
    """The disk, None for a reader without a medium: those are on USB, and what some kernels call removable
    elsewhere is a disk in a hot-plug bay.
    """
    sectors = entry.integer("size")
    removable = bool(entry.integer("removable"))
    transport = _transport(entry)
    if removable and not sectors and transport in ("usb", None):
        return None
    properties = kernel.udev.get(entry.name, {})
    vendor, model = clean(entry.text("device/vendor") or ""), clean(entry.text("device/model") or "")
    if vendor == "ATA" or re.fullmatch(r"0x[0-9a-f]+", vendor or ""):
        vendor = None  # the SCSI layer's name for it, or a number of the virtio bus
    virtual = transport == "virtio" or entry.name.startswith("xvd")
    virtual = virtual or bool(_VIRTUAL.search(f"{vendor or ''} {model or ''}")) or _is_emulated(entry)
    link, port_maximum = kernel.link_gbps(entry)
    address = pci_address(entry.real_path)
    by_path = properties.get("ID_PATH")
    return Disk(
        id=entry.name,
        name=f"/dev/{entry.name}",
        location=kernel.place_of(entry) or by_path or address,
        vendor=vendor,
        model=_udev_model(properties) or model,
        serial=genuine(clean(_serial(entry, properties))),
        firmware=genuine(entry.text("device/rev")),
        wwn=genuine(_wwn(entry, properties)),
        kind=_kind(entry, transport, virtual),
        transport=transport,
        size_bytes=sectors * SECTOR_BYTES if sectors else None,
        logical_block_bytes=entry.integer("queue/logical_block_size"),
        physical_block_bytes=entry.integer("queue/physical_block_size"),
        device_nodes=(f"/dev/{entry.name}",),
        controller=address,
        pci_address=address,
        by_path=by_path,
        contents=contents(properties),
        state=entry.text("device/state"),
        removable=removable,
        virtual=virtual,
        raid_volume=_is_volume(entry, kernel, vendor, model),
        read_only=bool(entry.integer("ro")),
        link_gbps=link,
        link_port_maximum_gbps=port_maximum,
    )


def with_report(disk: Disk, report: SmartReport) -> Disk:
    """The disk with what smartctl says of it, which knows the disk better than the kernel does."""
    rotation = report.rotation_rate_rpm
    kind = disk.kind if rotation is None else "ssd" if rotation == 0 else "hdd"
    if rotation == 0 and report.protocol == "SCSI":
        kind = disk.kind or kind  # smartctl prints 0 for "not reported" too, which the kernel tells apart
    transport = report.transport if disk.transport in (None, "scsi") else disk.transport
    # What the kernel gives no size it cannot use, however large the disk says that it is; blocks of 520
    # bytes, which it takes for 512 then, are a reason (drivers/scsi/sd.c, sd_read_capacity).
    unusable = disk.state == "running" and disk.size_bytes is None
    return msgspec.structs.replace(
        disk,
        vendor=report.vendor or disk.vendor,
        model=report.model or disk.model,
        model_family=report.model_family,
        serial=report.serial or disk.serial,
        firmware=report.firmware or disk.firmware,
        wwn=report.wwn or disk.wwn,
        kind=kind,
        transport=transport,
        size_bytes=disk.size_bytes or (None if unusable else report.size_bytes),
        logical_block_bytes=(None if unusable else disk.logical_block_bytes)
        or report.logical_block_bytes
        or disk.logical_block_bytes,
        physical_block_bytes=report.physical_block_bytes or disk.physical_block_bytes,
        rotation_rate_rpm=rotation or None,
        link_gbps=report.link_gbps or disk.link_gbps,
        link_device_maximum_gbps=report.link_maximum_gbps,
        smart_supported=report.smart_supported,
        smart_enabled=report.smart_enabled,
        smart_status_passed=report.smart_status_passed,
        health_unread=report.unread,
        smartctl_exit_status=report.exit_status,
        smartctl_messages=report.messages,
        temperature_celsius=report.temperature_celsius,
        temperature_warning_celsius=report.temperature_warning_celsius,
        temperature_critical_celsius=report.temperature_critical_celsius,
        power_on_hours=report.power_on_hours,
        power_cycles=report.power_cycles,
        percentage_used=report.percentage_used
        if report.percentage_used is not None
        else disk.percentage_used,
        available_spare_percent=report.available_spare_percent,
        attributes=report.attributes,
        ata=report.ata,
        scsi=report.scsi,
        nvme=report.nvme,
        nvme_errors=report.nvme_errors,
        self_tests=report.self_tests,
    )


def contents(properties: Mapping[str, str]) -> str | None:
    """What udev found at the start of a disk, in words."""
    table, usage = properties.get("ID_PART_TABLE_TYPE"), properties.get("ID_FS_TYPE")
    if table:
        return f"{table} partition table"
    return usage or None


def _transport(entry: Entry) -> Transport | None:
    path = entry.real_path
    if entry.name.startswith("mmcblk"):
        return "mmc"
    if re.search(r"/usb\d+/", path):
        return "usb"
    if re.search(r"/ata\d+/", path):
        return "sata"
    if re.search(r"/end_device-[\d:]+/", path):
        return "sata" if entry.text("device/vendor") == "ATA" else "sas"
    if scsi_address(path) is not None:
        return "scsi"
    return "virtio" if re.search(r"/virtio\d+/", path) or entry.name.startswith("vd") else None


def _is_emulated(entry: Entry) -> bool:
    """Whether a hypervisor's SCSI disk is made of software, whatever vendor it was given.

    A physical disk that is passed through keeps its vital product data pages, one of these among them:
    Extended INQUIRY, ATA Information, Protocol Specific (SPC-5 §7.7). Emulations have none of the three.
    """
    pages = entry.data("device/vpd_pg0")
    if pages is None or not re.search(r"/virtio\d+/|/vmbus|/xen", entry.real_path):
        return False
    return not set(pages[4:]) & {0x86, 0x89, 0x90}


def _kind(entry: Entry, transport: Transport | None, virtual: bool) -> Kind | None:
    if transport == "mmc":
        return "emmc"
    rotational = entry.integer("queue/rotational")
    if virtual or transport == "usb" or rotational is None:
        return None  # what these say of their platters is a default
    return "hdd" if rotational else "ssd"


def _udev_model(properties: Mapping[str, str]) -> str | None:
    """udev's model has all characters where the SCSI layer keeps sixteen; it escapes those it dislikes."""
    encoded = properties.get("ID_MODEL_ENC")
    if encoded is None:
        return clean(properties.get("ID_MODEL", "").replace("_", " "))
    return clean(re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), encoded))


def _serial(entry: Entry, properties: Mapping[str, str]) -> str:
    for key in ("ID_SCSI_SERIAL", "ID_SERIAL_SHORT"):
        if serial := properties.get(key):
            return serial
    return entry.text("serial") or ""


def _wwn(entry: Entry, properties: Mapping[str, str]) -> str | None:
    text = properties.get("ID_WWN_WITH_EXTENSION") or properties.get("ID_WWN")
    if text is None:
        wwid = entry.text("wwid") or ""
        text = wwid if wwid.startswith(("naa.", "eui.", "uuid.")) else None
    return text.removeprefix("0x").removeprefix("naa.").lower() if text else None


def _is_volume(entry: Entry, kernel: Kernel, vendor: str | None, model: str | None) -> bool:
    level = entry.text("device/raid_level")  # of hpsa and smartpqi
    if level is not None:
        return level.upper() != "N/A"
    host, address = kernel.host_of(entry), scsi_address(entry.real_path)
    driver = host.text("proc_name") if host is not None else None
    if driver is None or address is None:
        return False
    if driver in _VOLUME_CHANNELS:
        return address[1] in _VOLUME_CHANNELS[driver]
    if _ALWAYS_VOLUMES.match(driver):
        return address[1] == 0 and vendor is not None
    return vendor is not None and bool(_VOLUME_MODELS.search(f"{vendor or ''} {model or ''}"))
