"""The network section of the audit snapshot: interfaces, what is plugged into them, InfiniBand adapters."""

import msgspec

from bee_bus.documents.base import Document, Section


class TransceiverReading(Document):
    """What a transceiver measures of itself, and beyond which values it calls that an alarm."""

    quantity: str  # "temperature", "received power"
    value: float
    unit: str
    low_alarm: float
    high_alarm: float
    lane: int | None = None  # from 1, of what each lane has


class Transceiver(Document):
    """A pluggable transceiver or cable, by its own memory.

    ``checksum_valid``: of the part of the memory that holds these names; false says not to trust them.
    ``readings``: those that it has an alarm for.
    """

    type: str  # form factor, "QSFP28"
    checksum_valid: bool
    vendor: str | None = None
    part_number: str | None = None
    revision: str | None = None
    serial: str | None = None
    date_code: str | None = None
    connector: str | None = None
    standard: str | None = None  # "100GBASE-SR4"
    max_speed_mbps: int | None = None  # of Ethernet, by its standard or the symbols of its lanes
    cable_length_m: float | None = None  # of a cable with fixed ends
    temperature_celsius: float | None = None
    readings: tuple[TransceiverReading, ...] = ()


class InterfaceErrors(Document):
    """Counters since the driver was loaded; absent where the kernel has none."""

    rx_packets: int | None = None
    tx_packets: int | None = None
    rx_errors: int | None = None
    tx_errors: int | None = None
    rx_crc_errors: int | None = None
    rx_frame_errors: int | None = None
    rx_missed_errors: int | None = None
    tx_carrier_errors: int | None = None
    carrier_changes: int | None = None
    carrier_down_count: int | None = None


class NetworkInterface(Document):
    """One interface. ``physical``: it has a device; the others are the kernel's own (bridges, tunnels).

    Speeds in Mb/s: ``max_speed_mbps`` by the link modes that port and transceiver support,
    ``partner_speed_mbps`` by those that the other end advertises, where it does.
    """

    id: str  # the kernel's name, "eth0"
    name: str
    physical: bool
    vendor: str | None = None
    model: str | None = None
    vendor_id: str | None = None
    device_id: str | None = None
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    type: str | None = None  # "ethernet", "infiniband"
    bus: str | None = None  # "pci", "usb", "virtio"
    pci_address: str | None = None
    port: int | None = None  # which port of its device, from 0
    port_name: str | None = None  # as the driver names it, "p0"; "pf0vf3" stands for a virtual function
    virtual_function: bool = False
    driver: str | None = None
    driver_version: str | None = None
    firmware: str | None = None
    mac: str | None = None
    permanent_mac: str | None = None
    mac_assignment: str | None = None  # "permanent", "random", "stolen", "set"
    bond: str | None = None  # the interface that it is a part of
    admin_up: bool | None = None  # switched on; without it there is no carrier to see
    carrier: bool | None = None
    operstate: str | None = None
    speed_mbps: int | None = None
    duplex: str | None = None
    autonegotiation: bool | None = None
    max_speed_mbps: int | None = None
    partner_speed_mbps: int | None = None
    connector: str | None = None  # "twisted pair", "fibre", "direct attach"
    mtu: int | None = None
    errors: InterfaceErrors | None = None
    transceiver: Transceiver | None = None


class InfinibandPort(Document):
    """One port; counters since the adapter was reset, those that are zero left out of ``errors``."""

    number: int
    link_layer: str | None = None  # "InfiniBand" or "Ethernet"
    state: str | None = None  # "ACTIVE", "INIT", "DOWN"
    physical_state: str | None = None  # "LinkUp", "Polling", "Disabled"
    rate_gbps: float | None = None
    lanes: int | None = None
    signaling: str | None = None  # "HDR"
    lid: int | None = None
    errors: dict[str, int] = msgspec.field(default_factory=dict)


class InfinibandAdapter(Document):
    id: str  # "mlx5_0"
    name: str
    vendor: str | None = None
    model: str | None = None
    vendor_id: str | None = None
    device_id: str | None = None
    pci_address: str | None = None
    virtual_function: bool = False
    firmware: str | None = None
    board_id: str | None = None  # PSID
    node_guid: str | None = None
    ports: tuple[InfinibandPort, ...] = ()


class NetworkSection(Section):
    interfaces: tuple[NetworkInterface, ...] = ()
    infiniband: tuple[InfinibandAdapter, ...] = ()
