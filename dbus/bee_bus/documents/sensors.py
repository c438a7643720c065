"""The sensors section of the audit snapshot: what the BMC's sensors say (IPMI 2.0, SDR and readings)."""

from typing import Literal

from bee_bus.documents.base import Document, Section

SensorStatus = Literal["ok", "warning", "critical", "unavailable"]
ThresholdName = Literal[
    "lower_non_recoverable",
    "lower_critical",
    "lower_non_critical",
    "upper_non_critical",
    "upper_critical",
    "upper_non_recoverable",
]


class SensorThresholds(Document):
    """The limits in force in the BMC, in the sensor's unit; absent those that the sensor does not have."""

    lower_non_recoverable: float | None = None
    lower_critical: float | None = None
    lower_non_critical: float | None = None
    upper_non_critical: float | None = None
    upper_critical: float | None = None
    upper_non_recoverable: float | None = None


class SensorState(Document):
    """A state that a discrete sensor is in. ``severity`` is absent for one that is no fault."""

    offset: int
    name: str  # "failure detected"
    severity: Literal["Warning", "Critical"] | None = None


class Sensor(Document):
    """``value`` is absent when there is no reading: zero is one.

    ``status``: "unavailable" for a sensor that its BMC does not read now, as those of parts that are not
    installed. ``crossed``: the thresholds that the reading is at or past.
    """

    id: str  # its name where no other has it, else with its number: "Temp (0x0E)"
    name: str
    kind: str  # "temperature", "fan", "power supply": sensor type (table 42-3)
    reading_type: str  # "threshold", "redundancy", "specific": event/reading type (table 42-1)
    number: int
    status: SensorStatus
    location: str | None = None  # the entity that it watches: "processor 1"
    value: float | None = None
    unit: str | None = None  # "degrees C", "RPM", "Volts", "Watts"
    thresholds: SensorThresholds | None = None
    crossed: tuple[ThresholdName, ...] = ()
    states: tuple[SensorState, ...] = ()


class SensorsSection(Section):
    """Absent without an IPMI device."""

    sensors: tuple[Sensor, ...] = ()
