"""Everything that a snapshot says of something, as lines for people: labels in words, values with units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Fact(NamedTuple):
    """``depth``: how far it is set in. A heading has no value."""

    depth: int
    label: str
    value: str = ""


_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")

# The end of a field's name says the unit of its value.
_UNITS = {
    "_celsius": "°C",
    "_watts": "W",
    "_joules": "J",
    "_volts": "V",
    "_millivolts": "mV",
    "_minutes": "min",
    "_amperes": "A",
    "_amps": "A",
    "_rpm": "rpm",
    "_percent": "%",
    "_seconds": "s",
    "_hours": "h",
    "_mhz": "MHz",
    "_hz": "Hz",
    "_gtps": "GT/s",
    "_mtps": "MT/s",
    "_mts": "MT/s",
    "_mbps": "Mbit/s",
    "_gbps": "Gbit/s",
    "_bits": "bit",
    "_kib": "KiB",
    "_mib": "MiB",
    "_dbm": "dBm",
    "_milliwatts": "mW",
    "_nanometers": "nm",
    "_meters": "m",
}
_CAPITALS = (
    "bios bmc cpu cpuid cuda dimm ecc edac fru gpu hba id io ip jedec lba led mac nic numa nvml oem pci "
    "psu raid rpm sas sata sel smart smbios smt spd ssd uefi uuid vbios vpd wwn"
)
_SPELT = {word: word.upper() for word in _CAPITALS.split()} | {
    "cpus": "CPUs",
    "gpus": "GPUs",
    "ids": "IDs",
    "psus": "PSUs",
    "pcie": "PCIe",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "xid": "Xid",
    "xids": "Xids",
    "nvlink": "NVLink",
    "nvme": "NVMe",
}
_DISKS = ("storage",)  # sizes there are sold in powers of ten


def facts(part: Mapping[str, Any], *, section: str = "", depth: int = 0) -> Iterator[Fact]:
    """A line for each value, lists and parts set in below their name."""
    for name, value in part.items():
        if isinstance(value, Mapping):
            yield Fact(depth, label(name))
            yield from facts(value, section=section, depth=depth + 1)
        elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
            yield from _several(name, value, section, depth)
        elif isinstance(value, list):
            if value:
                shown = ", ".join(worded(name, one, section) for one in value)
                yield Fact(depth, label(name), shown)
        else:
            yield Fact(depth, label(name), worded(name, value, section))


def _several(name: str, values: Sequence[Any], section: str, depth: int) -> Iterator[Fact]:
    for number, value in enumerate(values, 1):
        if isinstance(value, Mapping):
            title = next((value[key] for key in ("name", "id", "locator", "title") if value.get(key)), number)
            yield Fact(depth, f"{label(name)}: {title}")
            yield from facts(value, section=section, depth=depth + 1)
        else:
            yield Fact(depth, label(name), worded(name, value, section))


def label(name: str) -> str:
    """ "max_link_speed_gtps" → "max link speed"."""
    for suffix in ("_bytes", *_UNITS):
        name = name.removesuffix(suffix) or name
    return " ".join(_SPELT.get(word, word) for word in name.split("_"))


def worded(name: str, value: Any, section: str = "") -> str:
    """The value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if name.endswith("_bytes"):
            return size(value, decimal=section in _DISKS)
        unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
        if name.startswith("percentage_"):
            unit = "%"
        number = f"{value:.6g}" if isinstance(value, float) else str(value)
        return f"{number} {unit}".rstrip()
    return str(value)


def size(size_bytes: float, *, decimal: bool = False) -> str:
    """ "64 GiB", and "3.84 TB" of disks."""
    step, units = (1000, _DECIMAL) if decimal else (1024, _BINARY)
    value = float(size_bytes)
    for unit in units[:-1]:
        if abs(value) < step * 0.9995:
            return f"{value:.4g} {unit}"
        value /= step
    return f"{value:.4g} {units[-1]}"
