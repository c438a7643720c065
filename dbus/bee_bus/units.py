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


def without_vendor(model: str, vendor: str | None) -> str:
    """The model number without the maker's name in front, which it says by itself."""
    if vendor and model.lower().startswith(f"{vendor.lower()} "):
        return model[len(vendor) :].strip()
    return model


def ranges(names: Iterable[str]) -> str:
    """Names in short: "SLOT 1 to 8, SLOT 12"."""
    runs: list[tuple[str, int, int]] = []
    shown: list[str] = []
    for name in names:
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        number = int(digits) if digits and digits == str(int(digits)) else None
        if number is not None and runs and runs[-1][0] == stem and runs[-1][2] + 1 == number:
            first = runs[-1][1]
            runs[-1] = (stem, first, number)
            shown[-1] = f"{stem}{first}{' to ' if number > first + 1 else ', ' + stem}{number}"
        else:
            runs.append((stem, number if number is not None else 0, number if number is not None else -2))
            shown.append(name)
    return ", ".join(shown)


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
