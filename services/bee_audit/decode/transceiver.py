"""What a pluggable transceiver or cable says of itself in its memory.

Three maps, told apart by the first byte: SFP (SFF-8472), QSFP (SFF-8636) and CMIS (QSFP-DD, OSFP and later).
The memory is flat here: the lower 128 bytes, then page 0; of an SFP the diagnostics follow from byte 256.
"""

from collections.abc import Callable, Mapping

from construct import Bytes, Int16sb, Padding, Struct

from bee_audit.decode import DecodeError
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
    Padding(7),
    "length" / Bytes(1),
    Padding(1),
    "vendor" / Bytes(16),
    "extended_compliance" / Bytes(1),
    Padding(3),
    "part_number" / Bytes(16),
    "revision" / Bytes(4),
    Padding(8),
    "serial" / Bytes(16),
    "date_code" / Bytes(8),
    "monitoring" / Bytes(1),
)
_QSFP = Struct(
    Padding(22),
    "temperature" / Int16sb,
    Padding(106),
    "connector" / Bytes(1),
    "compliance" / Bytes(8),
    Padding(7),
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
)
_CMIS = Struct(
    Padding(14),
    "temperature" / Int16sb,
    Padding(113),
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


def _sfp(memory: bytes) -> Transceiver:
    """SFF-8472 rev 12.4, table 4-1."""
    fields = _SFP.parse(memory)
    is_cable = bool(fields.compliance[5] & 0x0C)
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
        standard=EXTENDED_COMPLIANCE.get(fields.extended_compliance[0])
        or _compliance(fields.compliance[0], _SFP_10G)
        or _compliance(fields.compliance[3], _SFP_1G),
        cable_length_m=float(fields.length[0]) or None if is_cable else None,
        temperature_celsius=_celsius(temperature),
    )


def _qsfp(memory: bytes) -> Transceiver:
    """SFF-8636 rev 2.10a, tables 6-1 and 6-14."""
    fields = _QSFP.parse(memory)
    is_copper = fields.technology[0] >> 4 >= 0xA
    extended = bool(fields.compliance[0] & 0x80)
    return Transceiver(
        type=TYPES[memory[0]],
        checksum_valid=_sum(memory, 128, 191) and _sum(memory, 192, 223),
        vendor=_text(fields.vendor),
        part_number=_text(fields.part_number),
        revision=_text(fields.revision),
        serial=_text(fields.serial),
        date_code=_text(fields.date_code),
        connector=CONNECTORS.get(fields.connector[0]),
        standard=(EXTENDED_COMPLIANCE.get(fields.extended_compliance[0]) if extended else None)
        or _compliance(fields.compliance[0], _QSFP_40G),
        cable_length_m=float(fields.length[0]) or None
        if is_copper or fields.connector[0] == _NO_SEPARABLE
        else None,
        temperature_celsius=_celsius(fields.temperature),
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
        cable_length_m=round(metres, 1) or None,
        temperature_celsius=_celsius(fields.temperature),
    )


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


_NO_SEPARABLE = 0x23
# SFF-8024 rev 4.11, tables 4-1, 4-3 and 4-4.
TYPES = {
    0x03: "SFP",
    0x0B: "DWDM-SFP",
    0x0C: "QSFP",
    0x0D: "QSFP+",
    0x11: "QSFP28",
    0x18: "QSFP-DD",
    0x19: "OSFP",
    0x1A: "SFP-DD",
    0x1B: "DSFP",
    0x1E: "QSFP with CMIS",
    0x1F: "SFP-DD with CMIS",
    0x20: "SFP with CMIS",
    0x21: "OSFP-XD with CMIS",
}
CONNECTORS = {
    0x01: "SC",
    0x07: "LC",
    0x0B: "optical pigtail",
    0x0C: "MPO 1x12",
    0x0D: "MPO 2x16",
    0x21: "copper pigtail",
    0x22: "RJ45",
    _NO_SEPARABLE: "none, fixed cable",
    0x24: "MXC 2x16",
    0x25: "CS",
    0x26: "SN",
    0x27: "MPO 2x12",
    0x28: "MPO 1x16",
}
EXTENDED_COMPLIANCE = {
    0x01: "100G AOC",
    0x02: "100GBASE-SR4",
    0x03: "100GBASE-LR4",
    0x04: "100GBASE-ER4",
    0x05: "100GBASE-SR10",
    0x06: "100G CWDM4",
    0x07: "100G PSM4",
    0x08: "100G ACC",
    0x0B: "100GBASE-CR4 or 25GBASE-CR",
    0x0C: "25GBASE-CR CA-25G-S",
    0x0D: "25GBASE-CR CA-25G-N",
    0x10: "40GBASE-ER4",
    0x11: "4 x 10GBASE-SR",
    0x12: "40G PSM4",
    0x16: "10GBASE-T",
    0x18: "100G AOC",
    0x19: "100G ACC",
    0x1A: "100GE-DWDM2",
    0x1C: "10GBASE-T short reach",
    0x1D: "5GBASE-T",
    0x1E: "2.5GBASE-T",
    0x1F: "40G SWDM4",
    0x20: "100G SWDM4",
    0x21: "100G PAM4 BiDi",
    0x25: "100GBASE-DR",
    0x26: "100GBASE-FR1",
    0x27: "100GBASE-LR1",
    0x40: "50GBASE-CR, 100GBASE-CR2 or 200GBASE-CR4",
    0x41: "50GBASE-SR, 100GBASE-SR2 or 200GBASE-SR4",
    0x42: "50GBASE-FR or 200GBASE-DR4",
    0x43: "200GBASE-FR4",
    0x45: "50GBASE-LR",
    0x46: "200GBASE-LR4",
}
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
    ((0x03, 0x0B, 0x1A), 96, _sfp),
    ((0x0C, 0x0D, 0x11), 224, _qsfp),
    ((0x18, 0x19, 0x1B, 0x1E, 0x1F, 0x20, 0x21), 223, _cmis),
)
