"""Sensor data records with every field free (IPMI 2.0 rev 1.1, §43.1 to 43.3)."""

from dataclasses import dataclass, field

from lab.sdr import BMC_ADDRESS, VERSION

UNSIGNED, ONES_COMPLEMENT, TWOS_COMPLEMENT, NO_READING = range(4)


@dataclass
class Full:
    """A full sensor record. ``text``: the coded ID string, type/length byte first."""

    text: bytes = b"\xc4Temp"
    number: int = 1
    owner: int = BMC_ADDRESS
    owner_lun: int = 0
    entity: tuple[int, int] = (7, 1)
    capabilities: int = 0x68  # re-arms by itself, thresholds readable and settable
    sensor_type: int = 0x01
    event_type: int = 0x01
    lower_mask: int = 0x7000
    upper_mask: int = 0x7000
    reading_mask: int = 0x3F
    format: int = UNSIGNED
    units: int = 0  # rate, modifier and percentage, without the format
    base_unit: int = 1
    modifier_unit: int = 0
    linearization: int = 0
    m: int = 1
    b: int = 0
    b_exponent: int = 0
    r_exponent: int = 0
    limits: tuple[int, ...] = field(default=(100, 95, 85, 0, 5, 10))  # from upper non-recoverable down

    def body(self) -> bytes:
        return (
            bytes((self.owner, self.owner_lun, self.number, *self.entity, 0x7F, self.capabilities))
            + bytes((self.sensor_type, self.event_type))
            + self.lower_mask.to_bytes(2, "little")
            + self.upper_mask.to_bytes(2, "little")
            + self.reading_mask.to_bytes(2, "little")
            + bytes((self.format << 6 | self.units, self.base_unit, self.modifier_unit, self.linearization))
            + bytes((self.m & 0xFF, (self.m >> 8 & 3) << 6, self.b & 0xFF, (self.b >> 8 & 3) << 6, 0))
            + bytes(((self.r_exponent & 0x0F) << 4 | self.b_exponent & 0x0F,))
            + bytes((7, 40, 60, 20, 0xFF, 0))
            + bytes(self.limits)
            + bytes((2, 2, 0, 0, 0))
            + self.text
        )

    def record(self) -> bytes:
        return _headed(0x01, self.body())


@dataclass
class Compact:
    """``sharing`` and ``instances``: bytes 24 and 25."""

    text: bytes = b"\xc3PSU"
    number: int = 0x10
    entity: tuple[int, int] = (10, 1)
    sensor_type: int = 0x08
    event_type: int = 0x6F
    masks: tuple[int, int, int] = (0x00FF, 0x00FF, 0x00FF)
    sharing: int = 1
    instances: int = 0
    owner: int = BMC_ADDRESS

    def body(self) -> bytes:
        return (
            bytes((self.owner, 0, self.number, *self.entity, 0x67, 0x40, self.sensor_type, self.event_type))
            + b"".join(mask.to_bytes(2, "little") for mask in self.masks)
            + bytes((0xC0, 0, 0, self.sharing, self.instances, 0, 0, 0, 0, 0, 0))
            + self.text
        )

    def record(self) -> bytes:
        return _headed(0x02, self.body())


@dataclass
class EventOnly:
    text: bytes = b"\xc8CPU IERR"
    number: int = 0x20
    owner: int = BMC_ADDRESS
    sensor_type: int = 0x07
    event_type: int = 0x6F
    sharing: int = 1
    instances: int = 0

    def body(self) -> bytes:
        head = bytes((self.owner, 0, self.number, 3, 1, self.sensor_type, self.event_type))
        return head + bytes((self.sharing, self.instances, 0, 0)) + self.text

    def record(self) -> bytes:
        return _headed(0x03, self.body())


def _headed(kind: int, body: bytes) -> bytes:
    return b"\x01\0" + bytes((VERSION, kind, len(body))) + body
