"""Processors (type 4)."""

from typing import ClassVar

from construct import Bytes, Int8ul, Int16ul

from bee_audit.decode.smbios.processor_words import (
    CPUID_FLAGS,
    PROCESSOR_CHARACTERISTICS,
    PROCESSOR_FAMILY,
    PROCESSOR_STATUS,
    PROCESSOR_TYPE,
    PROCESSOR_UPGRADE,
)
from bee_audit.decode.smbios.structure import Layout, RawStructure, Structure, flags, reference, word


class Processor(Structure, frozen=True, kw_only=True):
    """Processor Information, SMBIOS 3.7 §7.5: one per socket, empty ones too."""

    TYPE: ClassVar[int] = 4
    NAME: ClassVar[str] = "Processor Information"

    socket_designation: str | None = None
    processor_type: str | None = None
    family: str | None = None
    manufacturer: str | None = None
    processor_id: str | None = None  # the field's eight bytes, "54 06 05 00 FF FB EB BF"
    cpuid_family: int | None = None
    cpuid_model: int | None = None
    cpuid_stepping: int | None = None
    flags: tuple[str, ...] | None = None
    version: str | None = None
    voltages_volts: tuple[float, ...] | None = None
    external_clock_mhz: int | None = None
    max_speed_mhz: int | None = None  # what the socket supports
    current_speed_mhz: int | None = None  # at boot
    populated: bool | None = None
    status: str | None = None  # of a processor that is there
    upgrade: str | None = None  # the socket
    socket_type: str | None = None  # in the firmware's words, of a socket that the standard has no number for
    l1_cache_handle: int | None = None
    l2_cache_handle: int | None = None
    l3_cache_handle: int | None = None
    serial_number: str | None = None
    asset_tag: str | None = None
    part_number: str | None = None
    core_count: int | None = None
    core_enabled: int | None = None
    thread_count: int | None = None
    thread_enabled: int | None = None
    characteristics: tuple[str, ...] | None = None


_PROCESSOR = Layout(
    socket_designation=Int8ul,
    processor_type=Int8ul,
    family=Int8ul,
    manufacturer=Int8ul,
    processor_id=Bytes(8),
    version=Int8ul,
    voltage=Int8ul,
    external_clock=Int16ul,
    max_speed=Int16ul,
    current_speed=Int16ul,
    status=Int8ul,
    upgrade=Int8ul,
    l1_cache_handle=Int16ul,
    l2_cache_handle=Int16ul,
    l3_cache_handle=Int16ul,
    serial_number=Int8ul,
    asset_tag=Int8ul,
    part_number=Int8ul,
    core_count=Int8ul,
    core_enabled=Int8ul,
    thread_count=Int8ul,
    characteristics=Int16ul,
    family_2=Int16ul,
    core_count_2=Int16ul,
    core_enabled_2=Int16ul,
    thread_count_2=Int16ul,
    thread_enabled=Int16ul,
    socket_type=Int8ul,
)

# Families whose processor ID is what CPUID leaf 1 returns (SMBIOS 3.7 §7.5.3.1), by what dates their design.
_INTEL = frozenset(
    (
        *range(0x0B, 0x16),
        *range(0x28, 0x30),
        *range(0xA1, 0xB4),
        0xB5,
        *range(0xB9, 0xC8),
        *range(0xCD, 0xD0),
        *range(0xD2, 0xDC),
        *range(0xDD, 0xE1),
        *range(0x300, 0x308),
    )
)
_AMD = frozenset(
    (
        *range(0x18, 0x1E),
        0x1F,
        *range(0x38, 0x40),
        *range(0x46, 0x50),
        *range(0x66, 0x6C),
        *range(0x83, 0x90),
        0xB6,
        0xB7,
        *range(0xE4, 0xF0),
    )
)
_CORE_2_OR_K7 = 0xBE
_SEE_FAMILY_2 = 0xFE
_SEE_SOCKET_TYPE = 0xFF


def decode_processor(raw: RawStructure) -> Processor:
    raw.need(0x1A)
    cpu = _PROCESSOR.read(raw.data)
    manufacturer = raw.text(cpu.manufacturer)
    family = cpu.family_2 if cpu.family == _SEE_FAMILY_2 and cpu.family_2 is not None else cpu.family
    signature = _signature(family, cpu.processor_id)
    populated = None if cpu.status is None else bool(cpu.status & 0x40)
    return Processor(
        handle=raw.handle,
        socket_designation=raw.text(cpu.socket_designation),
        processor_type=word(PROCESSOR_TYPE, cpu.processor_type),
        family=_family(family, manufacturer),
        manufacturer=manufacturer,
        processor_id=None if cpu.processor_id is None else cpu.processor_id.hex(" ").upper(),
        cpuid_family=signature[0] if signature else None,
        cpuid_model=signature[1] if signature else None,
        cpuid_stepping=signature[2] if signature else None,
        flags=flags(CPUID_FLAGS, int.from_bytes(cpu.processor_id[4:], "little")) if signature else None,
        version=raw.text(cpu.version),
        voltages_volts=_voltages(cpu.voltage),
        external_clock_mhz=cpu.external_clock or None,
        max_speed_mhz=cpu.max_speed or None,
        current_speed_mhz=cpu.current_speed or None,
        populated=populated,
        status=word(PROCESSOR_STATUS, cpu.status & 0x07) if populated else None,
        upgrade=_upgrade(cpu.upgrade, cpu.socket_type),
        socket_type=raw.text(cpu.socket_type),
        l1_cache_handle=reference(cpu.l1_cache_handle),
        l2_cache_handle=reference(cpu.l2_cache_handle),
        l3_cache_handle=reference(cpu.l3_cache_handle),
        serial_number=raw.text(cpu.serial_number),
        asset_tag=raw.text(cpu.asset_tag),
        part_number=raw.text(cpu.part_number),
        core_count=_count(cpu.core_count, cpu.core_count_2),
        core_enabled=_count(cpu.core_enabled, cpu.core_enabled_2),
        thread_count=_count(cpu.thread_count, cpu.thread_count_2),
        thread_enabled=cpu.thread_enabled or None,
        characteristics=flags(PROCESSOR_CHARACTERISTICS, cpu.characteristics),
        problems=tuple(raw.problems),
    )


def _count(byte: int | None, wide: int | None) -> int | None:
    """Zero is unknown; 0xFF sends to the 16-bit field, which came with 3.0 (§7.5.6)."""
    return (wide if byte == 0xFF and wide is not None else byte) or None


def _upgrade(code: int | None, socket_type: int | None) -> str | None:
    """From 3.8 on, 0xFF sends to the socket type, a string (§7.5.5)."""
    return None if code == _SEE_SOCKET_TYPE and socket_type else word(PROCESSOR_UPGRADE, code)


def _family(code: int | None, manufacturer: str | None) -> str | None:
    if code != _CORE_2_OR_K7:
        return word(PROCESSOR_FAMILY, code)
    # Two makers were given this number (§7.5.2, table 23).
    maker = (manufacturer or "").lower()
    if "intel" in maker:
        return "Core 2"
    return "K7" if "amd" in maker else "Core 2 or K7"


def _signature(family: int | None, processor_id: bytes | None) -> tuple[int, int, int] | None:
    """Family, model and stepping as CPUID leaf 1 returns them in EAX, for the families that have it."""
    if processor_id is None or family not in _INTEL | _AMD:
        return None
    eax = int.from_bytes(processor_id[:4], "little")
    base = eax >> 8 & 0xF
    extended = base == 0xF or family in _INTEL  # AMD's older families leave the extensions undefined
    extended_family, extended_model = (eax >> 20 & 0xFF, eax >> 12 & 0xF0) if extended else (0, 0)
    return base + extended_family, extended_model | eax >> 4 & 0xF, eax & 0xF


def _voltages(code: int | None) -> tuple[float, ...] | None:
    """With the top bit set tenths of a volt; else one bit each for what the socket supports (§7.5.4)."""
    if code is None:
        return None
    if code & 0x80:
        return ((code & 0x7F) / 10,)
    return tuple(volts for bit, volts in enumerate((5.0, 3.3, 2.9)) if code >> bit & 1) or None
