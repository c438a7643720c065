"""The SMBIOS entry point: which version the table follows, how long it is and where it stands."""

import msgspec
from construct import Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Struct

from bee_audit.decode import DecodeError

# SMBIOS 3.7 §5.2.1: 32-bit entry point; §5.2.2: 64-bit entry point.
# Before 2.1 there was only the "_DMI_" part of the former.
_LEGACY = Struct(
    "anchor" / Bytes(5),
    "checksum" / Int8ul,
    "table_length" / Int16ul,
    "table_address" / Int32ul,
    "structure_count" / Int16ul,
    "bcd_revision" / Int8ul,
)
_ENTRY_2 = Struct(
    "anchor" / Bytes(4),
    "checksum" / Int8ul,
    "length" / Int8ul,
    "major" / Int8ul,
    "minor" / Int8ul,
    "largest_structure" / Int16ul,
    "revision" / Int8ul,
    "reserved" / Bytes(5),
    "dmi" / _LEGACY,
)
_ENTRY_3 = Struct(
    "anchor" / Bytes(5),
    "checksum" / Int8ul,
    "length" / Int8ul,
    "major" / Int8ul,
    "minor" / Int8ul,
    "docrev" / Int8ul,
    "revision" / Int8ul,
    "reserved" / Int8ul,
    "table_length" / Int32ul,
    "table_address" / Int64ul,
)

# Firmware that states a version that never was, and what it follows instead.
_ODD_VERSIONS = {(2, 31): (2, 3), (2, 33): (2, 3), (2, 51): (2, 6)}


class EntryPoint(msgspec.Struct, frozen=True):
    version: tuple[int, int, int]  # major, minor, document revision (0 before 3.0)
    stated_version: str  # as the firmware writes it, "3.2.0" or "2.7"
    table_length: int  # bytes; a maximum from 3.0 on
    table_address: int
    structure_count: int | None  # stated before 3.0 only
    ends_at_marker: bool  # from 3.0 on the table ends at its end-of-table structure
    problems: tuple[str, ...] = ()


def decode_entry_point(data: bytes) -> EntryPoint:
    """Decode an entry point that begins at the first byte. Raises DecodeError.

    A wrong checksum is a problem of the result: what it states is still the best that is known.
    """
    if data.startswith(b"_SM3_"):
        return _decode_3(data)
    if data.startswith(b"_SM_"):
        return _decode_2(data)
    if data.startswith(b"_DMI_"):
        return _decode_legacy(data)
    raise DecodeError(f"no SMBIOS entry point: it begins with {data[:5]!r}, not _SM3_, _SM_ or _DMI_")


def _decode_3(data: bytes) -> EntryPoint:
    _need(data, _ENTRY_3.sizeof())
    entry = _ENTRY_3.parse(data)
    problems = _checksum_problems(data, entry.length, smallest=0x18, name="entry point")
    return EntryPoint(
        version=(entry.major, entry.minor, entry.docrev),
        stated_version=f"{entry.major}.{entry.minor}.{entry.docrev}",
        table_length=entry.table_length,
        table_address=entry.table_address,
        structure_count=None,
        ends_at_marker=True,
        problems=problems,
    )


def _decode_2(data: bytes) -> EntryPoint:
    _need(data, _ENTRY_2.sizeof())
    entry = _ENTRY_2.parse(data)
    # The 2.1 text said 0x1E by mistake; such entry points are 0x1F long all the same.
    problems = _checksum_problems(data, entry.length, smallest=0x1E, name="entry point")
    if entry.dmi.anchor != b"_DMI_":
        raise DecodeError(f"SMBIOS entry point without its _DMI_ part: {entry.dmi.anchor!r} stands there")
    problems += _checksum_problems(data[0x10:], 0x0F, smallest=0x0F, name="intermediate entry point")
    stated = (entry.major, entry.minor)
    version = _ODD_VERSIONS.get(stated, stated)
    if version != stated:
        problems += (f"version {stated[0]}.{stated[1]} never was; read as {version[0]}.{version[1]}",)
    return EntryPoint(
        version=(*version, 0),
        stated_version=f"{version[0]}.{version[1]}",
        table_length=entry.dmi.table_length,
        table_address=entry.dmi.table_address,
        structure_count=entry.dmi.structure_count or None,
        ends_at_marker=False,
        problems=problems,
    )


def _decode_legacy(data: bytes) -> EntryPoint:
    _need(data, _LEGACY.sizeof())
    entry = _LEGACY.parse(data)
    major, minor = entry.bcd_revision >> 4, entry.bcd_revision & 0x0F
    return EntryPoint(
        version=(major, minor, 0),
        stated_version=f"{major}.{minor}",
        table_length=entry.table_length,
        table_address=entry.table_address,
        structure_count=entry.structure_count or None,
        ends_at_marker=False,
        problems=_checksum_problems(data, 0x0F, smallest=0x0F, name="entry point"),
    )


def _need(data: bytes, length: int) -> None:
    if len(data) < length:
        raise DecodeError(f"SMBIOS entry point of {len(data)} bytes, {length} needed")


def _checksum_problems(data: bytes, length: int, *, smallest: int, name: str) -> tuple[str, ...]:
    if not smallest <= length <= len(data):
        return (f"{name} states a length of {length} bytes",)
    if sum(data[:length]) & 0xFF:
        return (f"{name} has a wrong checksum",)
    return ()
