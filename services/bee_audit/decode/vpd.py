"""PCI Vital Product Data (PCI 3.0 appendix I): what a vendor wrote on a card about the card."""

from typing import Any

import msgspec
from construct import Bytes, Int8ul, Int16ul, Struct

from bee_audit.decode import DecodeError
from bee_bus.documents.base import Document

VPD_LIMIT_BYTES = 0x8000  # the address register has 15 bits


class VpdField(Document):
    """One keyword. ``text`` when its bytes are printable, ``hex`` otherwise; neither when it is empty."""

    keyword: str
    name: str
    text: str | None = None
    hex: str | None = None


class Vpd(Document):
    """``checksum_valid`` is absent when the data states none. ``defects``: what contradicts the standard."""

    identifier: str | None = None
    part_number: str | None = None
    serial: str | None = None
    engineering_change: str | None = None
    manufacture_id: str | None = None
    read_only: tuple[VpdField, ...] = ()
    read_write: tuple[VpdField, ...] = ()
    checksum_valid: bool | None = None
    size_bytes: int = 0  # up to and with the end tag
    defects: tuple[str, ...] = ()


def decode_vpd_file(data: bytes) -> dict[str, Any]:
    """What ``bee decode vpd FILE`` prints. Raises DecodeError."""
    facts: dict[str, Any] = msgspec.to_builtins(decode_vpd(data))
    return facts


def decode_vpd(data: bytes) -> Vpd:
    """Decode a device's VPD up to its end tag. Raises DecodeError when it does not begin with a resource."""
    data = data[:VPD_LIMIT_BYTES]
    if not data:
        raise DecodeError("no VPD: it is empty")
    if data[0] not in (_IDENTIFIER, _READ_ONLY, _READ_WRITE):
        if data[0] in (0x00, 0xFF):
            raise DecodeError(f"no VPD: it begins with {data[0]:02x}, as an empty memory does")
        raise DecodeError(f"no VPD: it begins with {data[0]:02x}, which is no resource of it")
    reading = _Reading(data)
    reading.resources()
    return reading.vpd()


_LARGE = Struct("tag" / Int8ul, "length" / Int16ul)
_KEYWORD = Struct("keyword" / Bytes(2), "length" / Int8ul)
_IDENTIFIER, _READ_ONLY, _READ_WRITE, _END = 0x82, 0x90, 0x91, 0x0F

KEYWORDS = {
    "PN": "Part number",
    "EC": "Engineering changes",
    "FG": "Fabric geography",
    "LC": "Location",
    "MN": "Manufacture ID",
    "PG": "PCI geography",
    "SN": "Serial number",
    "CP": "Extended capability",
    "RV": "Checksum",
    "RW": "Remaining area",
    "YA": "Asset tag",
}


class _Reading:
    """The state of one pass over the data."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.identifier: str | None = None
        self.fields: dict[int, list[VpdField]] = {_READ_ONLY: [], _READ_WRITE: []}
        self.checksum_valid: bool | None = None
        self.defects: list[str] = []

    def resources(self) -> None:
        """Every resource takes at least one byte, so this ends."""
        while self.position < len(self.data):
            tag = self.data[self.position]
            if not tag & 0x80:
                self.position += 1 + (tag & 7)
                if tag >> 3 == _END:
                    return
                self.defects.append(f"resource {tag:#04x} is none of VPD, reading ends")
                return
            if self.position + _LARGE.sizeof() > len(self.data):
                break
            head = _LARGE.parse(self.data[self.position : self.position + _LARGE.sizeof()])
            start = self.position + _LARGE.sizeof()
            if tag not in (_IDENTIFIER, _READ_ONLY, _READ_WRITE):
                self.defects.append(f"resource {tag:#04x} is none of VPD, reading ends")
                return
            end = min(start + head.length, len(self.data))
            if start + head.length > len(self.data):
                self.defects.append(
                    f"resource {tag:#04x} states {head.length} bytes, {end - start} are there"
                )
            if tag == _IDENTIFIER:
                self.identifier = _text(self.data[start:end]) or None
            else:
                self.keywords(tag, start, end)
            self.position = start + head.length
        self.defects.append("the data ends without an end tag")

    def keywords(self, tag: int, position: int, end: int) -> None:
        head_size = _KEYWORD.sizeof()
        while position + head_size <= end:
            head = _KEYWORD.parse(self.data[position : position + head_size])
            start = position + head_size
            position = start + head.length
            keyword = _keyword(head.keyword)
            if keyword is None:
                self.defects.append(
                    f"a keyword is {head.keyword.hex()}, the rest of its resource is not read"
                )
                return
            if position > end:
                self.defects.append(f"keyword {keyword} states {head.length} bytes, {end - start} are there")
                return
            if keyword == "RV" and tag == _READ_ONLY:
                self.checksum(start, head.length)
            elif keyword != "RW":  # the space that is left
                self.fields[tag].append(_field(keyword, self.data[start:position]))

    def checksum(self, start: int, length: int) -> None:
        """The sum of all bytes from the first of the data to the first of RV is zero."""
        if length == 0:
            self.defects.append("the keyword RV has no checksum")
            return
        self.checksum_valid = sum(self.data[: start + 1]) & 0xFF == 0
        if not self.checksum_valid:
            self.defects.append("the checksum is wrong")

    def vpd(self) -> Vpd:
        # The first of each keyword counts.
        known = {field.keyword: field.text for field in reversed(self.fields[_READ_ONLY])}
        return Vpd(
            identifier=self.identifier,
            part_number=known.get("PN"),
            serial=known.get("SN"),
            engineering_change=known.get("EC"),
            manufacture_id=known.get("MN"),
            read_only=tuple(self.fields[_READ_ONLY]),
            read_write=tuple(self.fields[_READ_WRITE]),
            checksum_valid=self.checksum_valid,
            size_bytes=min(self.position, len(self.data)),
            defects=tuple(self.defects),
        )


def _keyword(raw: bytes) -> str | None:
    text = raw.decode("latin-1")
    return text if text.isascii() and text.isalnum() else None


def _field(keyword: str, value: bytes) -> VpdField:
    text = _text(value)
    kind = {"V": "Vendor specific", "Y": "System specific"}.get(keyword[0], "Keyword " + keyword)
    name = KEYWORDS.get(keyword, kind)
    return VpdField(keyword=keyword, name=name, text=text or None, hex=value.hex() if text is None else None)


def _text(value: bytes) -> str | None:
    """The value as text without padding, None when it holds bytes that are no printable ASCII."""
    text = value.rstrip(b"\0 \xff").decode("latin-1").strip()
    return text if text.isascii() and text.isprintable() else None
