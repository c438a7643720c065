"""Sensor data records, as a BMC keeps them (IPMI 2.0 rev 1.1, chapter 43), for the emulated BMC."""

from dataclasses import dataclass, field
from enum import IntEnum

VERSION = 0x51
BMC_ADDRESS = 0x20
THRESHOLD_EVENTS = 0x01
SENSOR_SPECIFIC_EVENTS = 0x6F


class Entity(IntEnum):
    """IPMI 2.0 table 43-13, those that the lab uses."""

    PROCESSOR = 3
    SYSTEM_BOARD = 7
    POWER_SUPPLY = 10
    FAN = 29
    AIR_INLET = 55


class SensorType(IntEnum):
    """IPMI 2.0 table 42-3."""

    TEMPERATURE = 0x01
    VOLTAGE = 0x02
    FAN = 0x04
    PHYSICAL_SECURITY = 0x05
    PROCESSOR = 0x07
    POWER_SUPPLY = 0x08
    POWER_UNIT = 0x09
    OTHER_UNITS = 0x0B
    MEMORY = 0x0C
    DRIVE_SLOT = 0x0D
    CRITICAL_INTERRUPT = 0x13
    ENTITY_PRESENCE = 0x25


class Unit(IntEnum):
    """IPMI 2.0 table 43-15."""

    DEGREES_C = 1
    VOLTS = 4
    WATTS = 6
    RPM = 18


# In the order of the readable-threshold mask and of the comparison bits of a reading (table 35-15).
THRESHOLDS = (
    "lower_noncritical",
    "lower_critical",
    "lower_nonrecoverable",
    "upper_noncritical",
    "upper_critical",
    "upper_nonrecoverable",
)


@dataclass
class ThresholdSensor:
    """A sensor with a number; ``raw`` is what the BMC reads, raw * multiplier * 10**exponent its value."""

    number: int
    name: str
    type: SensorType
    unit: Unit
    raw: int | None  # None: scanning is on, but there is no reading
    multiplier: int = 1
    exponent: int = 0
    entity: Entity = Entity.SYSTEM_BOARD
    instance: int = 1
    thresholds: dict[str, int] = field(default_factory=dict)  # by the names above, raw

    @property
    def value(self) -> float | None:
        return None if self.raw is None else round(self.raw * self.multiplier * 10.0**self.exponent, 6)

    @property
    def threshold_mask(self) -> int:
        return sum(1 << bit for bit, name in enumerate(THRESHOLDS) if name in self.thresholds)

    def reading(self) -> bytes:
        """The answer to Get Sensor Reading (35.14)."""
        if self.raw is None:
            return bytes((0, 0xE0, 0xC0))
        crossed = 0
        for bit, name in enumerate(THRESHOLDS):
            limit = self.thresholds.get(name)
            if limit is not None and (self.raw <= limit if bit < 3 else self.raw >= limit):
                crossed |= 1 << bit
        return bytes((self.raw, 0xC0, 0xC0 | crossed))

    def threshold_answer(self) -> bytes:
        """The answer to Get Sensor Thresholds (35.9)."""
        return bytes((self.threshold_mask, *(self.thresholds.get(name, 0) for name in THRESHOLDS)))

    def record(self) -> bytes:
        """The full sensor record (43.1) from the byte after its header."""
        limits = [self.thresholds.get(name, 0) for name in THRESHOLDS]
        lower, upper = self.threshold_mask & 0x07, self.threshold_mask & 0x38
        return bytes(
            (
                BMC_ADDRESS,
                0,
                self.number,
                self.entity,
                self.instance,
                0x7F,  # all initialized, scanning and events on
                0x68,  # re-arms by itself, thresholds readable and settable
                self.type,
                THRESHOLD_EVENTS,
                *(0x95, 0x70 | lower),
                *(0x95, 0x70 | upper >> 3),
                self.threshold_mask,
                0,
                0,  # unsigned, no rate, no percentage
                self.unit,
                0,
                0,  # linear
                self.multiplier & 0xFF,
                self.multiplier >> 8 << 6,
                *(0, 0, 0),
                (self.exponent & 0x0F) << 4,
                0,
                *(0, 0, 0),
                *(0xFF, 0),
                *(limits[5], limits[4], limits[3], limits[2], limits[1], limits[0]),
                *(1, 1),
                *(0, 0),
                0,
            )
        ) + _text(self.name)


@dataclass
class DiscreteSensor:
    """A sensor with states: bit n of ``states`` is offset n of its type."""

    number: int
    name: str
    type: SensorType
    states: int
    supported: int
    entity: Entity = Entity.SYSTEM_BOARD
    instance: int = 1
    event_type: int = SENSOR_SPECIFIC_EVENTS
    available: bool = True

    def reading(self) -> bytes:
        flags = 0xC0 if self.available else 0xE0
        return bytes((0, flags, self.states & 0xFF, 0x80 | self.states >> 8))

    def record(self) -> bytes:
        """The compact sensor record (43.2) from the byte after its header."""
        mask = self.supported.to_bytes(2, "little")
        return bytes(
            (
                BMC_ADDRESS,
                0,
                self.number,
                self.entity,
                self.instance,
                0x67,
                0x40,
                self.type,
                self.event_type,
                *(*mask, *mask, *mask),
                *(0xC0, 0, 0),
                *(1, 0),
                *(0, 0),
                *(0, 0, 0),
                0,
            )
        ) + _text(self.name)


@dataclass
class FruLocator:
    """Says that a FRU other than the BMC's own is behind it (43.8)."""

    fru_id: int
    name: str
    entity: Entity
    instance: int = 1

    def record(self) -> bytes:
        return bytes((BMC_ADDRESS, self.fru_id, 0x80, 0, 0, 0x10, 0, self.entity, self.instance, 0)) + _text(
            self.name
        )


@dataclass
class ControllerLocator:
    """The BMC itself (43.9): sensors, SDR, SEL, FRU, chassis."""

    name: str

    def record(self) -> bytes:
        return bytes((BMC_ADDRESS, 0, 0, 0x8F, 0, 0, 0, Entity.SYSTEM_BOARD, 1, 0)) + _text(self.name)


@dataclass
class RawRecord:
    """A record of any type by its bytes after the header."""

    kind: int
    body: bytes

    def record(self) -> bytes:
        return self.body


Record = ThresholdSensor | DiscreteSensor | FruLocator | ControllerLocator | RawRecord
_RECORD_TYPES = {ThresholdSensor: 0x01, DiscreteSensor: 0x02, FruLocator: 0x11, ControllerLocator: 0x12}


def encode(record: Record, record_id: int) -> bytes:
    body = record.record()
    kind = record.kind if isinstance(record, RawRecord) else _RECORD_TYPES[type(record)]
    return record_id.to_bytes(2, "little") + bytes((VERSION, kind, len(body))) + body


def _text(name: str) -> bytes:
    """A type/length byte and 8-bit ASCII (43.15)."""
    raw = name.encode("ascii")[:16]
    return bytes((0xC0 | len(raw),)) + raw
