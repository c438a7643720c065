"""The psus section of the audit snapshot: power supplies, by their FRU data, sensors and SMBIOS type 39."""

from bee_bus.documents.base import Document, Section
from bee_bus.documents.sensors import SensorState


class Psu(Document):
    """A power supply, or the bay for one.

    ``present`` is absent when neither a sensor nor FRU data tell. Watts and volts are readings of now.
    """

    id: str  # "psu1"
    name: str  # what its sensor or its FRU device calls it: "PS1"
    location: str | None = None  # "power supply 1"
    present: bool | None = None
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    version: str | None = None  # of the product
    manufactured_at: str | None = None  # RFC 3339
    capacity_watts: int | None = None
    hot_swap: bool | None = None
    input_watts: float | None = None
    output_watts: float | None = None
    power_watts: float | None = None  # of a sensor that does not say whether it is input or output
    input_volts: float | None = None
    states: tuple[SensorState, ...] = ()  # what its status sensors say, presence included
    sensors: tuple[str, ...] = ()  # ids in the sensors section
    fru: str | None = None  # id in the bmc section


class PsusSection(Section):
    """Absent without an IPMI device."""

    psus: tuple[Psu, ...] = ()
