"""The storage section of the audit snapshot."""

from typing import Literal

from bee_bus.documents.base import Document, Section
from bee_bus.documents.disk_health import (
    AtaHealth,
    FirmwareSlot,
    NvmeError,
    NvmeHealth,
    ScsiHealth,
    SelfTestLog,
    SmartAttribute,
)

DriveCondition = Literal["ok", "predicted", "failed", "missing", "rebuilding", "spare", "unknown"]
VolumeCondition = Literal["ok", "degraded", "failed", "rebuilding", "unknown"]


class Namespace(Document):
    """An NVMe namespace as the kernel shows it."""

    name: str  # "nvme0n1"
    number: int | None = None  # its NSID
    size_bytes: int | None = None
    used_bytes: int | None = None  # what the drive holds data for
    logical_block_bytes: int | None = None


class Disk(Document):
    """A physical disk, or what a hypervisor shows as one (``virtual``).

    ``id`` is the kernel's name ("sda"; for NVMe the controller, "nvme0"); a disk behind a RAID controller,
    which the kernel does not show, has smartctl's ("megaraid,3@/dev/bus/0"). Absent health fields were not
    given by the disk; ``health_unread`` says why when its health could not be read as it should.
    """

    id: str
    name: str | None = None  # "/dev/sda"
    location: str | None = None  # "slot 3 of enclosure 0:0:12:0", "slot 4", a PCI address
    vendor: str | None = None
    model: str | None = None
    model_family: str | None = None
    serial: str | None = None
    firmware: str | None = None
    wwn: str | None = None
    kind: Literal["nvme", "ssd", "hdd", "emmc"] | None = None
    transport: Literal["nvme", "sata", "sas", "scsi", "usb", "virtio", "mmc"] | None = None
    size_bytes: int | None = None
    logical_block_bytes: int | None = None
    physical_block_bytes: int | None = None
    rotation_rate_rpm: int | None = None
    device_nodes: tuple[str, ...] = ()  # more than one: the same disk over several paths
    namespaces: tuple[Namespace, ...] = ()
    controller: str | None = None  # id of the storage controller, or its PCI address
    pci_address: str | None = None
    by_path: str | None = None
    contents: str | None = None  # what udev found on it: a partition table, a file system, a RAID member
    state: str | None = None  # the kernel's: "running", "live", "offline", "dead"
    removable: bool = False
    virtual: bool = False
    raid_volume: bool = False
    read_only: bool = False
    link_gbps: float | None = None
    link_device_maximum_gbps: float | None = None
    link_port_maximum_gbps: float | None = None

    smart_supported: bool | None = None
    smart_enabled: bool | None = None
    smart_status_passed: bool | None = None
    health_unread: str | None = None
    smartctl_exit_status: int | None = None  # a bit field, see smartctl(8)
    smartctl_messages: tuple[str, ...] = ()
    temperature_celsius: int | None = None
    temperature_warning_celsius: int | None = None  # the disk's own limits
    temperature_critical_celsius: int | None = None
    power_on_hours: int | None = None
    power_cycles: int | None = None
    percentage_used: int | None = None
    available_spare_percent: int | None = None
    attributes: tuple[SmartAttribute, ...] = ()
    ata: AtaHealth | None = None
    scsi: ScsiHealth | None = None
    nvme: NvmeHealth | None = None
    self_tests: SelfTestLog | None = None
    nvme_errors: tuple[NvmeError, ...] = ()
    firmware_slots: tuple[FirmwareSlot, ...] = ()
    sanitize: Literal["running", "failed"] | None = None  # of an NVMe drive


class RaidDrive(Document):
    """A physical drive as its RAID controller sees it."""

    slot: str  # the controller's own address of it: "252:3", "1I:1:4"
    condition: DriveCondition
    state: str  # in the tool's words
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    size_bytes: int | None = None
    media_errors: int | None = None
    other_errors: int | None = None
    predicted_failures: int | None = None
    temperature_celsius: int | None = None


class RaidVolume(Document):
    """A volume that a RAID controller makes of its drives."""

    number: str  # the controller's own: "0/239", "1"
    condition: VolumeCondition
    state: str
    name: str | None = None
    level: str | None = None
    size_bytes: int | None = None


class RaidBattery(Document):
    """What keeps a controller's cache over a power cut: a battery or a capacitor."""

    condition: Literal["ok", "charging", "failed", "missing", "unknown"]
    state: str
    model: str | None = None
    temperature_celsius: int | None = None


class StorageController(Document):
    """A controller with SCSI or ATA disks behind it; ``id`` is its PCI address where it has one."""

    id: str
    name: str | None = None
    driver: str | None = None
    location: str | None = None
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    firmware: str | None = None
    bios_version: str | None = None
    hosts: tuple[str, ...] = ()  # the kernel's SCSI hosts: "host0"
    raid: bool = False  # it can hide disks behind volumes
    tool: str | None = None  # the vendor's, when it could be asked
    status: str | None = None
    condition: VolumeCondition | None = None
    memory_uncorrectable_errors: int | None = None
    drives: tuple[RaidDrive, ...] = ()
    volumes: tuple[RaidVolume, ...] = ()
    batteries: tuple[RaidBattery, ...] = ()


class MdMember(Document):
    name: str  # "sda1"
    state: str | None = None  # "in_sync", "faulty", "spare"
    slot: str | None = None
    read_errors: int | None = None


class MdArray(Document):
    """A software RAID of the kernel (Documentation/admin-guide/md.rst)."""

    id: str  # "md0"
    level: str | None = None
    state: str | None = None  # array_state: "clean", "active", "inactive"
    size_bytes: int | None = None
    raid_disks: int | None = None
    missing_disks: int | None = None  # "degraded"
    sync_action: str | None = None  # "idle", "resync", "recover", "check"
    sync_completed: str | None = None
    mismatched_sectors: int | None = None
    members: tuple[MdMember, ...] = ()


class StorageSection(Section):
    """Disks, the controllers that they hang on, and the kernel's own arrays."""

    disks: tuple[Disk, ...] = ()
    controllers: tuple[StorageController, ...] = ()
    arrays: tuple[MdArray, ...] = ()
