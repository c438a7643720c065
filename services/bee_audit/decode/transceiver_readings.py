"""What a module measures of itself, beside the values beyond which it calls that an alarm.

Only modules that calibrate their readings themselves are believed. Zero is what a module reads that does not
measure (a cable above all) and, or the least that it can tell, what it reads of a lane that it does not have.
Limits in no order are of a module that limits nothing.
"""

from collections.abc import Iterator

import msgspec
from construct import Array, Int16sb, Int16ub

from bee_audit.decode.transceiver_words import CMIS_IDENTIFIERS, QSFP_IDENTIFIERS
from bee_bus.documents.network import TransceiverReading


class _Quantity(msgspec.Struct, frozen=True):
    """Where a quantity stands: its first lane's reading, and its limits: both alarms, then both warnings."""

    name: str
    unit: str
    per_unit: int
    reading_at: int
    limits_at: int
    signed: bool = False
    is_of_lanes: bool = True


# SFF-8472 rev 12.4, bytes 0-39 and 96-105 of address A2h, which is behind the first 256 bytes.
_SFP = (
    _Quantity("temperature", "°C", 256, 96, 0, signed=True, is_of_lanes=False),
    _Quantity("voltage", "V", 10000, 98, 8, is_of_lanes=False),
    _Quantity("laser current", "mA", 500, 100, 16),
    _Quantity("transmitted power", "mW", 10000, 102, 24),
    _Quantity("received power", "mW", 10000, 104, 32),
)
_SFP_DIAGNOSTICS_AT = 256
_SFP_MONITORING_AT = 92
_MONITORED_AND_CALIBRATED = 0x60
# SFF-8636 rev 2.11, bytes 22-57 of the lower memory, and bytes 128-199 of page 3.
_QSFP = (
    _Quantity("temperature", "°C", 256, 22, 0, signed=True, is_of_lanes=False),
    _Quantity("voltage", "V", 10000, 26, 16, is_of_lanes=False),
    _Quantity("received power", "mW", 10000, 34, 48),
    _Quantity("laser current", "mA", 500, 42, 56),
    _Quantity("transmitted power", "mW", 10000, 50, 64),
)
_QSFP_PAGE_3_AT = 512
_STATUS_AT = 2
_FLAT_MEMORY = 0x04
# CMIS 5.2, bytes 14-17 of the lower memory, 154-201 of page 11h, and 128-199 of page 2.
_CMIS = (
    _Quantity("temperature", "°C", 256, 14, 0, signed=True, is_of_lanes=False),
    _Quantity("voltage", "V", 10000, 16, 8, is_of_lanes=False),
)
_CMIS_LANES = (
    _Quantity("transmitted power", "mW", 10000, 26, 48),
    _Quantity("received power", "mW", 10000, 58, 64),
)
_CMIS_PAGE_2_AT, _CMIS_PAGE_11_AT = (
    384,
    640,
)  # pages 0, 1, 2, 10h and 11h, as the kernel strings them together
CMIS_MEMORY_BYTES = 768
_CMIS_FLAT_MEMORY = 0x80
_CMIS_LANES_MISSING_AT = 210  # a bit for each lane of light
_ACTIVATED = 4  # the state of a lane's data path, four bits each from the page's start
_PAGE_BYTES = 128
_LEAST_LIGHT = 1  # 0.1 uW, -40 dBm


def sfp_readings(memory: bytes) -> tuple[TransceiverReading, ...]:
    """Of an SFP's memory, diagnostics included; none where it has no such or was read without."""
    diagnostics = memory[_SFP_DIAGNOSTICS_AT:]
    if len(diagnostics) < _PAGE_BYTES:
        return ()
    if memory[_SFP_MONITORING_AT] & _MONITORED_AND_CALIBRATED != _MONITORED_AND_CALIBRATED:
        return ()
    return tuple(_readings(_SFP, (1,), diagnostics, diagnostics))


def has_page_3(memory: bytes) -> bool:
    """Whether this is the memory of a QSFP that has more pages than the first."""
    return memory[0] in QSFP_IDENTIFIERS and not memory[_STATUS_AT] & _FLAT_MEMORY


def qsfp_readings(memory: bytes) -> tuple[TransceiverReading, ...]:
    """Of a QSFP's memory with page 3; none where it was read without, or the module has no such page."""
    page = memory[_QSFP_PAGE_3_AT:]
    # Whatever page is asked for, a module that does not know it answers with page 0.
    if len(page) < _PAGE_BYTES or not has_page_3(memory) or page == memory[128:256]:
        return ()
    return tuple(_readings(_QSFP, (1, 2, 3, 4), memory, page))


def has_cmis_pages(memory: bytes) -> bool:
    """Whether this is the memory of a module with CMIS that has more pages than the first."""
    return memory[0] in CMIS_IDENTIFIERS and not memory[_STATUS_AT] & _CMIS_FLAT_MEMORY


def cmis_readings(memory: bytes) -> tuple[TransceiverReading, ...]:
    """Of a memory with all pages that the kernel strings together; none of a shorter one.

    A lane of light is judged when its data path is on and the module has it.
    """
    if len(memory) < CMIS_MEMORY_BYTES or not has_cmis_pages(memory):
        return ()
    limits = memory[_CMIS_PAGE_2_AT : _CMIS_PAGE_2_AT + _PAGE_BYTES]
    page = memory[_CMIS_PAGE_11_AT : _CMIS_PAGE_11_AT + _PAGE_BYTES]
    lanes = tuple(
        lane + 1
        for lane in range(8)
        if page[lane // 2] >> 4 * (lane % 2) & 0xF == _ACTIVATED
        and not memory[_CMIS_LANES_MISSING_AT] >> lane & 1
    )
    return (*_readings(_CMIS, (), memory, limits), *_readings(_CMIS_LANES, lanes, page, limits))


def _readings(
    quantities: tuple[_Quantity, ...], lanes: tuple[int, ...], values: bytes, limits: bytes
) -> Iterator[TransceiverReading]:
    for quantity in quantities:
        number = Int16sb if quantity.signed else Int16ub
        high, low, high_warning, low_warning = Array(4, number).parse(limits[quantity.limits_at :])
        has_warnings = bool(high_warning or low_warning)
        if not low < high or (has_warnings and not low <= low_warning <= high_warning <= high):
            continue
        for lane in lanes if quantity.is_of_lanes else (None,):
            raw = number.parse(values[quantity.reading_at + 2 * ((lane or 1) - 1) :])
            if raw == 0 or (quantity.unit == "mW" and raw <= _LEAST_LIGHT):
                continue
            yield TransceiverReading(
                quantity=quantity.name,
                lane=lane,
                value=round(raw / quantity.per_unit, 4),
                unit=quantity.unit,
                low_alarm=round(low / quantity.per_unit, 4),
                high_alarm=round(high / quantity.per_unit, 4),
            )
