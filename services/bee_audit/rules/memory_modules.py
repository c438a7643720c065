"""Modules that are unlike the others, or not what the board makes of them."""

from collections import defaultdict
from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.memory_words import (
    fitted,
    fitted_main_memory,
    listed,
    size_in_words,
    slots_in_words,
    where,
)
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.memory import Dimm, Spd

# Check bits of ECC modules: 8 for each 64 data bits; DDR5 has up to 8 for each of its two channels of 32.
_CHECK_BITS = (8, 16)


def mixed(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Modules that differ from the most common kind: one finding for each other kind."""
    kinds: dict[tuple[object, ...], list[Dimm]] = defaultdict(list)
    for slot in fitted_main_memory(hardware):
        if slot.size_bytes:
            kinds[_kind(slot)].append(slot)
    if len(kinds) < 2:
        return
    usual = max(kinds.values(), key=len)
    for odd in kinds.values():
        if odd is usual:
            continue
        differences = _differences(odd[0], usual[0])
        yield Finding(
            rule="memory.mixed",
            severity="Warning",
            component=f"memory/{odd[0].id}" if len(odd) == 1 else "memory",
            where=where(odd[0]) if len(odd) == 1 else slots_in_words(odd),
            message=f"{_unlike(odd, usual)}: {listed(differences)}",
            next_step="Compare with the order; fit modules of one kind.",
            value=_description(odd[0]),
        )


def ecc_off(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Modules with check bits in an array without error correction: errors go unseen."""
    section = hardware.memory
    modes = {dimm.edac_mode for one in (section.controllers if section else ()) for dimm in one.dimms}
    if modes - {None, "None", "Unknown"}:
        return  # the controller itself says that it corrects
    for array in section.arrays if section else ():
        slots = [slot for slot in fitted(hardware) if slot.array == array.id and _has_check_bits(slot)]
        if array.error_correction == "None" and array.use in (None, "System Memory") and slots:
            yield Finding(
                rule="memory.ecc-off",
                severity="Warning",
                component=f"memory/{array.id}",
                where=slots_in_words(slots),
                message=(
                    "1 module has ECC, and the board does not use it"
                    if len(slots) == 1
                    else f"{len(slots)} modules have ECC, and the board does not use it"
                ),
                next_step="Switch ECC on in the firmware's set-up, or ask the vendor whether the board can.",
                value=array.error_correction,
            )


def spd_checksum(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A module's own description is damaged."""
    section = hardware.memory
    if section is None:
        return
    places = [(slot.id, where(slot), slot.spd) for slot in section.slots]
    places += [("", _loose(spd), spd) for spd in section.loose_spd]
    for slot, place, spd in places:
        if spd is not None and not spd.checksum_valid:
            yield Finding(
                rule="memory.spd-checksum",
                severity="Warning",
                component=f"memory/{slot}" if slot else "memory",
                where=place,
                message="The checksum of the module's SPD EEPROM is wrong",
                next_step="Replace the module: what firmware sets it up by is damaged.",
                value=False,
            )


def _loose(spd: Spd) -> str:
    return f"module at I2C {spd.device}" + (f", serial {spd.serial}" if spd.serial else "")


def _kind(slot: Dimm) -> tuple[object, ...]:
    part = (slot.part_number or "").replace(" ", "").upper() or None
    return (part, slot.size_bytes, slot.ranks, slot.rated_speed_mts, slot.type, slot.total_width_bits)


def _differences(odd: Dimm, usual: Dimm) -> list[str]:
    pairs = (
        ("part number", odd.part_number, usual.part_number),
        ("size", _size(odd), _size(usual)),
        ("ranks", odd.ranks, usual.ranks),
        ("rated speed", _speed(odd), _speed(usual)),
        ("type", odd.type, usual.type),
        ("width", _width(odd), _width(usual)),
    )
    return [
        f"{name} {one or 'unknown'} instead of {other or 'unknown'}"
        for name, one, other in pairs
        if one != other
    ]


def _size(slot: Dimm) -> str | None:
    return size_in_words(slot.size_bytes) if slot.size_bytes else None


def _speed(slot: Dimm) -> str | None:
    return f"{slot.rated_speed_mts} MT/s" if slot.rated_speed_mts else None


def _width(slot: Dimm) -> str | None:
    return f"{slot.total_width_bits} bits" if slot.total_width_bits else None


def _unlike(odd: list[Dimm], usual: list[Dimm]) -> str:
    some = "1 module is" if len(odd) == 1 else f"{len(odd)} modules are"
    return f"{some} unlike {'another' if len(usual) == 1 else f'{len(usual)} others'}"


def _description(slot: Dimm) -> str:
    parts = [slot.vendor, slot.part_number, _size(slot), _speed(slot)]
    return " ".join(part for part in parts if part)


def _has_check_bits(slot: Dimm) -> bool:
    if slot.total_width_bits is None or slot.data_width_bits is None:
        return False
    return slot.total_width_bits - slot.data_width_bits in _CHECK_BITS and slot.data_width_bits in (32, 64)


RULES: tuple[Rule, ...] = (mixed, ecc_off, spd_checksum)
