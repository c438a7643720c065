"""The sensors section, from the BMC's sensor data records and readings."""

from bee_audit.collectors.ipmi import IpmiFacts, read_ipmi
from bee_audit.collectors.ipmi_sensors import SensorFacts
from bee_audit.decode.ipmi_names import entity_name, sensor_type_name
from bee_audit.decode.ipmi_states import THRESHOLD_TYPE, discrete_state
from bee_audit.decode.sdr import SensorRecord
from bee_bus.documents.sensors import (
    Sensor,
    SensorsSection,
    SensorState,
    SensorStatus,
    SensorThresholds,
    ThresholdName,
)
from bee_machine import Machine


async def collect(machine: Machine) -> SensorsSection | None:
    facts = await read_ipmi(machine)
    if facts is None:
        return None
    return SensorsSection(
        sensors=tuple(sensor for _, sensor in sensors_of(facts)),
        problems=tuple(facts.problems["sensors"]),
    )


def sensors_of(facts: IpmiFacts) -> list[tuple[SensorFacts, Sensor]]:
    """The machine's sensors, as read and as documents, in the order of the BMC's records."""
    names = [one.record.name for one in facts.sensors]
    taken: set[str] = set()
    found = []
    for one in facts.sensors:
        identity = _identity(one.record, unique=names.count(one.record.name) == 1, taken=taken)
        found.append((one, _sensor(one, identity)))
    return found


def _identity(record: SensorRecord, *, unique: bool, taken: set[str]) -> str:
    identity = record.name if unique and record.name else f"{record.name or 'sensor'} (0x{record.number:02X})"
    if identity in taken:  # of another controller, or a second record of the same sensor
        identity += f" at {record.owner.address:02X}h"
    while identity in taken:
        identity += "'"
    taken.add(identity)
    return identity


def _sensor(one: SensorFacts, identity: str) -> Sensor:
    record = one.record
    states = _states(one)
    crossed = _crossed(one)
    return Sensor(
        id=identity,
        name=record.name or identity,
        kind=_kind(record),
        reading_type=READING_TYPES.get(record.event_type, "vendor"),
        number=record.number,
        status=_status(one, states, crossed),
        location=entity_name(record.entity_id, record.entity_instance) if record.entity_id else None,
        value=one.value,
        unit=record.unit or None,
        thresholds=SensorThresholds(**one.limits) if one.limits else None,
        crossed=crossed,
        states=states,
    )


READING_TYPES = {  # table 42-1 and 42-2
    0x01: "threshold",
    0x02: "usage",
    0x03: "state",
    0x04: "predictive failure",
    0x05: "limit",
    0x06: "performance",
    0x07: "severity",
    0x08: "presence",
    0x09: "enablement",
    0x0A: "availability",
    0x0B: "redundancy",
    0x0C: "power state",
    0x6F: "specific",
}
_OTHER = 0x0B


def _kind(record: SensorRecord) -> str:
    if record.sensor_type == _OTHER and "Watts" in record.unit:
        return "power"
    return sensor_type_name(record.sensor_type)


def _states(one: SensorFacts) -> tuple[SensorState, ...]:
    if one.reading is None:
        return ()
    record = one.record
    states = []
    for offset in one.reading.offsets:
        state = discrete_state(record.sensor_type, record.event_type, offset, record.name)
        states.append(SensorState(offset=offset, name=state.name, severity=state.severity))
    return tuple(states)


def _crossed(one: SensorFacts) -> tuple[ThresholdName, ...]:
    """Thresholds at or past by the BMC's comparison, and those that the value is past by ours.

    Both, because some firmwares never set the bits and others know a hysteresis.
    """
    if one.record.event_type != THRESHOLD_TYPE or not one.is_available:
        return ()
    assert one.reading is not None
    crossed = {*one.reading.crossed, *_past(one)}
    return tuple(name for name in _NAMES if name in crossed)


_NAMES: tuple[ThresholdName, ...] = (
    *("lower_non_recoverable", "lower_critical", "lower_non_critical"),
    *("upper_non_critical", "upper_critical", "upper_non_recoverable"),
)
_UNSET = (0x00, 0xFF)  # what firmwares leave in limits that nobody set


def _past(one: SensorFacts) -> set[str]:
    """Limits that the value is past, if the limits make sense: in their order, the lower below the upper."""
    value = one.value
    limits = {name: limit for name, limit in one.limits.items() if one.raw_limits.get(name) not in _UNSET}
    in_order = [limits[name] for name in _NAMES if name in limits]
    lower = [limit for name, limit in limits.items() if name.startswith("lower")]
    upper = [limit for name, limit in limits.items() if name.startswith("upper")]
    if value is None or in_order != sorted(in_order) or (lower and upper and max(lower) >= min(upper)):
        return set()
    return {
        name
        for name, limit in limits.items()
        if (value < limit if name.startswith("lower") else value > limit)
    }


def _status(
    one: SensorFacts, states: tuple[SensorState, ...], crossed: tuple[ThresholdName, ...]
) -> SensorStatus:
    if not one.is_available:
        return "unavailable"
    severities = {state.severity for state in states}
    if "Critical" in severities or any(not name.endswith("non_critical") for name in crossed):
        return "critical"
    return "warning" if "Warning" in severities or crossed else "ok"
