"""Hypothesis strategies for SMBIOS that is not: random, cut off, looping, and nearly right."""

import json

from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.smbios import decode_smbios_file
from lab.smbios import Firmware, entry_point_2, entry_point_3

_KINDS = st.sampled_from([0, 1, 2, 3, 4, 7, 9, 16, 17, 34, 38, 39, 41, 126, 127, 221])

# A type that has a decoder, a length that may lie, and whatever follows.
_structure = st.builds(
    lambda kind, length, body, strings: bytes((kind, length)) + body + strings + b"\0\0",
    _KINDS,
    st.integers(0, 255),
    st.binary(max_size=120),
    st.binary(max_size=60),
)
_formatted = st.tuples(_KINDS, st.binary(max_size=110), st.lists(st.text(max_size=12), max_size=9))


def _whole(parts: list[tuple[int, bytes, list[str]]], modern: bool) -> bytes:
    firmware = Firmware(version=(3, 7, 0) if modern else (2, 8, 0))
    for kind, body, strings in parts:
        firmware.add(kind, body, strings)
    return firmware.dump()


def _dump(table: bytes, modern: bool, count: int, address: int) -> bytes:
    entry = (
        entry_point_3(len(table), address=address)
        if modern
        else entry_point_2(len(table), count, address=address)
    )
    return entry.ljust(0x20, b"\0") + table


def _flip(dump: bytes, places: list[tuple[int, int]]) -> bytes:
    changed = bytearray(dump)
    for place, value in places:
        changed[place % len(changed)] = value
    return bytes(changed)


_tables = st.lists(_structure, max_size=12).map(b"".join)
_dumps = st.one_of(
    st.builds(_whole, st.lists(_formatted, max_size=12), st.booleans()),
    st.builds(_dump, _tables, st.booleans(), st.integers(0, 20), st.sampled_from([0x20, 0, 1, 0xFFFFFFFF])),
)

smbios_files = st.one_of(
    st.binary(max_size=400),
    _tables,
    _dumps,
    st.builds(lambda dump, length: dump[:length], _dumps, st.integers(0, 600)),
    st.builds(_flip, _dumps, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=20)),
)


def decode_and_check(data: bytes) -> None:
    """Decoding ends with a document that is JSON, or with a DecodeError that says something."""
    try:
        document = decode_smbios_file(data)
    except DecodeError as error:
        said = str(error)
    else:
        said = json.dumps(document)
    assert said
