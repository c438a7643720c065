"""Processor caches (type 7)."""

from typing import ClassVar

from construct import Int8ul, Int16ul, Int32ul

from bee_audit.decode.smbios.structure import Layout, RawStructure, Structure, flags, numbered, word


class Cache(Structure, frozen=True, kw_only=True):
    """Cache Information, SMBIOS 3.7 §7.8."""

    TYPE: ClassVar[int] = 7
    NAME: ClassVar[str] = "Cache Information"

    socket_designation: str | None = None
    level: int | None = None  # 1 to 8
    enabled: bool | None = None
    socketed: bool | None = None
    operational_mode: str | None = None
    location: str | None = None
    maximum_size_bytes: int | None = None
    installed_size_bytes: int | None = None
    supported_sram_types: tuple[str, ...] | None = None
    installed_sram_types: tuple[str, ...] | None = None
    speed_ns: int | None = None
    error_correction_type: str | None = None
    system_type: str | None = None
    associativity: str | None = None


_CACHE = Layout(
    socket_designation=Int8ul,
    configuration=Int16ul,
    maximum_size=Int16ul,
    installed_size=Int16ul,
    supported_sram=Int16ul,
    installed_sram=Int16ul,
    speed=Int8ul,
    error_correction_type=Int8ul,
    system_type=Int8ul,
    associativity=Int8ul,
    maximum_size_2=Int32ul,
    installed_size_2=Int32ul,
)


def decode_cache(raw: RawStructure) -> Cache:
    raw.need(0x0F)
    cache = _CACHE.read(raw.data)
    bits = cache.configuration
    known = bits is not None
    return Cache(
        handle=raw.handle,
        socket_designation=raw.text(cache.socket_designation),
        level=(bits & 7) + 1 if known else None,
        enabled=bool(bits & 0x80) if known else None,
        socketed=bool(bits & 0x08) if known else None,
        operational_mode=word(CACHE_MODE, bits >> 8 & 3) if known else None,
        location=word(CACHE_LOCATION, bits >> 5 & 3) if known else None,
        maximum_size_bytes=_size(cache.maximum_size, cache.maximum_size_2),
        installed_size_bytes=_size(cache.installed_size, cache.installed_size_2),
        supported_sram_types=flags(SRAM_TYPE, cache.supported_sram),
        installed_sram_types=flags(SRAM_TYPE, cache.installed_sram),
        speed_ns=cache.speed or None,
        error_correction_type=word(CACHE_ERROR_CORRECTION, cache.error_correction_type),
        system_type=word(CACHE_TYPE, cache.system_type),
        associativity=word(CACHE_ASSOCIATIVITY, cache.associativity),
        problems=tuple(raw.problems),
    )


def _size(short: int | None, wide: int | None) -> int | None:
    """The top bit chooses the unit, 1 KiB or 64 KiB; from 3.1 on the 32-bit field holds every size."""
    if wide is not None:
        return (wide & 0x7FFFFFFF) << (16 if wide >> 31 else 10)
    if short is None:
        return None
    return (short & 0x7FFF) << (16 if short >> 15 else 10)


CACHE_MODE = numbered("Write Through", "Write Back", "Varies With Memory Address", "Unknown", first=0)
CACHE_LOCATION = {0: "Internal", 1: "External", 3: "Unknown"}
SRAM_TYPE = numbered(  # §7.8.2
    *("Other", "Unknown", "Non-burst", "Burst", "Pipeline Burst", "Synchronous", "Asynchronous"), first=0
)
CACHE_ERROR_CORRECTION = numbered(  # §7.8.3
    "Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC"
)
CACHE_TYPE = numbered("Other", "Unknown", "Instruction", "Data", "Unified")  # §7.8.4
CACHE_ASSOCIATIVITY = numbered(  # §7.8.5
    *("Other", "Unknown", "Direct Mapped", "2-way Set-associative", "4-way Set-associative"),
    *("Fully Associative", "8-way Set-associative", "16-way Set-associative", "12-way Set-associative"),
    *("24-way Set-associative", "32-way Set-associative", "48-way Set-associative"),
    *("64-way Set-associative", "20-way Set-associative"),
)
