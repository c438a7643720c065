"""Memory slots in words that a person at the open machine can use."""

from collections.abc import Iterable, Sequence

from bee_bus.documents.audit import Hardware
from bee_bus.documents.memory import Dimm

GIB = 1 << 30


def fitted(hardware: Hardware) -> list[Dimm]:
    """The populated slots."""
    return [slot for slot in hardware.memory.slots if slot.populated] if hardware.memory else []


def is_dram(slot: Dimm) -> bool:
    """Ordinary memory: no NVDIMM, Optane or flash, which are rightly unlike the rest."""
    return slot.type != "Logical non-volatile device" and (slot.technology or "DRAM") in ("DRAM", "Unknown")


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
