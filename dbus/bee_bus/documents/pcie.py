"""The pcie section of the audit snapshot: every PCI function, and the slots that the firmware lists."""

import msgspec

from bee_bus.documents.base import Document, Section


class PcieLink(Document):
    """The link between a device and the port above it. Speeds in GT/s per lane, widths in lanes.

    ``ability_*``: what both ends allow, the smaller of the device's maximum and the port's; absent when the
    port cannot be seen, as in a virtual machine. Idle GPUs lower their link's speed, so that the current one
    is a sample, and ``equalized_gtps`` the proof: the highest speed that the link has run at since it came up
    (it can be told from 8 GT/s on).
    """

    current_speed_gtps: float | None = None
    current_width: int | None = None
    max_speed_gtps: float | None = None  # of the device
    max_width: int | None = None
    port_max_speed_gtps: float | None = None
    port_max_width: int | None = None
    slot_speed_gtps: float | None = None  # by the generation that SMBIOS states for the slot
    slot_width: int | None = None
    ability_speed_gtps: float | None = None
    ability_width: int | None = None
    target_speed_gtps: float | None = None  # Link Control 2 of the port: what firmware or kernel allows
    equalized_gtps: float | None = None
    lane_errors: tuple[int, ...] = ()  # lanes with an error since last cleared


class PcieErrors(Document):
    """Errors that the kernel has counted since boot (AER), by kind, kinds without errors left out.

    ``status``: uncorrectable errors in the device's own registers, not masked, since they were last cleared.
    ``fatal_status``: those in the same registers that the device ranks as fatal, masked ones too.
    ``device_status``: "CorrErr", "NonFatalErr", "FatalErr", "UnsupReq" of the Device Status register.
    """

    correctable_count: int | None = None
    nonfatal_count: int | None = None
    fatal_count: int | None = None
    correctable: dict[str, int] = msgspec.field(default_factory=dict)
    nonfatal: dict[str, int] = msgspec.field(default_factory=dict)
    fatal: dict[str, int] = msgspec.field(default_factory=dict)
    status: tuple[str, ...] = ()
    fatal_status: tuple[str, ...] = ()
    correctable_status: tuple[str, ...] = ()
    device_status: tuple[str, ...] = ()


class PciePort(Document):
    """A port that leads downstream, and the slot below it."""

    secondary_bus: str | None = None  # "0000:3b"
    slot_number: int | None = None
    card_present: bool | None = None
    link_active: bool | None = None
    link_disabled: bool = False
    power_off: bool = False
    power_fault: bool = False
    contained: bool = False  # Downstream Port Containment has cut off what is below
    containment_reason: str | None = None


class PcieDevice(Document):
    """One PCI function. Ids are lower-case hex as in pci.ids, ``class_id`` base class and subclass."""

    id: str  # address with domain, "0000:3b:00.0"
    name: str
    vendor_id: str
    device_id: str
    class_id: str
    location: str | None = None  # slot or onboard name
    vendor: str | None = None
    model: str | None = None
    class_name: str | None = None
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    subsystem: str | None = None
    revision: str | None = None
    part_number: str | None = None  # VPD
    serial: str | None = None  # VPD
    product: str | None = None  # VPD, the identifier string
    engineering_change: str | None = None  # VPD
    device_serial_number: str | None = None  # the capability of this name: an EUI-64
    driver: str | None = None
    numa_node: int | None = None
    power_state: str | None = None  # "D0" to "D3cold", which the kernel says of lost devices too
    runtime_status: str | None = None  # "active", "suspended": by the kernel's power management
    kind: str | None = None  # PCI Express port type, "Endpoint" or "Root Port"
    parent: str | None = None  # the bridge above
    physical_function: str | None = None  # of a virtual function: the device that it belongs to
    vf_count: int | None = None
    answers: bool = True  # false: the kernel lists it, and its registers read FF
    link: PcieLink | None = None
    port: PciePort | None = None
    errors: PcieErrors | None = None
    defects: tuple[str, ...] = ()  # what in its registers contradicts the standard


class PcieSlot(Document):
    """A slot as SMBIOS type 9 lists it, and the devices that the kernel sees in it."""

    id: str  # designation, made unique
    name: str
    address: str | None = None
    type: str | None = None
    width: int | None = None  # lanes, electrical
    speed_gtps: float | None = None
    usage: str | None = None  # "In Use", "Available"
    devices: tuple[str, ...] = ()


class OnboardDevice(Document):
    """A device of the board itself, as SMBIOS type 41 lists it."""

    id: str
    name: str
    type: str | None = None
    address: str | None = None
    enabled: bool | None = None
    seen: bool | None = None  # whether the kernel sees a device at the address


class PcieSection(Section):
    devices: tuple[PcieDevice, ...] = ()
    slots: tuple[PcieSlot, ...] = ()
    onboard: tuple[OnboardDevice, ...] = ()
    uptime_seconds: float | None = None  # how long the kernel has counted errors
