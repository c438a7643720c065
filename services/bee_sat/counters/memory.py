"""Memory errors as EDAC counts them, and pages that the kernel gave up."""

from collections.abc import Iterator

from bee_bus.documents.memory import Dimm, EdacDimm, MemoryController, MemorySection
from bee_sat.counters.reading import Counting, Kind, Part, Reading

_REPLACE = "Swap the DIMM with another one and run again; if the errors follow it, replace it."
_LOCATE = (
    "Find the DIMM in the BMC's event log or with the board's manual, or move DIMMs between channels and run "
    "again until the errors follow one; replace it."
)

UNCORRECTED = Kind(
    "memory.uncorrected_errors",
    "uncorrected memory errors",
    _REPLACE,
    told_by=("memory.uncorrected-errors",),
)
CORRECTED = Kind(
    "memory.corrected_errors", "corrected memory errors", _REPLACE, told_by=("memory.corrected-errors",)
)
CORRUPTED = Kind(
    "memory.hardware_corrupted_bytes",
    "bytes of memory that the kernel gave up after errors in them",
    "Find the DIMM in the kernel's log (memory failure, EDAC, mce) and replace it.",
    falls=True,
    told_by=("memory.pages-retired",),
)


def readings(section: MemorySection) -> Iterator[Reading]:
    """Every error once: of slots, of DIMMs whose slot is not known, and what no DIMM could be found for."""
    for slot in section.slots:
        if slot.edac:
            counting = Counting(f"memory/{slot.id}", _where(slot))
            counting.add(UNCORRECTED, slot.uncorrected_error_count)
            counting.add(CORRECTED, slot.corrected_error_count)
            yield from counting
    for controller in section.controllers:
        for dimm in controller.dimms:
            if dimm.slot is None:
                yield from _unplaced(controller, dimm)
        yield from _unlocated(controller)
    kernel = Counting("memory", "kernel (HardwareCorrupted in /proc/meminfo)")
    kernel.add(CORRUPTED, section.hardware_corrupted_bytes)
    yield from kernel


def _unplaced(controller: MemoryController, dimm: EdacDimm) -> Counting:
    counting = Counting(f"memory/{controller.id}", f"{dimm.label} (the kernel's name; the slot is not known)")
    part = dimm.label or dimm.location or ""
    counting.add(UNCORRECTED, dimm.uncorrected_error_count, part=part, next_step=_LOCATE)
    counting.add(CORRECTED, dimm.corrected_error_count, part=part, next_step=_LOCATE)
    return counting


def _unlocated(controller: MemoryController) -> Counting:
    """What the controller has counted beyond its DIMMs."""
    where = f"{controller.id} {controller.name or ''}".strip() + ", DIMM not known"
    counting = Counting(f"memory/{controller.id}", where)
    for kind, total, counts in (
        (
            UNCORRECTED,
            controller.uncorrected_error_count,
            [one.uncorrected_error_count for one in controller.dimms],
        ),
        (
            CORRECTED,
            controller.corrected_error_count,
            [one.corrected_error_count for one in controller.dimms],
        ),
    ):
        if total is not None:
            rest = max(0, total - sum(count or 0 for count in counts))
            counting.add(kind, rest, part="unlocated", next_step=_LOCATE)
    return counting


def _where(slot: Dimm) -> str:
    place = (f"slot {slot.id}", slot.part_number, f"serial {slot.serial}" if slot.serial else None)
    return ", ".join(part for part in place if part)


def parts(section: MemorySection) -> Iterator[Part]:
    for slot in section.slots:
        if slot.populated:
            yield Part(
                f"memory/{slot.id}",
                _where(slot),
                f"The module in slot {slot.id}",
                f"memory/{slot.id}",
                "Audit the machine again (bee audit); reseat the module, and replace it if it goes again.",
            )
    for controller in section.controllers:
        yield Part(
            f"memory/{controller.id}",
            controller.id,
            f"The memory controller {controller.id}, as the kernel counts its errors,",
            f"memory/{controller.id}",
            "See in the kernel log why its driver (EDAC) was unloaded, and run again.",
        )
