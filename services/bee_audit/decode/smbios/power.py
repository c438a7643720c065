"""IPMI device (type 38) and system power supplies (type 39)."""

from typing import ClassVar

from construct import Int8ul, Int16ul, Int64ul

from bee_audit.decode.smbios.structure import Layout, RawStructure, Structure, numbered, reference, word


class IpmiDevice(Structure, frozen=True, kw_only=True):
    """IPMI Device Information, SMBIOS 3.7 §7.39: how the BMC is reached."""

    TYPE: ClassVar[int] = 38
    NAME: ClassVar[str] = "IPMI Device Information"

    interface_type: str | None = None
    specification_version: str | None = None  # "2.0"
    i2c_address: str | None = None  # 7 bits, "0x10"
    nv_storage_device_address: int | None = None
    base_address: str | None = None  # "0x0000000000000CA2"
    base_address_space: str | None = None  # I/O, Memory-mapped, SMBus
    register_spacing: str | None = None
    interrupt_polarity: str | None = None
    interrupt_trigger_mode: str | None = None
    interrupt_number: int | None = None


class PowerSupply(Structure, frozen=True, kw_only=True):
    """System Power Supply, SMBIOS 3.7 §7.40."""

    TYPE: ClassVar[int] = 39
    NAME: ClassVar[str] = "System Power Supply"

    power_unit_group: int | None = None
    location: str | None = None
    device_name: str | None = None
    manufacturer: str | None = None
    serial_number: str | None = None
    asset_tag: str | None = None
    model_part_number: str | None = None
    revision: str | None = None
    max_power_capacity_watts: int | None = None
    present: bool | None = None
    status: str | None = None  # of a supply that is present
    supply_type: str | None = None
    input_voltage_range_switching: str | None = None
    plugged: bool | None = None
    hot_replaceable: bool | None = None
    input_voltage_probe_handle: int | None = None
    cooling_device_handle: int | None = None
    input_current_probe_handle: int | None = None


_IPMI = Layout(
    interface_type=Int8ul,
    specification=Int8ul,
    i2c_address=Int8ul,
    nv_storage=Int8ul,
    base_address=Int64ul,
    modifier=Int8ul,
    interrupt_number=Int8ul,
)
_SUPPLY = Layout(
    power_unit_group=Int8ul,
    location=Int8ul,
    device_name=Int8ul,
    manufacturer=Int8ul,
    serial_number=Int8ul,
    asset_tag=Int8ul,
    model_part_number=Int8ul,
    revision=Int8ul,
    max_power_capacity=Int16ul,
    characteristics=Int16ul,
    input_voltage_probe_handle=Int16ul,
    cooling_device_handle=Int16ul,
    input_current_probe_handle=Int16ul,
)
_SSIF = 4


def decode_ipmi_device(raw: RawStructure) -> IpmiDevice:
    raw.need(0x10)
    device = _IPMI.read(raw.data)
    address, space = _base_address(device)
    modifier = device.modifier if device.interrupt_number is not None else None
    # An SSIF has no registers, so the modifier byte says nothing about it (SMBIOS 3.7 §7.39, table 119).
    registers = None if device.interface_type == _SSIF else modifier
    interrupt = registers if registers is not None and registers & 0x08 else None
    return IpmiDevice(
        handle=raw.handle,
        interface_type=word(INTERFACE_TYPE, device.interface_type),
        specification_version=_nibbles(device.specification),
        i2c_address=None if device.i2c_address is None else f"0x{device.i2c_address >> 1:02X}",
        nv_storage_device_address=None if device.nv_storage == 0xFF else device.nv_storage,
        base_address=address,
        base_address_space=space,
        register_spacing=word(REGISTER_SPACING, None if registers is None else registers >> 6),
        interrupt_polarity=None if interrupt is None else ("Active High" if interrupt & 2 else "Active Low"),
        interrupt_trigger_mode=None if interrupt is None else ("Level" if interrupt & 1 else "Edge"),
        interrupt_number=device.interrupt_number or None,
        problems=tuple(raw.problems),
    )


def decode_power_supply(raw: RawStructure) -> PowerSupply:
    raw.need(0x10)
    supply = _SUPPLY.read(raw.data)
    bits = supply.characteristics
    known = bits is not None
    present = bool(bits & 0x02) if known else None
    return PowerSupply(
        handle=raw.handle,
        power_unit_group=supply.power_unit_group or None,
        location=raw.text(supply.location),
        device_name=raw.text(supply.device_name),
        manufacturer=raw.text(supply.manufacturer),
        serial_number=raw.text(supply.serial_number),
        asset_tag=raw.text(supply.asset_tag),
        model_part_number=raw.text(supply.model_part_number),
        revision=raw.text(supply.revision),
        max_power_capacity_watts=None if supply.max_power_capacity == 0x8000 else supply.max_power_capacity,
        present=present,
        status=word(SUPPLY_STATUS, bits >> 7 & 0x07) if present else None,
        supply_type=word(SUPPLY_TYPE, bits >> 10 & 0x0F) if known else None,
        input_voltage_range_switching=word(RANGE_SWITCHING, bits >> 3 & 0x0F) if known else None,
        plugged=not bits & 0x04 if known else None,
        hot_replaceable=bool(bits & 0x01) if known else None,
        input_voltage_probe_handle=reference(supply.input_voltage_probe_handle),
        cooling_device_handle=reference(supply.cooling_device_handle),
        input_current_probe_handle=reference(supply.input_current_probe_handle),
        problems=tuple(raw.problems),
    )


def _base_address(device: object) -> tuple[str | None, str | None]:
    value: int | None = getattr(device, "base_address", None)
    if value is None:
        return None, None
    if getattr(device, "interface_type", None) == _SSIF:
        return f"0x{(value & 0xFF) >> 1:02X}", "SMBus"
    # Bit 0 says which space; the address's own lowest bit stands in the modifier byte.
    lowest = (getattr(device, "modifier", None) or 0) >> 4 & 1
    return f"0x{value & ~1 | lowest:016X}", "I/O" if value & 1 else "Memory-mapped"


def _nibbles(value: int | None) -> str | None:
    return None if value is None else f"{value >> 4}.{value & 0x0F}"


INTERFACE_TYPE = numbered(  # §7.39.1
    "Unknown",
    "KCS (Keyboard Controller Style)",
    "SMIC (Server Management Interface Chip)",
    "BT (Block Transfer)",
    "SSIF (SMBus System Interface)",
    first=0,
)
REGISTER_SPACING = numbered("Successive Byte Boundaries", "32-bit Boundaries", "16-byte Boundaries", first=0)
SUPPLY_TYPE = numbered(  # §7.40.1, bits 13:10
    "Other", "Unknown", "Linear", "Switching", "Battery", "UPS", "Converter", "Regulator"
)
SUPPLY_STATUS = numbered("Other", "Unknown", "OK", "Non-critical", "Critical")  # bits 9:7
RANGE_SWITCHING = numbered(  # bits 6:3
    "Other", "Unknown", "Manual", "Auto-switch", "Wide Range", "Not applicable"
)
