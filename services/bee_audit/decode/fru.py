"""FRU images: what an EEPROM says of the part it sits on.

Platform Management FRU Information Storage Definition 1.0, revision 1.3; chapters are those of that document.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from construct import Int8ub, Padding, Struct

from bee_audit.decode import DecodeError
from bee_audit.decode.fru_facts import Fru, FruArea, FruBoard, FruChassis, FruProduct
from bee_audit.decode.fru_records import FruRecord, decode_records, records_end
from bee_audit.decode.ipmi_text import TEXT, decode_text, is_printable_ascii
from bee_audit.decode.smbios.system import CHASSIS_TYPE

FRU_LIMIT_BYTES = 1 << 16  # what offsets of 16 bits reach (IPMI 2.0 §34.2)
AREAS = ("internal_use", "chassis", "board", "product", "multirecord")


def decode_fru_file(data: bytes) -> dict[str, Any]:
    """What ``bee decode fru FILE`` prints. Raises DecodeError."""
    facts: dict[str, Any] = msgspec.to_builtins(decode_fru(data))
    return facts


def decode_fru(data: bytes) -> Fru:
    """Decode an image. Raises DecodeError when it does not begin with a common header (chapter 8)."""
    data = data[:FRU_LIMIT_BYTES]
    if is_blank(data):
        raise DecodeError("no FRU data: the memory is blank")
    if len(data) < _HEADER_BYTES:
        raise DecodeError(f"no FRU data: {len(data)} bytes, the common header alone has {_HEADER_BYTES}")
    if data[0] & 0x0F != _FORMAT_VERSION:
        raise DecodeError(f"no FRU data: format version {data[0] & 0x0F}, not {_FORMAT_VERSION}")
    return _Reading(data).fru()


def is_blank(data: bytes) -> bool:
    """Whether nobody ever wrote this memory."""
    return not data.strip(b"\0") or not data.strip(b"\xff")


def fru_extent(data: bytes, size_bytes: int) -> int:
    """How much of a device of ``size_bytes`` must be read, by what its first bytes ``data`` say.

    Ask again with that much: the answer grows until the last area's end is known. A device usually has many
    times the size of its content, and reading it all over a slow bus takes seconds.
    """
    if len(data) < _HEADER_BYTES:
        return min(_HEADER_BYTES, size_bytes)
    if data[0] & 0x0F != _FORMAT_VERSION:
        return min(len(data), size_bytes)
    ends: list[int] = [_HEADER_BYTES]
    for name, offset in _offsets(data):
        if name == "multirecord":
            ends.append(records_end(data, offset))
        elif name == "internal_use":
            ends.append(offset + 1)
        else:
            ends.append(offset + 2 if len(data) < offset + 2 else offset + max(data[offset + 1] * 8, 2))
    return min(max(ends), size_bytes)


_FORMAT_VERSION = 1
_ENGLISH = (0, 25)  # language codes (chapter 15): 0 means English too
_END_OF_FIELDS = 0xC1
_EPOCH = datetime(1996, 1, 1)

_HEADER = Struct(
    "format_version" / Int8ub,
    "internal_use" / Int8ub,
    "chassis" / Int8ub,
    "board" / Int8ub,
    "product" / Int8ub,
    "multirecord" / Int8ub,
    Padding(1),
    "checksum" / Int8ub,
)
_HEADER_BYTES = 8


def _offsets(data: bytes) -> Iterator[tuple[str, int]]:
    """The areas that the header names, in its order, with their offsets in bytes."""
    header = _HEADER.parse(data)
    for name in AREAS:
        if header[name]:
            yield name, header[name] * 8


class _Reading:
    """One pass over an image."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.defects: list[str] = []
        self.remarks: list[str] = []
        self.areas: list[FruArea] = []

    def fru(self) -> Fru:
        offsets = dict(_offsets(self.data))
        header_valid = sum(self.data[:_HEADER_BYTES]) & 0xFF == 0
        if not header_valid:
            self.defects.append("the checksum of the common header is wrong")
        internal = self.internal_use(offsets)
        chassis = self.chassis(offsets.get("chassis"))
        board = self.board(offsets.get("board"))
        product = self.product(offsets.get("product"))
        records = self.records(offsets.get("multirecord"))
        return Fru(
            format_version=self.data[0] & 0x0F,
            header_checksum_valid=header_valid,
            areas=tuple(sorted(self.areas, key=lambda area: area.offset_bytes)),
            internal_use=internal,
            chassis=chassis,
            board=board,
            product=product,
            records=records,
            defects=tuple(self.defects),
            remarks=tuple(self.remarks),
        )

    def internal_use(self, offsets: dict[str, int]) -> str | None:
        """Chapter 9: it states no length, so it ends where the next area begins."""
        start = offsets.get("internal_use")
        if start is None:
            return None
        end = min((other for other in offsets.values() if other > start), default=len(self.data))
        content = self.data[start:end]
        if not content:
            self.defects.append("the internal use area lies past the end of the data")
            return None
        self.areas.append(FruArea(name="internal_use", offset_bytes=start, length_bytes=len(content)))
        return content[1:].hex()

    def chassis(self, offset: int | None) -> FruChassis | None:
        area = self.area("chassis", offset, fixed_bytes=1)
        if area is None:
            return None
        texts, custom = self.fields("chassis", area, start=3, count=2, language=0, english=frozenset())
        return FruChassis(
            chassis_type_code=area[2],
            chassis_type=CHASSIS_TYPE.get(area[2] & 0x7F),
            part_number=texts[0],
            serial_number=texts[1],
            custom=custom,
        )

    def board(self, offset: int | None) -> FruBoard | None:
        area = self.area("board", offset, fixed_bytes=4)
        if area is None:
            return None
        # Serial number, part number and file id are in English whatever the language is.
        texts, custom = self.fields(
            "board", area, start=6, count=5, language=area[2], english=frozenset({2, 3, 4})
        )
        return FruBoard(
            language_code=area[2],
            manufactured_at=_date(int.from_bytes(area[3:6], "little")),
            manufacturer=texts[0],
            product_name=texts[1],
            serial_number=texts[2],
            part_number=texts[3],
            fru_file_id=texts[4],
            custom=custom,
        )

    def product(self, offset: int | None) -> FruProduct | None:
        area = self.area("product", offset, fixed_bytes=1)
        if area is None:
            return None
        texts, custom = self.fields(
            "product", area, start=3, count=7, language=area[2], english=frozenset({4, 6})
        )
        return FruProduct(
            language_code=area[2],
            manufacturer=texts[0],
            product_name=texts[1],
            part_number=texts[2],
            version=texts[3],
            serial_number=texts[4],
            asset_tag=texts[5],
            fru_file_id=texts[6],
            custom=custom,
        )

    def records(self, offset: int | None) -> tuple[FruRecord, ...]:
        if offset is None:
            return ()
        records, end, defects = decode_records(self.data, offset)
        self.defects += defects
        valid = all(record.checksum_valid for record in records) and not defects
        self.areas.append(
            FruArea(name="multirecord", offset_bytes=offset, length_bytes=end - offset, checksum_valid=valid)
        )
        return records

    def area(self, name: str, offset: int | None, fixed_bytes: int) -> bytes | None:
        """An area with its version and length, without its checksum; None when there is none to speak of."""
        if offset is None:
            return None
        head = self.data[offset : offset + 2]
        length = head[1] * 8 if len(head) == 2 else 0
        if length < 8:
            there = "lies past the end of the data" if len(head) < 2 else "states no length"
            self.defects.append(f"the {name} area {there}")
            return None
        content = self.data[offset : offset + length]
        complete = len(content) == length
        valid = complete and sum(content) & 0xFF == 0
        self.areas.append(FruArea(name=name, offset_bytes=offset, length_bytes=length, checksum_valid=valid))
        if not complete:
            self.defects.append(f"the {name} area states {length} bytes, {len(content)} are there")
        elif not valid:
            self.defects.append(f"the checksum of the {name} area is wrong")
        if head[0] & 0x0F != _FORMAT_VERSION:
            self.remarks.append(f"the {name} area has format version {head[0] & 0x0F}")
        body = content[:-1] if complete else content
        return body if len(body) >= 2 + fixed_bytes else None

    def fields(
        self, name: str, area: bytes, *, start: int, count: int, language: int, english: frozenset[int]
    ) -> tuple[list[str | None], tuple[str, ...]]:
        """The ``count`` fields that the area defines, and the custom ones after them (chapter 13)."""
        raw = self.raw_fields(name, area, start)
        local = [data for index, (kind, data) in enumerate(raw) if kind == TEXT and index not in english]
        wide = _is_wide(language, local)
        texts = [
            decode_text(kind, data, wide=wide and index not in english)
            for index, (kind, data) in enumerate(raw)
        ]
        defined = [text or None for text in texts[:count]]
        defined += [None] * (count - len(defined))
        return defined, tuple(text for text in texts[count:] if text)

    def raw_fields(self, name: str, area: bytes, position: int) -> list[tuple[int, bytes]]:
        """Encoding and bytes of every field up to the end mark. Each takes at least a byte, so this ends."""
        found: list[tuple[int, bytes]] = []
        while position < len(area):
            head = area[position]
            if head == _END_OF_FIELDS:
                return found
            length = head & 0x3F
            data = area[position + 1 : position + 1 + length]
            found.append((head >> 6, data))
            position += 1 + length
            if len(data) < length:
                self.remarks.append(f"a field of the {name} area is cut off by its end")
                return found
        self.remarks.append(f"the {name} area has no end mark")
        return found


def _is_wide(language: int, texts: list[bytes]) -> bool:
    """Whether the text has two bytes a character, as every language but English has (chapter 13).

    Many vendors state some language and write ASCII all the same. A whole area of printable ASCII is no
    accident of two-byte text.
    """
    if language in _ENGLISH or any(len(text) % 2 for text in texts):
        return False
    return sum(map(len, texts)) < 8 or not all(map(is_printable_ascii, texts))


def _date(minutes: int) -> str | None:
    """Minutes since 1996 (chapter 11): 0 is unspecified, and all ones is what blank memory holds."""
    if minutes in (0, 0xFFFFFF):
        return None
    return (_EPOCH + timedelta(minutes=minutes)).isoformat() + "Z"
