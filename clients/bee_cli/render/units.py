"""Quantities as people write them."""

from collections import Counter
from collections.abc import Iterable

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")


def memory_size(size_bytes: int | None) -> str:
    """64 GiB: memory is counted in powers of two."""
    return _size(size_bytes, 1024, _BINARY)


def disk_size(size_bytes: int | None) -> str:
    """3.84 TB: disks are sold in powers of ten."""
    return _size(size_bytes, 1000, _DECIMAL)


def number(value: float) -> str:
    """A number without digits that say nothing: 2.5, 16, 3200."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def quantity(value: float | None, unit: str) -> str:
    """The number and its unit; nothing at all for what is not known."""
    return "" if value is None else f"{number(value)} {unit}".rstrip()


def celsius(value: float | None) -> str:
    return quantity(value, "°C")


def joined(*parts: str | None) -> str:
    """What is known of several parts, separated by commas."""
    return ", ".join(part for part in parts if part)


def words(*parts: object) -> str:
    """What is known of several parts, separated by blanks."""
    return " ".join(str(part) for part in parts if part not in (None, ""))


def several(count: int, singular: str, plural: str = "") -> str:
    """1 disk, 2 disks."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def tally(names: Iterable[str]) -> str:
    """What there is and how often, the most frequent first: "8 × NVIDIA H100, 2 × ConnectX-7"."""
    counts = Counter(name for name in names if name).most_common()
    return ", ".join(f"{count} × {name}" if count > 1 else name for name, count in counts)


def _size(size_bytes: int | None, step: int, units: tuple[str, ...]) -> str:
    if size_bytes is None:
        return ""
    value = float(size_bytes)
    for unit in units[:-1]:
        if value < step * 0.9995:
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= step
    return f"{number(value)} {units[-1]}"
