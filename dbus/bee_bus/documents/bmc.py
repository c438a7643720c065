"""The bmc section of the audit snapshot: the BMC, its event log, its FRU devices and the chassis.

Times of the event log are by the BMC's own clock, which does not say in which time zone it runs.
"""

from typing import Literal

from bee_bus.documents.base import Document, Section

EventSeverity = Literal["Critical", "Warning", "Correctable"]


class LanChannel(Document):
    """A network interface of the BMC. Addresses that are not set are absent."""

    channel: int
    mac_address: str | None = None
    ipv4_address: str | None = None
    ipv4_source: str | None = None  # "static", "DHCP", "BIOS"
    subnet_mask: str | None = None
    gateway: str | None = None
    vlan: int | None = None
    ipv6_addresses: tuple[str, ...] = ()  # with prefix length


class Controller(Document):
    """The management controller behind the IPMI device.

    ``self_test_failures``: what its own test found (IPMI 2.0 §20.4); ``self_test_fatal``: so much that it
    cannot be relied on.
    """

    id: str  # "bmc"
    name: str
    device: str  # "/dev/ipmi0"
    firmware: str  # "3.14"
    ipmi_version: str
    manufacturer_id: int
    product_id: int
    device_revision: int
    vendor: str | None = None
    auxiliary_firmware: str | None = None  # hex, the maker's own
    guid: str | None = None
    is_updating: bool = False
    self_test_failures: tuple[str, ...] = ()
    self_test_fatal: bool = False
    channels: tuple[LanChannel, ...] = ()


class ChassisStatus(Document):
    """What the BMC says of the chassis now; ``last_power_event`` is history."""

    id: str  # "chassis"
    power_on: bool
    power_overload: bool = False
    interlock: bool = False
    power_fault: bool = False
    power_control_fault: bool = False
    intrusion: bool = False
    front_panel_lockout: bool = False
    drive_fault: bool = False
    cooling_fault: bool = False
    last_power_event: tuple[str, ...] = ()


class SelOccurrence(Document):
    """One time that an event was logged.

    ``at`` is absent when the BMC's clock was not set then; ``not_after`` is the time of what was logged next.
    ``cleared``: a later record, or the sensor itself now, says that it is so no more.
    """

    record_id: int
    at: str | None = None
    not_after: str | None = None
    cleared: bool = False


class SelEvent(Document):
    """An event that says something is or was wrong, with the newest of the times that it was logged.

    Severity "Correctable" is for events that are a fault only in number.
    """

    id: str  # of its newest record, "sel-0x01a4"
    sensor: str  # name, or kind and number where no sensor record names it
    kind: str  # sensor type
    event: str  # "uncorrectable ECC error"
    severity: EventSeverity
    count: int  # in the whole log
    occurrences: tuple[SelOccurrence, ...]  # newest first
    detail: str | None = None  # "memory module 3", "reading 104 degrees C, limit 100 degrees C"
    is_so_now: bool = False  # the sensor itself says the same now


class Sel(Document):
    """The system event log. ``events`` are those that matter, the newest first."""

    id: str  # "sel"
    entry_count: int
    entries_read: int
    free_bytes: int | None = None
    percent_used: float | None = None
    has_overflowed: bool = False  # events were lost
    clock_at: str | None = None  # the BMC's clock; absent when it is not set
    last_added_at: str | None = None
    last_cleared_at: str | None = None
    oldest_read_at: str | None = None
    vendor_entry_count: int = 0  # records in formats of the vendor's own
    events: tuple[SelEvent, ...] = ()


class FruDevice(Document):
    """What a part's EEPROM says of it.

    Serial and part number are those of the product, or of the board where the product states none.
    ``defects``: damage to the data (wrong checksums, areas cut off); ``unreadable``: why nothing could be
    read, as when the part is not installed.
    """

    id: str  # "fru0"
    name: str
    location: str | None = None
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    version: str | None = None
    asset_tag: str | None = None
    board_part_number: str | None = None
    board_serial: str | None = None
    chassis_part_number: str | None = None
    chassis_serial: str | None = None
    manufactured_at: str | None = None  # RFC 3339
    defects: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unreadable: str | None = None


class BmcSection(Section):
    """Absent without an IPMI device."""

    controllers: tuple[Controller, ...] = ()
    chassis: ChassisStatus | None = None
    sel: Sel | None = None
    fru_devices: tuple[FruDevice, ...] = ()
