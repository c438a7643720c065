"""How registers of PCI configuration space are read: layouts in construct, bits as names."""

from collections.abc import Mapping
from typing import Any

from construct import Struct

# The codes 1 to 6 of every link speed field are also the bits of the supported speeds vector
# (PCIe 6.0 §7.5.3.18).
SPEEDS_GTPS: Mapping[int, float] = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}


class Layout:
    """Registers that follow each other; its size is computed once, as thousands of devices are read."""

    def __init__(self, *fields: Any) -> None:
        self.struct = Struct(*fields)
        self.size: int = self.struct.sizeof()


def read(layout: Layout, data: bytes, offset: int, what: str, defects: list[str]) -> Any | None:
    """The registers at ``offset``; None with a defect when they reach over the end of what was read."""
    end = offset + layout.size
    if end > len(data):
        there = max(0, len(data) - offset)
        defects.append(f"{what} at {offset:#05x} needs {layout.size} bytes, {there} are there")
        return None
    return layout.struct.parse(data[offset:end])


def bits(value: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of the bits that are set, the lowest first."""
    return tuple(name for bit, name in names.items() if value >> bit & 1) if value else ()


def speeds(vector: int) -> tuple[float, ...]:
    """The speeds of a supported link speeds vector, whose bit 0 is 2.5 GT/s."""
    return tuple(speed for code, speed in SPEEDS_GTPS.items() if vector >> (code - 1) & 1)
