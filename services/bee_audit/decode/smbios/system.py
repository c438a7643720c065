"""System (type 1), baseboards (type 2) and chassis (type 3)."""

from typing import ClassVar

import msgspec
from construct import Bytes, Int8ul, Int16ul, Int32ul

from bee_audit.decode.smbios.names import STRUCTURE_NAMES
from bee_audit.decode.smbios.structure import Layout, RawStructure, Structure, flags, numbered, word


class SystemInformation(Structure, frozen=True, kw_only=True):
    """System Information, SMBIOS 3.7 §7.2."""

    TYPE: ClassVar[int] = 1
    NAME: ClassVar[str] = "System Information"

    manufacturer: str | None = None
    product_name: str | None = None
    version: str | None = None
    serial_number: str | None = None
    uuid: str | None = None  # None also when all its bytes are FF (not present) or 00 (not settable)
    wake_up_type: str | None = None
    sku_number: str | None = None
    family: str | None = None


class Baseboard(Structure, frozen=True, kw_only=True):
    """Baseboard (or Module) Information, SMBIOS 3.7 §7.3."""

    TYPE: ClassVar[int] = 2
    NAME: ClassVar[str] = "Base Board Information"

    manufacturer: str | None = None
    product_name: str | None = None
    version: str | None = None
    serial_number: str | None = None
    asset_tag: str | None = None
    features: tuple[str, ...] | None = None
    location_in_chassis: str | None = None
    chassis_handle: int | None = None
    board_type: str | None = None
    contained_object_handles: tuple[int, ...] | None = None


class ContainedElement(msgspec.Struct, frozen=True, kw_only=True):
    """What a chassis holds, and how many of it (SMBIOS 3.7 §7.4.4)."""

    element_type: str
    minimum: int
    maximum: int


class Chassis(Structure, frozen=True, kw_only=True):
    """System Enclosure or Chassis, SMBIOS 3.7 §7.4."""

    TYPE: ClassVar[int] = 3
    NAME: ClassVar[str] = "Chassis Information"

    manufacturer: str | None = None
    chassis_type: str | None = None
    lock_present: bool | None = None
    version: str | None = None
    serial_number: str | None = None
    asset_tag: str | None = None
    boot_up_state: str | None = None  # when the machine was last booted
    power_supply_state: str | None = None
    thermal_state: str | None = None
    security_status: str | None = None
    oem_information: str | None = None
    height_rack_units: int | None = None
    power_cord_count: int | None = None
    contained_elements: tuple[ContainedElement, ...] | None = None
    sku_number: str | None = None


_SYSTEM = Layout(
    manufacturer=Int8ul,
    product_name=Int8ul,
    version=Int8ul,
    serial_number=Int8ul,
    uuid=Bytes(16),
    wake_up_type=Int8ul,
    sku_number=Int8ul,
    family=Int8ul,
)
_BASEBOARD = Layout(
    manufacturer=Int8ul,
    product_name=Int8ul,
    version=Int8ul,
    serial_number=Int8ul,
    asset_tag=Int8ul,
    features=Int8ul,
    location_in_chassis=Int8ul,
    chassis_handle=Int16ul,
    board_type=Int8ul,
    contained_count=Int8ul,
)
_CHASSIS = Layout(
    manufacturer=Int8ul,
    chassis_type=Int8ul,
    version=Int8ul,
    serial_number=Int8ul,
    asset_tag=Int8ul,
    boot_up_state=Int8ul,
    power_supply_state=Int8ul,
    thermal_state=Int8ul,
    security_status=Int8ul,
    oem_information=Int32ul,
    height=Int8ul,
    power_cord_count=Int8ul,
    element_count=Int8ul,
    element_length=Int8ul,
)
_CHASSIS_TAIL = Layout(sku_number=Int8ul)


def decode_system(raw: RawStructure) -> SystemInformation:
    raw.need(0x08)
    system = _SYSTEM.read(raw.data)
    return SystemInformation(
        handle=raw.handle,
        manufacturer=raw.text(system.manufacturer),
        product_name=raw.text(system.product_name),
        version=raw.text(system.version),
        serial_number=raw.text(system.serial_number),
        uuid=_uuid(system.uuid, raw.version),
        wake_up_type=word(WAKE_UP_TYPE, system.wake_up_type),
        sku_number=raw.text(system.sku_number),
        family=raw.text(system.family),
        problems=tuple(raw.problems),
    )


def decode_baseboard(raw: RawStructure) -> Baseboard:
    raw.need(0x08)
    board = _BASEBOARD.read(raw.data)
    return Baseboard(
        handle=raw.handle,
        manufacturer=raw.text(board.manufacturer),
        product_name=raw.text(board.product_name),
        version=raw.text(board.version),
        serial_number=raw.text(board.serial_number),
        asset_tag=raw.text(board.asset_tag),
        features=flags(BOARD_FEATURES, board.features),
        location_in_chassis=raw.text(board.location_in_chassis),
        chassis_handle=board.chassis_handle,
        board_type=word(BOARD_TYPE, board.board_type),
        contained_object_handles=_contained_handles(raw, board.contained_count),
        problems=tuple(raw.problems),
    )


def decode_chassis(raw: RawStructure) -> Chassis:
    raw.need(0x09)
    chassis = _CHASSIS.read(raw.data)
    kind = chassis.chassis_type
    elements_length = (chassis.element_count or 0) * (chassis.element_length or 0)
    tail = _CHASSIS_TAIL.read(raw.data, 4 + _CHASSIS.size + elements_length)
    oem = chassis.oem_information
    return Chassis(
        handle=raw.handle,
        manufacturer=raw.text(chassis.manufacturer),
        chassis_type=word(CHASSIS_TYPE, None if kind is None else kind & 0x7F),
        lock_present=None if kind is None else bool(kind & 0x80),
        version=raw.text(chassis.version),
        serial_number=raw.text(chassis.serial_number),
        asset_tag=raw.text(chassis.asset_tag),
        boot_up_state=word(CHASSIS_STATE, chassis.boot_up_state),
        power_supply_state=word(CHASSIS_STATE, chassis.power_supply_state),
        thermal_state=word(CHASSIS_STATE, chassis.thermal_state),
        security_status=word(SECURITY_STATUS, chassis.security_status),
        oem_information=None if oem is None else f"0x{oem:08X}",
        height_rack_units=chassis.height or None,
        power_cord_count=chassis.power_cord_count or None,
        contained_elements=_contained_elements(raw, chassis.element_count, chassis.element_length),
        sku_number=raw.text(tail.sku_number),
        problems=tuple(raw.problems),
    )


def _uuid(raw: bytes | None, version: tuple[int, int, int]) -> str | None:
    """From 2.6 on the first three fields are little-endian; before, most firmware wrote network order."""
    if raw is None or raw in (b"\xff" * 16, b"\0" * 16):
        return None
    if version >= (2, 6, 0):
        raw = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _contained_handles(raw: RawStructure, count: int | None) -> tuple[int, ...] | None:
    if count is None:
        return None
    start = 4 + _BASEBOARD.size
    if start + 2 * count > len(raw.data):
        raw.problems.append(f"{count} contained objects do not fit in {len(raw.data)} bytes")
        return None
    ends = range(start, start + 2 * count, 2)
    return tuple(int.from_bytes(raw.data[at : at + 2], "little") for at in ends)


def _contained_elements(
    raw: RawStructure, count: int | None, length: int | None
) -> tuple[ContainedElement, ...] | None:
    if count is None or length is None:
        return None
    start = 4 + _CHASSIS.size
    if start + count * length > len(raw.data):
        raw.problems.append(f"{count} contained elements do not fit in {len(raw.data)} bytes")
        return None
    if length < 3:
        if count:
            raw.problems.append(f"contained elements of {length} bytes, 3 expected")
        return None if count else ()
    elements = []
    for at in range(start, start + count * length, length):
        kind, least, most = raw.data[at : at + 3]
        # The top bit says whether the type is an SMBIOS structure type or a board type.
        name = word(STRUCTURE_NAMES if kind & 0x80 else BOARD_TYPE, kind & 0x7F)
        elements.append(ContainedElement(element_type=name or "", minimum=least, maximum=most))
    return tuple(elements)


WAKE_UP_TYPE = numbered(  # §7.2.2
    *("Reserved", "Other", "Unknown", "APM Timer", "Modem Ring", "LAN Remote", "Power Switch"),
    *("PCI PME#", "AC Power Restored"),
    first=0,
)
BOARD_FEATURES = numbered(  # §7.3.1
    "Board is a hosting board",
    "Board requires at least one daughter board",
    "Board is removable",
    "Board is replaceable",
    "Board is hot swappable",
    first=0,
)
BOARD_TYPE = numbered(  # §7.3.2
    *("Unknown", "Other", "Server Blade", "Connectivity Switch", "System Management Module"),
    *("Processor Module", "I/O Module", "Memory Module", "Daughter Board", "Motherboard"),
    *("Processor+Memory Module", "Processor+I/O Module", "Interconnect Board"),
)
CHASSIS_TYPE = numbered(  # §7.4.1
    *("Other", "Unknown", "Desktop", "Low Profile Desktop", "Pizza Box", "Mini Tower", "Tower"),
    *("Portable", "Laptop", "Notebook", "Hand Held", "Docking Station", "All In One", "Sub Notebook"),
    *("Space-saving", "Lunch Box", "Main Server Chassis", "Expansion Chassis", "Sub Chassis"),
    *("Bus Expansion Chassis", "Peripheral Chassis", "RAID Chassis", "Rack Mount Chassis"),
    *("Sealed-case PC", "Multi-system", "CompactPCI", "AdvancedTCA", "Blade", "Blade Enclosing"),
    *("Tablet", "Convertible", "Detachable", "IoT Gateway", "Embedded PC", "Mini PC", "Stick PC"),
)
CHASSIS_STATE = numbered("Other", "Unknown", "Safe", "Warning", "Critical", "Non-recoverable")  # §7.4.2
SECURITY_STATUS = numbered(  # §7.4.3
    "Other", "Unknown", "None", "External Interface Locked Out", "External Interface Enabled"
)
