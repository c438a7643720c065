"""Memory errors as the kernel's EDAC drivers count them (Documentation/admin-guide/ras.rst)."""

import asyncio
import re
from collections.abc import Iterator, Sequence

from bee_bus.documents.memory import EdacDimm, MemoryController
from bee_machine import Entry, Machine

EDAC = "/sys/devices/system/edac/mc"
_CONTROLLER = (
    "mc_name",
    "size_mb",
    "seconds_since_reset",
    "ce_count",
    "ue_count",
    "ce_noinfo_count",
    "ue_noinfo_count",
)
_DIMM = (
    "dimm_label",
    "dimm_location",
    "size",
    "dimm_mem_type",
    "dimm_edac_mode",
    "dimm_ce_count",
    "dimm_ue_count",
)
# The older layout: rows of chips, with a label and a count of corrected errors for each channel of a row.
_CHANNELS = 12
_ROW = (
    *("size_mb", "mem_type", "edac_mode", "ue_count", "ce_count"),
    *(f"ch{channel}_{name}" for channel in range(_CHANNELS) for name in ("dimm_label", "ce_count")),
)


async def read_controllers(machine: Machine) -> tuple[MemoryController, ...]:
    """Every memory controller that has an EDAC driver; none where no driver is loaded."""
    entries = await machine.read_entries(EDAC, files=_CONTROLLER)
    controllers = [entry for entry in entries if re.fullmatch(r"mc\d+", entry.name)]
    found = await asyncio.gather(*(_read(machine, entry) for entry in controllers))
    return tuple(sorted(found, key=lambda controller: _number(controller.id)))


async def _read(machine: Machine, entry: Entry) -> MemoryController:
    dimms = tuple(_dimms(await machine.read_entries(entry.path, files=_DIMM)))
    if not dimms:
        dimms = tuple(_rows(await machine.read_entries(entry.path, files=_ROW)))
    return MemoryController(
        id=entry.name,
        name=entry.text("mc_name"),
        size_bytes=_mebibytes(entry, "size_mb"),
        seconds_since_reset=entry.integer("seconds_since_reset"),
        corrected_error_count=entry.integer("ce_count"),
        uncorrected_error_count=entry.integer("ue_count"),
        corrected_unlocated_count=entry.integer("ce_noinfo_count"),
        uncorrected_unlocated_count=entry.integer("ue_noinfo_count"),
        dimms=dimms,
    )


def _dimms(entries: Sequence[Entry]) -> Iterator[EdacDimm]:
    for entry in sorted(entries, key=lambda entry: _number(entry.name)):
        if re.fullmatch(r"(?:dimm|rank)\d+", entry.name):
            yield EdacDimm(
                label=entry.text("dimm_label") or entry.name,
                location=entry.text("dimm_location"),
                size_bytes=_mebibytes(entry, "size"),
                type=entry.text("dimm_mem_type"),
                edac_mode=entry.text("dimm_edac_mode"),
                corrected_error_count=entry.integer("dimm_ce_count"),
                uncorrected_error_count=entry.integer("dimm_ue_count"),
            )


def _rows(entries: Sequence[Entry]) -> Iterator[EdacDimm]:
    """Uncorrected errors are counted for a whole row: they stand with it when it has one channel only."""
    for entry in sorted(entries, key=lambda entry: _number(entry.name)):
        if not re.fullmatch(r"csrow\d+", entry.name):
            continue
        channels = [number for number in range(_CHANNELS) if entry.data(f"ch{number}_ce_count") is not None]
        for channel in channels:
            yield EdacDimm(
                label=entry.text(f"ch{channel}_dimm_label") or f"{entry.name} channel {channel}",
                location=f"{entry.name} channel {channel}",
                type=entry.text("mem_type"),
                edac_mode=entry.text("edac_mode"),
                corrected_error_count=entry.integer(f"ch{channel}_ce_count"),
                uncorrected_error_count=entry.integer("ue_count") if len(channels) == 1 else None,
            )


def _number(name: str) -> int:
    digits = re.search(r"\d+", name)
    return int(digits[0]) if digits else 0


def _mebibytes(entry: Entry, name: str) -> int | None:
    size = entry.integer(name)
    return size << 20 if size else None
