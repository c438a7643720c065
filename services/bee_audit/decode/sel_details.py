"""What the two data bytes of an event add to it (IPMI 2.0 rev 1.1, §29.7 and table 42-3)."""

from bee_audit.decode.ipmi_states import SPECIFIC_TYPE, THRESHOLD_TYPE, State
from bee_audit.decode.sdr import SensorRecord
from bee_audit.decode.sel import OF_THE_TYPE, READING, SelEntry


def detail(entry: SelEntry, record: SensorRecord | None) -> str | None:
    """In words where the standard has them, else the bytes; None where there is nothing.

    ``record``: the sensor's, for the scale and unit of its readings.
    """
    if entry.event_type == THRESHOLD_TYPE:
        return _crossing(entry, record)
    if entry.event_type == SPECIFIC_TYPE and (text := _specific(entry)):
        return text
    second, third = entry.data
    parts = [f"data {number}: {byte:02X}h" for number, byte in ((2, second), (3, third)) if byte is not None]
    return ", ".join(parts) or None


def ranked(entry: SelEntry, state: State) -> State:
    """The state, with the rank of what its data says: a missing keyboard is no broken server."""
    second, _ = _of_the_type(entry)
    is_firmware_error = (entry.sensor_type, entry.event_type, entry.offset) == (_FIRMWARE, SPECIFIC_TYPE, 0)
    return State(state.name) if is_firmware_error and second in _FIRMWARE_HARMLESS else state


_MEMORY, _POWER_SUPPLY, _FIRMWARE, _SLOT = 0x0C, 0x08, 0x0F, 0x21
_UNSPECIFIED = 0xFF
_CONFIGURATION_ERRORS = (
    *("vendor mismatch", "revision mismatch", "processor missing", "power supply rating mismatch"),
    "voltage rating mismatch",
)
_FIRMWARE_ERRORS = (
    *("unspecified", "no system memory installed", "no usable system memory", "unrecoverable disk failure"),
    *("unrecoverable system board failure", "unrecoverable diskette failure"),
    *("unrecoverable disk controller failure", "keyboard failure", "no removable boot media"),
    *("unrecoverable video controller failure", "no video device", "firmware corruption detected"),
    *("CPU voltage mismatch", "CPU speed mismatch"),
)
_FIRMWARE_HARMLESS = frozenset({0x05, 0x07, 0x08, 0x0A})  # diskette, keyboard, boot media, video: not needed


def _crossing(entry: SelEntry, record: SensorRecord | None) -> str | None:
    reading, limit = _coded(entry, READING)
    if reading is None or record is None or record.scale is None:
        return None
    if record.scale.is_nonlinear:
        return None  # its scale then is not known now
    parts = []
    for name, raw in (("reading", reading), ("limit", limit)):
        value = None if raw is None else record.scale.value(raw)
        if value is not None:
            parts.append(f"{name} {value:g} {record.unit}".rstrip())
    return ", ".join(parts) or None


def _of_the_type(entry: SelEntry) -> tuple[int | None, int | None]:
    """The data bytes that mean what the standard says: makers put codes of their own in the same places."""
    return _coded(entry, OF_THE_TYPE)


def _coded(entry: SelEntry, code: int) -> tuple[int | None, int | None]:
    second, third = (byte if of == code else None for byte, of in zip(entry.data, entry.codes, strict=True))
    return second, third


def _specific(entry: SelEntry) -> str | None:
    second, third = _of_the_type(entry)
    if entry.sensor_type == _MEMORY and third not in (None, _UNSPECIFIED):
        return f"memory module {third}"
    if entry.sensor_type == _POWER_SUPPLY and entry.offset == 6 and third is not None:
        return _word(_CONFIGURATION_ERRORS, third & 0x0F)
    if entry.sensor_type == _FIRMWARE and entry.offset == 0 and second is not None:
        return _word(_FIRMWARE_ERRORS, second)
    if entry.sensor_type == _SLOT and third not in (None, _UNSPECIFIED):
        return f"slot {third}"
    return None


def _word(words: tuple[str, ...], number: int) -> str | None:
    return words[number] if number < len(words) else None
