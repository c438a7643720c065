"""Our fields in dmidecode's words: what every type needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Fields = dict[str, Any]
Rendered = Iterator[tuple[str, Any]]  # name to text, items or None


@dataclass
class IfPrinted:
    """A field that dmidecode prints for some structures of the type only."""

    value: str


def size(number: int | None, smallest: str = "bytes") -> str | None:
    """The largest unit in which at most two consecutive powers of 1024 are not zero, as dmidecode does."""
    if number is None:
        return None
    units = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
    first = units.index(smallest)
    number >>= 10 * first
    split = [number >> 10 * power & 0x3FF for power in range(7 - first)]
    top = max((power for power, part in enumerate(split) if part), default=0)
    if top and split[top - 1]:
        return f"{split[top - 1] + (split[top] << 10)} {units[first + top - 1]}"
    return f"{split[top]} {units[first + top]}"


def unit(value: Any, name: str) -> str | None:
    return None if value is None else f"{value} {name}"


def yes_no(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def listed(value: list[str] | None) -> Any:
    return value or None


def row(value: list[str] | None) -> str | None:
    return " ".join(value) if value else None


def word(value: str | None) -> str | None:
    return "<OUT OF SPEC>" if value and value.startswith("out of spec") else value
