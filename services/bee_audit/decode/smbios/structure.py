"""What every SMBIOS structure has in common: a header, a formatted area that grew by version, and strings."""

from bisect import bisect_right
from itertools import accumulate
from typing import Any, ClassVar

import msgspec
from construct import Struct

# What a handle field holds when it refers to nothing; of error information also that none is provided.
NO_HANDLE = 0xFFFF
NOT_PROVIDED = 0xFFFE


class Structure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A decoded structure. A field that its length does not reach, or that says "unknown", is None.

    ``problems``: what in it contradicts the standard, a sentence each; the rest is decoded.
    """

    TYPE: ClassVar[int]
    NAME: ClassVar[str]

    handle: int
    problems: tuple[str, ...] = ()


class RawStructure:
    """One structure as it stands in the table."""

    __slots__ = ("data", "handle", "problems", "string_area", "type", "version")

    def __init__(self, data: bytes, string_area: bytes, version: tuple[int, int, int]) -> None:
        self.type = data[0]
        self.handle = int.from_bytes(data[2:4], "little")
        self.data = data  # the formatted area, header included
        self.string_area = string_area
        self.version = version  # of the whole table
        self.problems: list[str] = []

    def strings(self) -> tuple[str, ...]:
        """Every string of the structure, in order."""
        if not self.string_area.strip(b"\0"):
            return ()
        return tuple(_text(part) for part in self.string_area.split(b"\0") if part)

    def text(self, index: int | None) -> str | None:
        """The string with this number; None for number 0, an absent field or a blank string."""
        if not index:
            return None
        parts = self.string_area.split(b"\0")
        # The first empty part ends the strings, as the double null does (SMBIOS 3.7 §6.1.3).
        if index > len(parts) or not all(parts[:index]):
            self.problems.append(f"string {index} is named, but there is none")
            return None
        return _text(parts[index - 1]).strip() or None

    def need(self, length: int) -> None:
        """Name the problem when the structure is shorter than the standard's first version of it."""
        if len(self.data) < length:
            self.problems.append(f"{len(self.data)} bytes long, at least {length} expected")


class Layout:
    """The fields of a formatted area in their order; a structure's length says how many of them it has."""

    def __init__(self, **fields: Any) -> None:
        self._names = tuple(fields)
        self._fields = tuple(name / field for name, field in fields.items())
        self._ends = tuple(accumulate(field.sizeof() for field in fields.values()))
        self._by_count: dict[int, Struct] = {}
        self.size = self._ends[-1]

    def read(self, data: bytes, start: int = 4) -> Any:
        """The fields as attributes, None for those past the end of ``data``."""
        count = bisect_right(self._ends, len(data) - start)
        struct = self._by_count.get(count)
        if struct is None:
            struct = self._by_count[count] = Struct(*self._fields[:count])
        fields = struct.parse(data[start:])
        for name in self._names[count:]:
            fields[name] = None
        return fields


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        return "".join(char if " " <= char < "\x7f" else "." for char in text)
    return "".join(char if char.isprintable() else "." for char in text)


def reference(handle: int | None) -> int | None:
    """The handle that a field refers to, None when it refers to nothing."""
    return None if handle == NO_HANDLE else handle


def word(words: dict[int, str], value: int | None) -> str | None:
    """The standard's word for an enumerated value, which is kept visible when the standard has none."""
    if value is None:
        return None
    return words.get(value) or f"out of spec (0x{value:02X})"


def numbered(*words: str, first: int = 1) -> dict[int, str]:
    """Words for consecutive values."""
    return dict(enumerate(words, first))


def flags(words: dict[int, str], value: int | None) -> tuple[str, ...] | None:
    """The words of the bits that are set; ``words`` maps bit numbers."""
    if value is None:
        return None
    return tuple(name for bit, name in words.items() if value >> bit & 1)


def bus_address(segment: int | None, bus: int | None, device_function: int | None) -> str | None:
    """ "0000:3b:00.0", None when the fields are absent or all ones (SMBIOS 3.7 §7.10.8)."""
    if segment is None or bus is None or device_function is None:
        return None
    if (segment, bus, device_function) == (0xFFFF, 0xFF, 0xFF):
        return None
    return f"{segment:04x}:{bus:02x}:{device_function >> 3:02x}.{device_function & 7:x}"
