"""A sensor's present reading, states and limits (IPMI 2.0 rev 1.1, §35.9 and §35.14)."""

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.sdr import THRESHOLDS, SensorRecord


class SensorReading(msgspec.Struct, frozen=True, kw_only=True):
    """``raw`` is None when there is no reading: zero is one. ``crossed``: thresholds, by the BMC's own
    comparison. ``offsets``: the states that a discrete sensor is in.
    """

    available: bool
    raw: int | None = None
    crossed: tuple[str, ...] = ()
    offsets: tuple[int, ...] = ()


def decode_reading(record: SensorRecord, answer: bytes) -> SensorReading:
    """The answer to Get Sensor Reading, without its completion code. Raises DecodeError."""
    if len(answer) < 2:
        raise DecodeError(f"{len(answer)} bytes of sensor reading, 2 expected")
    flags = answer[1]
    if flags & _UNAVAILABLE or not flags & _SCANNING:
        return SensorReading(available=False)
    states = int.from_bytes(answer[2:4], "little")
    return SensorReading(
        available=True,
        raw=answer[0] if record.scale is not None else None,
        crossed=_names(states & 0x3F, record.compared) if record.is_threshold else (),
        offsets=() if record.is_threshold else tuple(bit for bit in range(15) if states >> bit & 1),
    )


def decode_limits(answer: bytes) -> dict[str, int]:
    """Raw limits by their names, those that can be read, from Get Sensor Thresholds. Raises DecodeError."""
    if len(answer) < 7:
        raise DecodeError(f"{len(answer)} bytes of sensor thresholds, 7 expected")
    return {name: answer[1 + bit] for bit, name in enumerate(THRESHOLDS) if answer[0] >> bit & 1}


_SCANNING, _UNAVAILABLE = 0x40, 0x20


def _names(bits: int, declared: tuple[str, ...]) -> tuple[str, ...]:
    """The thresholds whose bits are set. The bits of those that it does not compare mean nothing."""
    return tuple(name for bit, name in enumerate(THRESHOLDS) if bits >> bit & 1 and name in declared)
