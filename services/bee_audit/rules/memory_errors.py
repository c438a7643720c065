"""Errors that the memory controllers have counted (EDAC), and pages that the kernel gave up."""

from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.memory_words import size_in_words, where
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.memory import EdacDimm, MemoryController, MemorySection

DAY_SECONDS = 86400
_REPLACE = "Swap the DIMM with another one and load the memory again; if the errors follow it, replace it."
_LOCATE = (
    "Find the DIMM in the BMC's event log or with the board's manual, or move DIMMs between channels and load"
    " the memory again until the errors follow one; replace it."
)


def uncorrected(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Data was lost: one error is too many."""
    limit = thresholds["memory.uncorrected_errors"]
    for component, place, located, _, counts in _counts(hardware.memory):
        count = counts[1]
        if count is not None and count >= thresholds.number(limit.name):
            yield Finding(
                rule="memory.uncorrected-errors",
                severity="Critical",
                component=component,
                where=place,
                message=f"{_errors(count, 'uncorrected')} since the counters began",
                next_step=_REPLACE if located else _LOCATE,
                value=count,
                threshold=limit,
            )


def corrected(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """More corrected errors a day than healthy memory has; the first day counts as a whole one."""
    limit = thresholds["memory.corrected_errors_per_day"]
    for component, place, located, seconds, counts in _counts(hardware.memory):
        count = counts[0]
        days = max(1.0, (seconds or 0) / DAY_SECONDS)
        if count and count >= thresholds.number(limit.name) * days:
            span = f" in {days:.0f} days" if days > 1 else ""
            yield Finding(
                rule="memory.corrected-errors",
                severity="Warning",
                component=component,
                where=place,
                message=f"{_errors(count, 'corrected')}{span} since the counters began",
                next_step=_REPLACE if located else _LOCATE,
                value=round(count / days, 1),
                threshold=limit,
            )


def retired_pages(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """The kernel no longer uses pages, because their memory failed."""
    limit = thresholds["memory.hardware_corrupted_bytes"]
    corrupted = hardware.memory.hardware_corrupted_bytes if hardware.memory else None
    if corrupted is not None and corrupted > thresholds.number(limit.name):
        yield Finding(
            rule="memory.pages-retired",
            severity="Critical",
            component="memory",
            where="kernel (HardwareCorrupted in /proc/meminfo)",
            message=f"The kernel has given up {corrupted >> 10} KiB of memory after errors in it",
            next_step="Find the DIMM in the kernel's log (memory failure, EDAC, mce) and replace it.",
            value=corrupted,
            threshold=limit,
        )


# Component, place in words, whether the slot is known, seconds counted, corrected and uncorrected errors.
_Count = tuple[str, str, bool, int | None, tuple[int | None, int | None]]


def _counts(section: MemorySection | None) -> Iterator[_Count]:
    """Every count once: of slots, of DIMMs whose slot is not known, and what a controller could not place."""
    if section is None:
        return
    seconds = {dimm.slot: _seconds(controller, section) for controller, dimm in _edac(section)}
    for slot in section.slots:
        if slot.edac:
            counts = (slot.corrected_error_count, slot.uncorrected_error_count)
            yield f"memory/{slot.id}", where(slot), True, seconds.get(slot.id), counts
    for controller, dimm in _edac(section):
        if dimm.slot is None:
            counts = (dimm.corrected_error_count, dimm.uncorrected_error_count)
            yield f"memory/{controller.id}", _edac_place(dimm), False, _seconds(controller, section), counts
    for controller in section.controllers:
        place = f"{controller.id} {controller.name or ''}".strip() + ", DIMM not known"
        yield f"memory/{controller.id}", place, False, _seconds(controller, section), _unplaced(controller)


def _edac(section: MemorySection) -> Iterator[tuple[MemoryController, EdacDimm]]:
    for controller in section.controllers:
        for dimm in controller.dimms:
            yield controller, dimm


def _unplaced(controller: MemoryController) -> tuple[int | None, int | None]:
    """What the controller has counted beyond its DIMMs."""
    corrected_sum = sum(dimm.corrected_error_count or 0 for dimm in controller.dimms)
    uncorrected_sum = sum(dimm.uncorrected_error_count or 0 for dimm in controller.dimms)
    total, total_uncorrected = controller.corrected_error_count, controller.uncorrected_error_count
    return (
        None if total is None else max(0, total - corrected_sum),
        None if total_uncorrected is None else max(0, total_uncorrected - uncorrected_sum),
    )


def _seconds(controller: MemoryController, section: MemorySection) -> int | None:
    return controller.seconds_since_reset or section.uptime_seconds


def _edac_place(dimm: EdacDimm) -> str:
    size = f", {size_in_words(dimm.size_bytes)}" if dimm.size_bytes else ""
    return f"{dimm.label}{size} (the kernel's name; the slot is not known)"


def _errors(count: int, kind: str) -> str:
    return f"{count} {kind} memory error{'s' if count != 1 else ''}"


RULES: tuple[Rule, ...] = (uncorrected, corrected, retired_pages)
