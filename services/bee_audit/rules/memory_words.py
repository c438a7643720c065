"""Memory slots in words that a person at the open machine can use."""

import re
from collections.abc import Iterable, Sequence

from bee_bus.documents.audit import Hardware
from bee_bus.documents.memory import Dimm

GIB = 1 << 30
_NOT_MODULES = ("Logical non-volatile device", "HBM", "HBM2", "HBM3")
_PERSISTENT = ("NVDIMM", "Intel Optane")
_MADE_UP = re.compile(r"qemu|vmware|microsoft", re.IGNORECASE)


def fitted(hardware: Hardware) -> list[Dimm]:
    """The populated slots."""
    return [slot for slot in hardware.memory.slots if slot.populated] if hardware.memory else []


def main_memory(hardware: Hardware) -> list[Dimm]:
    """The slots of ordinary memory, empty ones too.

    Left out is what is rightly unlike the rest: persistent memory, stacks in the processor's package, memory
    on CXL cards, and what hypervisors make up. What the firmware names no technology of is ordinary memory.
    """
    section = hardware.memory
    cards = (
        {array.id for array in section.arrays if array.location == "CXL Add-on Card"} if section else set()
    )
    return [
        slot
        for slot in (section.slots if section else ())
        if slot.type not in _NOT_MODULES
        and not (slot.technology or "").startswith(_PERSISTENT)
        and not _MADE_UP.search(slot.vendor or "")
        and slot.array not in cards
    ]


def fitted_main_memory(hardware: Hardware) -> list[Dimm]:
    return [slot for slot in main_memory(hardware) if slot.populated]


def where(slot: Dimm) -> str:
    parts = [f"slot {slot.id}", slot.part_number, f"serial {slot.serial}" if slot.serial else None]
    return ", ".join(part for part in parts if part)


def slots_in_words(slots: Sequence[Dimm]) -> str:
    names = [slot.id for slot in slots]
    return f"slot {names[0]}" if len(names) == 1 else f"slots {', '.join(names)}"


def size_in_words(size_bytes: int) -> str:
    if size_bytes % GIB == 0:
        return f"{size_bytes // GIB} GiB"
    return f"{size_bytes / GIB:.1f} GiB" if size_bytes > GIB else f"{size_bytes >> 20} MiB"


def listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
