"""What a pluggable transceiver or cable says of itself in its memory.

Three maps, told apart by the first byte: SFP (SFF-8472), QSFP (SFF-8636) and CMIS (QSFP-DD, OSFP and later).
The memory is flat here: the lower 128 bytes, then page 0; from byte 256 the diagnostics of an SFP, from byte
512 page 3 of a QSFP. With CMIS pages 1, 2, 10h and 11h follow.
"""

from collections.abc import Callable, Mapping

from construct import Bytes, Container, Int8ub, Int16sb, Padding, Struct

from bee_audit.decode import DecodeError
from bee_audit.decode.transceiver_readings import cmis_readings, qsfp_readings, sfp_readings
from bee_audit.decode.transceiver_words import (
    CMIS_IDENTIFIERS,
    CONNECTORS,
    HOST_INTERFACES_MBPS,
    HOST_INTERFACES_OF_INFINIBAND,
    NO_SEPARABLE,
    QSFP_IDENTIFIERS,
    QSFP_STANDARDS,
    SFP_IDENTIFIERS,
    SFP_STANDARDS,
    TYPES,
)
from bee_bus.documents.network import Transceiver


def decode_transceiver(memory: bytes) -> Transceiver:
    """Decode a module's memory. Raises DecodeError when it is of no known map, too short or empty."""
    if not memory or set(memory[:128]) <= {0x00} or set(memory[:128]) <= {0xFF}:
        raise DecodeError("the module's memory is empty")
    for identifiers, size, decode in _MAPS:
        if memory[0] in identifiers:
            if len(memory) < size:
                raise DecodeError(f"the module's memory has {len(memory)} bytes, {size} are needed")
            return decode(memory)
    raise DecodeError(f"a module of unknown form {memory[0]:#04x}")


_SFP = Struct(
    "identifier" / Bytes(1),
    Padding(1),
    "connector" / Bytes(1),
    "compliance" / Bytes(8),
    "encoding" / Int8ub,
    "bit_rate" / Int8ub,
    Padding(5),
    "length" / Bytes(1),
    Padding(1),
    "vendor" / Bytes(16),
    "extended_compliance" / Bytes(1),
    Padding(3),
    "part_number" / Bytes(16),
    "revision" / Bytes(4),
    Padding(6),
    "high_bit_rate" / Int8ub,
    Padding(1),
    "serial" / Bytes(16),
    "date_code" / Bytes(8),
    "monitoring" / Bytes(1),
)
_QSFP = Struct(
    Padding(22),
    "temperature" / Int16sb,
    Padding(89),
    "ends" / Int8ub,
    Padding(16),
    "connector" / Bytes(1),
    "compliance" / Bytes(8),
    "encoding" / Int8ub,
    "bit_rate" / Int8ub,
    Padding(5),
    "length" / Bytes(1),
    "technology" / Bytes(1),
    "vendor" / Bytes(16),
    Padding(4),
    "part_number" / Bytes(16),
    "revision" / Bytes(2),
    Padding(6),
    "extended_compliance" / Bytes(1),
    Padding(3),
    "serial" / Bytes(16),
    "date_code" / Bytes(8),
    Padding(2),
    "high_bit_rate" / Int8ub,
)
_CMIS = Struct(
    Padding(14),
    "temperature" / Int16sb,
    Padding(70),
    "applications" / Bytes(32),
    Padding(11),
    "vendor" / Bytes(16),
    Padding(3),
    "part_number" / Bytes(16),
    "revision" / Bytes(2),
    "serial" / Bytes(16),
    "date_code" / Bytes(8),
    Padding(12),
    "length" / Bytes(1),
    "connector" / Bytes(1),
)
_SFP_TEMPERATURE_AT = 256 + 96
_PAM4 = 8  # SFF-8024 rev 4.11, table 4-2
# Lines of 64b/66b and 8b/10b carry less than their symbols; what modules state of them is rounded.
_LANE_SPEEDS = ((100000, 100000), (50000, 50000), (24000, 25000), (9500, 10000), (3000, 2500), (1000, 1000))


def _sfp(memory: bytes) -> Transceiver:
    """SFF-8472 rev 12.4, table 4-1."""
    fields = _SFP.parse(memory)
    is_cable = bool(fields.compliance[5] & 0x0C)
    standard, speed = SFP_STANDARDS.get(fields.extended_compliance[0], (None, None))
    if standard is None:
        standard = _compliance(fields.compliance[0], _SFP_10G) or _compliance(fields.compliance[3], _SFP_1G)
    temperature = None
    # Digital diagnostics, calibrated by the module itself (table 8-5).
    if fields.monitoring[0] & 0x60 == 0x60 and len(memory) >= _SFP_TEMPERATURE_AT + 2:
        temperature = Int16sb.parse(memory[_SFP_TEMPERATURE_AT:])
    return Transceiver(
        type=TYPES[memory[0]],
        checksum_valid=_sum(memory, 0, 63) and _sum(memory, 64, 95),
        vendor=_text(fields.vendor),
        part_number=_text(fields.part_number),
        revision=_text(fields.revision),
        serial=_text(fields.serial),
        date_code=_text(fields.date_code),
        connector=CONNECTORS.get(fields.connector[0]),
        standard=standard,
        max_speed_mbps=speed or _sfp_speed(fields),
        cable_length_m=float(fields.length[0]) or None if is_cable else None,
        temperature_celsius=_celsius(temperature),
        readings=sfp_readings(memory),
    )


def _qsfp(memory: bytes) -> Transceiver:
    """SFF-8636 rev 2.10a, tables 6-1 and 6-14."""
    fields = _QSFP.parse(memory)
    is_copper = fields.technology[0] >> 4 >= 0xA
    extended = fields.extended_compliance[0] if fields.compliance[0] & 0x80 else 0
    standard, speed = QSFP_STANDARDS.get(extended, (None, None))
    return Transceiver(
        type=TYPES[memory[0]],
        checksum_valid=_sum(memory, 128, 191) and _sum(memory, 192, 223),
        vendor=_text(fields.vendor),
        part_number=_text(fields.part_number),
        revision=_text(fields.revision),
        serial=_text(fields.serial),
        date_code=_text(fields.date_code),
        connector=CONNECTORS.get(fields.connector[0]),
        standard=standard or _compliance(fields.compliance[0], _QSFP_40G),
        # A standard that is not in the table is not told by its symbols: one optical lane can carry all.
        max_speed_mbps=_of_this_end(speed or (None if extended else _qsfp_speed(fields)), fields),
        cable_length_m=float(fields.length[0]) or None
        if is_copper or fields.connector[0] == NO_SEPARABLE
        else None,
        temperature_celsius=_celsius(fields.temperature),
        readings=qsfp_readings(memory),
    )


def _cmis(memory: bytes) -> Transceiver:
    """CMIS 5.2, tables 8-5 and 8-24."""
    fields = _CMIS.parse(memory)
    length = fields.length[0]
    metres = (length & 0x3F) * (0.1, 1.0, 10.0, 100.0)[length >> 6]
    return Transceiver(
        type=TYPES[memory[0]],
        checksum_valid=_sum(memory, 128, 222),
        vendor=_text(fields.vendor),
        part_number=_text(fields.part_number),
        revision=_text(fields.revision),
        serial=_text(fields.serial),
        date_code=_text(fields.date_code),
        connector=CONNECTORS.get(fields.connector[0]),
        max_speed_mbps=_cmis_speed(fields.applications),
        cable_length_m=round(metres, 1) or None,
        temperature_celsius=_celsius(fields.temperature),
        readings=cmis_readings(memory),
    )


def _sfp_speed(fields: Container) -> int | None:
    """Mb/s of Ethernet, of a module that names no extended standard."""
    standards = (10000 if fields.compliance[0] & 0xF0 else 0, 1000 if fields.compliance[3] & 0x0F else 0)
    return max(*standards, _lane_speed(fields)) or None


def _qsfp_speed(fields: Container) -> int | None:
    lane = _lane_speed(fields)
    return max(40000 if fields.compliance[0] & 0x0F else 0, 4 * lane if lane >= 10000 else 0) or None


def _of_this_end(speed: int | None, fields: Container) -> int | None:
    """Of a cable that splits: it names the lanes, of four, that this end of it has not (byte 113)."""
    missing = (fields.ends & 0x0F).bit_count()
    is_split = fields.connector[0] == NO_SEPARABLE and 0 < missing < 4
    return speed * (4 - missing) // 4 if speed and is_split else speed


def _lane_speed(fields: Container) -> int:
    """Mb/s of Ethernet in a lane's symbols (in 100 MBd; above that scale in 250). Zero: not told."""
    megabaud = 250 * fields.high_bit_rate if fields.bit_rate == 0xFF else 100 * fields.bit_rate
    megabits = megabaud * (2 if fields.encoding == _PAM4 else 1)
    return next((speed for least, speed in _LANE_SPEEDS if megabits >= least), 0)


def _cmis_speed(applications: bytes) -> int | None:
    """Mb/s of the fastest application, of four bytes each; the first tells the host's side."""
    hosts = [host for host in applications[::4] if host not in (0, 0xFF)]
    ethernet = [host for host in hosts if host not in HOST_INTERFACES_OF_INFINIBAND]
    if not all(host in HOST_INTERFACES_MBPS for host in ethernet):
        return None  # the one that is not known may be the fastest
    return max((HOST_INTERFACES_MBPS[host] for host in ethernet), default=None)


def _sum(memory: bytes, start: int, at: int) -> bool:
    """Whether the byte ``at`` is the sum of those from ``start`` up to it."""
    return sum(memory[start:at]) & 0xFF == memory[at]


def _text(raw: bytes) -> str | None:
    text = raw.strip(b"\0 \xff").decode("latin-1").strip()
    return text if text and text.isascii() and text.isprintable() else None


def _celsius(raw: int | None) -> float | None:
    """1/256 °C. Zero is what a module without a sensor reads (a cable)."""
    return round(raw / 256, 1) if raw else None


def _compliance(code: int, names: Mapping[int, str]) -> str | None:
    return next((name for bit, name in names.items() if code >> bit & 1), None)


_SFP_10G = {4: "10GBASE-SR", 5: "10GBASE-LR", 6: "10GBASE-LRM", 7: "10GBASE-ER"}
_SFP_1G = {0: "1000BASE-SX", 1: "1000BASE-LX", 2: "1000BASE-CX", 3: "1000BASE-T"}
_QSFP_40G = {
    0: "40G active cable",
    1: "40GBASE-LR4",
    2: "40GBASE-SR4",
    3: "40GBASE-CR4",
    4: "10GBASE-SR",
    5: "10GBASE-LR",
    6: "10GBASE-LRM",
}
_MAPS: tuple[tuple[tuple[int, ...], int, Callable[[bytes], Transceiver]], ...] = (
    (SFP_IDENTIFIERS, 96, _sfp),
    (QSFP_IDENTIFIERS, 224, _qsfp),
    (CMIS_IDENTIFIERS, 223, _cmis),
)
