"""Physical memory arrays (type 16) and memory devices (type 17)."""

import re
from typing import ClassVar

import msgspec
from construct import Int8ul, Int16ul, Int32ul, Int64ul

from bee_audit.decode.filler import genuine
from bee_audit.decode.smbios.memory_words import (
    ARRAY_ERROR_CORRECTION,
    ARRAY_LOCATION,
    ARRAY_USE,
    FORM_FACTOR,
    MEMORY_TECHNOLOGY,
    MEMORY_TYPE,
    OPERATING_MODE,
    TYPE_DETAIL,
)
from bee_audit.decode.smbios.structure import (
    NOT_PROVIDED,
    Layout,
    RawStructure,
    Structure,
    flags,
    reference,
    word,
)


class MemoryArray(Structure, frozen=True, kw_only=True):
    """Physical Memory Array, SMBIOS 3.7 §7.17: memory devices that form one address space."""

    TYPE: ClassVar[int] = 16
    NAME: ClassVar[str] = "Physical Memory Array"

    location: str | None = None
    use: str | None = None
    error_correction_type: str | None = None
    maximum_capacity_bytes: int | None = None
    error_information_handle: int | None = None
    number_of_devices: int | None = None


class MemoryDevice(Structure, frozen=True, kw_only=True):
    """Memory Device, SMBIOS 3.7 §7.18: one per slot.

    Of an empty slot only what describes the slot is kept.
    """

    TYPE: ClassVar[int] = 17
    NAME: ClassVar[str] = "Memory Device"

    array_handle: int | None = None
    error_information_handle: int | None = None
    total_width_bits: int | None = None
    data_width_bits: int | None = None
    installed: bool | None = None
    size_bytes: int | None = None  # None also for a device of unknown size
    form_factor: str | None = None
    device_set: int | None = None
    locator: str | None = None
    bank_locator: str | None = None
    memory_type: str | None = None
    type_detail: tuple[str, ...] | None = None
    speed_mts: int | None = None  # what the device is rated for, megatransfers per second
    manufacturer: str | None = None
    serial_number: str | None = None
    asset_tag: str | None = None
    part_number: str | None = None
    rank: int | None = None
    configured_speed_mts: int | None = None
    minimum_voltage_millivolts: int | None = None
    maximum_voltage_millivolts: int | None = None
    configured_voltage_millivolts: int | None = None
    technology: str | None = None
    operating_modes: tuple[str, ...] | None = None
    firmware_version: str | None = None
    module_manufacturer_id: str | None = None  # JEDEC JEP106, "Bank 1, Hex 0x2C"
    module_product_id: str | None = None
    controller_manufacturer_id: str | None = None
    controller_product_id: str | None = None
    non_volatile_size_bytes: int | None = None
    volatile_size_bytes: int | None = None
    cache_size_bytes: int | None = None
    logical_size_bytes: int | None = None
    pmic0_manufacturer_id: str | None = None
    pmic0_revision: str | None = None
    rcd_manufacturer_id: str | None = None
    rcd_revision: str | None = None
    # Of a slot that says it is empty and yet names a module: the firmware has found it and does not use it.
    leftover_part_number: str | None = None
    leftover_serial_number: str | None = None


_ARRAY = Layout(
    location=Int8ul,
    use=Int8ul,
    error_correction_type=Int8ul,
    maximum_capacity=Int32ul,
    error_information_handle=Int16ul,
    number_of_devices=Int16ul,
    extended_maximum_capacity=Int64ul,
)
_DEVICE = Layout(
    array_handle=Int16ul,
    error_information_handle=Int16ul,
    total_width=Int16ul,
    data_width=Int16ul,
    size=Int16ul,
    form_factor=Int8ul,
    device_set=Int8ul,
    locator=Int8ul,
    bank_locator=Int8ul,
    memory_type=Int8ul,
    type_detail=Int16ul,
    speed=Int16ul,
    manufacturer=Int8ul,
    serial_number=Int8ul,
    asset_tag=Int8ul,
    part_number=Int8ul,
    attributes=Int8ul,
    extended_size=Int32ul,
    configured_speed=Int16ul,
    minimum_voltage=Int16ul,
    maximum_voltage=Int16ul,
    configured_voltage=Int16ul,
    technology=Int8ul,
    operating_modes=Int16ul,
    firmware_version=Int8ul,
    module_manufacturer_id=Int16ul,
    module_product_id=Int16ul,
    controller_manufacturer_id=Int16ul,
    controller_product_id=Int16ul,
    non_volatile_size=Int64ul,
    volatile_size=Int64ul,
    cache_size=Int64ul,
    logical_size=Int64ul,
    extended_speed=Int32ul,
    extended_configured_speed=Int32ul,
    pmic0_manufacturer_id=Int16ul,
    pmic0_revision=Int16ul,
    rcd_manufacturer_id=Int16ul,
    rcd_revision=Int16ul,
)
_CAPACITY_IS_EXTENDED = 0x80000000
_SIZE_IS_EXTENDED = 0x7FFF
_SIZE_UNKNOWN = 0xFFFF
_DDR5_TYPES = (0x22, 0x23)  # DDR5, LPDDR5


def decode_memory_array(raw: RawStructure) -> MemoryArray:
    raw.need(0x0F)
    array = _ARRAY.read(raw.data)
    capacity = array.maximum_capacity
    if capacity == _CAPACITY_IS_EXTENDED:
        capacity_bytes = array.extended_maximum_capacity
    else:
        capacity_bytes = capacity << 10 if capacity else None
    return MemoryArray(
        handle=raw.handle,
        location=word(ARRAY_LOCATION, array.location),
        use=word(ARRAY_USE, array.use),
        error_correction_type=word(ARRAY_ERROR_CORRECTION, array.error_correction_type),
        maximum_capacity_bytes=capacity_bytes,
        error_information_handle=_error_handle(array.error_information_handle),
        number_of_devices=array.number_of_devices,
        problems=tuple(raw.problems),
    )


def decode_memory_device(raw: RawStructure) -> MemoryDevice:
    raw.need(0x15)
    device = _DEVICE.read(raw.data)
    slot = MemoryDevice(
        handle=raw.handle,
        array_handle=device.array_handle,
        error_information_handle=_error_handle(device.error_information_handle),
        total_width_bits=_width(device.total_width),
        data_width_bits=_width(device.data_width),
        installed=None if device.size is None else device.size != 0,
        form_factor=word(FORM_FACTOR, device.form_factor),
        device_set=None if device.device_set in (0, 0xFF) else device.device_set,
        locator=raw.text(device.locator),
        bank_locator=raw.text(device.bank_locator),
        memory_type=word(MEMORY_TYPE, device.memory_type),
        type_detail=flags(TYPE_DETAIL, device.type_detail),
        problems=tuple(raw.problems),
    )
    if not slot.installed:
        return _with_leftover(slot, raw.text(device.part_number), raw.text(device.serial_number))
    return msgspec.structs.replace(
        slot,
        size_bytes=_size(device.size, device.extended_size),
        speed_mts=_speed(device.speed, device.extended_speed),
        manufacturer=raw.text(device.manufacturer),
        serial_number=raw.text(device.serial_number),
        asset_tag=raw.text(device.asset_tag),
        part_number=raw.text(device.part_number),
        rank=None if device.attributes is None else device.attributes & 0x0F or None,
        configured_speed_mts=_speed(device.configured_speed, device.extended_configured_speed),
        minimum_voltage_millivolts=device.minimum_voltage or None,
        maximum_voltage_millivolts=device.maximum_voltage or None,
        configured_voltage_millivolts=device.configured_voltage or None,
        technology=word(MEMORY_TECHNOLOGY, device.technology),
        operating_modes=flags(OPERATING_MODE, device.operating_modes),
        firmware_version=raw.text(device.firmware_version),
        module_manufacturer_id=_jedec_id(device.module_manufacturer_id),
        module_product_id=_product_id(device.module_product_id),
        controller_manufacturer_id=_jedec_id(device.controller_manufacturer_id),
        controller_product_id=_product_id(device.controller_product_id),
        non_volatile_size_bytes=_wide_size(device.non_volatile_size),
        volatile_size_bytes=_wide_size(device.volatile_size),
        cache_size_bytes=_wide_size(device.cache_size),
        logical_size_bytes=_wide_size(device.logical_size),
        pmic0_manufacturer_id=_jedec_id(device.pmic0_manufacturer_id),
        pmic0_revision=_part_revision(device.pmic0_revision, device.memory_type),
        rcd_manufacturer_id=_jedec_id(device.rcd_manufacturer_id),
        rcd_revision=_part_revision(device.rcd_revision, device.memory_type),
        problems=tuple(raw.problems),
    )


def _with_leftover(slot: MemoryDevice, part_number: str | None, serial: str | None) -> MemoryDevice:
    """Both must look like a module's own; most firmware fills the strings of empty slots with words."""
    named = genuine(part_number) and re.fullmatch(r"(?=.*[A-Z])(?=.*\d)[A-Z0-9./_-]{8,}", part_number or "")
    numbered = genuine(serial) and re.fullmatch(r"[0-9A-Fa-f]{8,}", serial or "")
    if not named or not numbered:
        return slot
    return msgspec.structs.replace(slot, leftover_part_number=part_number, leftover_serial_number=serial)


def _error_handle(handle: int | None) -> int | None:
    return None if handle == NOT_PROVIDED else reference(handle)


def _width(bits: int | None) -> int | None:
    return None if bits in (0, 0xFFFF) else bits


def _size(short: int, extended: int | None) -> int | None:
    """MiB, or KiB with the top bit set; 0x7FFF sends to the 31-bit field of 2.7 in MiB (§7.18.5)."""
    if short == _SIZE_UNKNOWN:
        return None
    if short == _SIZE_IS_EXTENDED and extended is not None:
        return (extended & 0x7FFFFFFF) << 20 or None
    return (short & 0x7FFF) << (10 if short & 0x8000 else 20)


def _speed(short: int | None, extended: int | None) -> int | None:
    """0 is unknown; 0xFFFF sends to the 31-bit field of 3.3 (§7.18.4)."""
    return ((extended or 0) & 0x7FFFFFFF if short == 0xFFFF else short) or None


def _jedec_id(code: int | None) -> str | None:
    """First byte: continuation codes with odd parity; second: the maker's code in that bank (§7.18.8)."""
    return f"Bank {(code & 0x7F) + 1}, Hex 0x{code >> 8:02X}" if code else None


def _product_id(code: int | None) -> str | None:
    return f"0x{code:04X}" if code else None


def _wide_size(size: int | None) -> int | None:
    return None if size == 0xFFFFFFFFFFFFFFFF else size


def _part_revision(code: int | None, memory_type: int) -> str | None:
    """Of a part on the module. On DDR5 as its SPD has it: installed, device type, revision (§7.18.16)."""
    if code is None or code == 0xFF00:
        return None
    if memory_type not in _DDR5_TYPES:
        return f"0x{code:04X}"
    if not code & 0x8000:
        return "Not Installed"
    return f"Type {code >> 8 & 0x0F}, Revision {code >> 4 & 0x0F}.{code & 0x0F}"
