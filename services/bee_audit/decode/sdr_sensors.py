"""Sensor records: full (IPMI 2.0 rev 1.1, §43.1), compact (§43.2) and event-only (§43.3)."""

import struct
from typing import Any, NamedTuple

import msgspec
from construct import Int8ub, Struct

from bee_audit.decode.ipmi_states import THRESHOLD_TYPE
from bee_audit.decode.sdr_common import Owner, id_text, need
from bee_audit.decode.sensor_scale import SensorScale, decode_scale, unit_name

THRESHOLDS = (  # in the order of all masks (table 35-15)
    *("lower_non_critical", "lower_critical", "lower_non_recoverable"),
    *("upper_non_critical", "upper_critical", "upper_non_recoverable"),
)


class SensorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A full (§43.1), compact (§43.2) or event-only (§43.3) sensor record.

    ``limits``: raw values of the record by the names of THRESHOLDS, those that its masks say are there.
    ``compared``: which thresholds the sensor compares its reading with. ``state_mask``: the offsets that a
    discrete sensor can report.
    """

    record_id: int
    kind: str  # "full", "compact", "event-only"
    owner: Owner
    number: int
    entity_id: int
    entity_instance: int
    sensor_type: int
    event_type: int
    name: str
    scale: SensorScale | None = None
    unit: str = ""
    limits_readable: bool = False  # by Get Sensor Thresholds
    limits: dict[str, int] = {}
    compared: tuple[str, ...] = ()
    state_mask: int = 0

    @property
    def is_threshold(self) -> bool:
        return self.event_type == THRESHOLD_TYPE

    @property
    def is_readable(self) -> bool:
        return self.kind != "event-only" and not self.owner.is_software


class _Sensor(NamedTuple):
    """Bytes 6 to 23 of full and compact records. By the standard library: a server has hundreds of them."""

    owner: int
    owner_lun: int
    number: int
    entity_id: int
    entity_instance: int
    initialization: int
    capabilities: int
    sensor_type: int
    event_type: int
    assertion_mask: int
    deassertion_mask: int
    reading_mask: int
    units: int
    base_unit: int
    modifier_unit: int


_SENSOR = struct.Struct("<9B3H3B")
_SCALE = slice(18, 25)  # linearization, M, tolerance, B, accuracy, exponents
_LIMITS = slice(31, 37)
_EVENT_ONLY_HEAD = Struct(
    "owner" / Int8ub,
    "owner_lun" / Int8ub,
    "number" / Int8ub,
    "entity_id" / Int8ub,
    "entity_instance" / Int8ub,
    "sensor_type" / Int8ub,
    "event_type" / Int8ub,
)
_FULL_BYTES, _COMPACT_BYTES, _EVENT_ONLY_BYTES = 42, 26, 11

# Threshold access support (capabilities, bits 3:2).
_NO_LIMITS, _FIXED_LIMITS = 0, 3
# In a full record the limits stand from the upper non-recoverable one down.
_LIMITS_IN_RECORD = (5, 4, 3, 2, 1, 0)


def decode_full(record_id: int, body: bytes) -> SensorRecord:
    head, common = _sensor(record_id, "full", body, _FULL_BYTES)
    scale = decode_scale(head.units, body[_SCALE]) if _is_analog(head) else None
    access = head.capabilities >> 2 & 0x03
    readable = head.reading_mask & 0x3F
    if access == _NO_LIMITS or head.event_type != THRESHOLD_TYPE:
        readable = 0
    elif access == _FIXED_LIMITS:
        readable = _compared_mask(head)
    raw_limits = body[_LIMITS]
    limits = {THRESHOLDS[bit]: raw_limits[_LIMITS_IN_RECORD[bit]] for bit in range(6) if readable >> bit & 1}
    return SensorRecord(
        **common,
        name=id_text(body, _FULL_BYTES),
        scale=scale,
        unit=unit_name(head.units, head.base_unit, head.modifier_unit) if scale else "",
        limits=limits,
        limits_readable=bool(readable) and access != _FIXED_LIMITS,
    )


def _is_analog(head: _Sensor) -> bool:
    """Whether the number format means something: in records of discrete sensors it is often left at zero,
    which stands for an unsigned reading. One that does measure names its unit.
    """
    has_unit = head.units & 0x3F or head.base_unit or head.modifier_unit
    return head.event_type & 0x7F == THRESHOLD_TYPE or bool(has_unit)


def decode_compact(record_id: int, body: bytes) -> tuple[SensorRecord, ...]:
    _, common = _sensor(record_id, "compact", body, _COMPACT_BYTES)
    return _shared(SensorRecord(**common, name=id_text(body, _COMPACT_BYTES)), body[18], body[19])


def _sensor(record_id: int, kind: str, body: bytes, least_bytes: int) -> tuple[_Sensor, dict[str, Any]]:
    """What full and compact records have in common."""
    need(record_id, kind, body, least_bytes)
    head = _Sensor._make(_SENSOR.unpack_from(body))
    is_threshold = head.event_type & 0x7F == THRESHOLD_TYPE
    compared = _compared_mask(head) if is_threshold else 0
    return head, {
        **_identity(record_id, kind, head),
        "compared": tuple(name for bit, name in enumerate(THRESHOLDS) if compared >> bit & 1),
        "state_mask": 0 if is_threshold else head.reading_mask & 0x7FFF,
    }


def _compared_mask(head: _Sensor) -> int:
    """Bits 14:12 of the two event masks: which comparisons Get Sensor Reading returns."""
    lower, upper = head.assertion_mask, head.deassertion_mask
    return lower >> 12 & 0x07 | (upper >> 12 & 0x07) << 3


def decode_event_only(record_id: int, body: bytes) -> tuple[SensorRecord, ...]:
    need(record_id, "event-only", body, _EVENT_ONLY_BYTES)
    head = _EVENT_ONLY_HEAD.parse(body)
    first = SensorRecord(**_identity(record_id, "event-only", head), name=id_text(body, _EVENT_ONLY_BYTES))
    return _shared(first, body[7], body[8])


def _identity(record_id: int, kind: str, head: Any) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "kind": kind,
        "owner": Owner(head.owner, head.owner_lun >> 4, head.owner_lun & 0x03),
        "number": head.number,
        "entity_id": head.entity_id,
        "entity_instance": head.entity_instance & 0x7F,  # bit 7: the entity is a logical container
        "sensor_type": head.sensor_type,
        "event_type": head.event_type & 0x7F,
    }


def _shared(first: SensorRecord, sharing: int, instances: int) -> tuple[SensorRecord, ...]:
    """The sensors that share one record: numbers and names count up from the first (§43.2)."""
    count = sharing & 0x0F
    if count <= 1:
        return (first,)
    alphabetic = sharing >> 4 & 0x03 == 1
    offset, entities_count_up = instances & 0x7F, bool(instances & 0x80)
    return tuple(
        msgspec.structs.replace(
            first,
            number=first.number + index & 0xFF,
            name=first.name + (_letters(offset + index) if alphabetic else str(offset + index)),
            entity_instance=first.entity_instance + index if entities_count_up else first.entity_instance,
        )
        for index in range(count)
    )


def _letters(number: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)
