"""Serial presence detect: what a DDR4 or DDR5 module says of itself (JEDEC 21-C Annex L, JESD400-5)."""

import binascii
from typing import Any

from construct import Bytes, Int8ub, Int8ul, Int16ul, Padding, Struct

from bee_audit.decode import DecodeError
from bee_audit.decode.jedec import maker
from bee_bus.documents.memory import Spd

DDR4, DDR5 = 0x0C, 0x12


_MANUFACTURING_4 = Struct(
    "maker" / Bytes(2),
    "location" / Int8ul,
    "year" / Int8ul,
    "week" / Int8ul,
    "serial" / Bytes(4),
    "part_number" / Bytes(20),
    "revision" / Int8ul,
    "dram_maker" / Bytes(2),
)
_DDR4 = Struct(
    Padding(3),
    "module_type" / Int8ul,
    "density" / Int8ul,
    Padding(1),
    "package" / Int8ul,
    Padding(5),
    "organization" / Int8ul,
    "bus_width" / Int8ul,
    Padding(4),
    "cycle_time" / Int8ul,  # in units of 125 ps
    Padding(106),
    "cycle_time_fine" / Int8ub,  # signed, ps
    "crc" / Int16ul,
    Padding(126),
    "module_crc" / Int16ul,
    Padding(64),
    "manufacturing" / _MANUFACTURING_4,
)
_MANUFACTURING_5 = Struct(
    "maker" / Bytes(2),
    "location" / Int8ul,
    "year" / Int8ul,
    "week" / Int8ul,
    "serial" / Bytes(4),
    "part_number" / Bytes(30),
    "revision" / Int8ul,
    "dram_maker" / Bytes(2),
)
_DDR5 = Struct(
    Padding(3),
    "module_type" / Int8ul,
    "density" / Int8ul,
    Padding(1),
    "io_width" / Int8ul,
    Padding(13),
    "cycle_time" / Int16ul,  # ps
    Padding(212),
    "organization" / Int8ul,
    "bus_width" / Int8ul,
    Padding(274),
    "crc" / Int16ul,
    "manufacturing" / _MANUFACTURING_5,
)

_MODULE_DDR4 = {
    1: "RDIMM",
    2: "UDIMM",
    3: "SO-DIMM",
    4: "LRDIMM",
    5: "Mini-RDIMM",
    6: "Mini-UDIMM",
    8: "72b-SO-RDIMM",
    9: "72b-SO-UDIMM",
    12: "16b-SO-DIMM",
    13: "32b-SO-DIMM",
}
_MODULE_DDR5 = {
    1: "RDIMM",
    2: "UDIMM",
    3: "SO-DIMM",
    4: "LRDIMM",
    5: "CUDIMM",
    6: "CSODIMM",
    7: "MRDIMM",
    8: "CAMM2",
    10: "DDIMM",
    11: "Solder down",
}
_GIBIT = 1 << 30
# Bits per die: Annex L byte 4, JESD400-5 byte 4.
_DENSITY_DDR4 = {
    2: _GIBIT,
    3: 2 * _GIBIT,
    4: 4 * _GIBIT,
    5: 8 * _GIBIT,
    6: 16 * _GIBIT,
    7: 32 * _GIBIT,
    8: 12 * _GIBIT,
    9: 24 * _GIBIT,
}
_DENSITY_DDR5 = {
    1: 4 * _GIBIT,
    2: 8 * _GIBIT,
    3: 12 * _GIBIT,
    4: 16 * _GIBIT,
    5: 24 * _GIBIT,
    6: 32 * _GIBIT,
    7: 48 * _GIBIT,
    8: 64 * _GIBIT,
}
_DIES_DDR5 = {0: 1, 2: 2, 3: 4, 4: 8, 5: 16}
# A cycle time is rounded to picoseconds, so the rate is the nearest of those that JEDEC names.
_RATES_DDR4 = (1600, 1866, 2133, 2400, 2666, 2933, 3200)
_STEP_DDR5 = 200


def decode_spd(data: bytes) -> Spd:
    """Decode the EEPROM of a DDR4 or DDR5 module. Raises DecodeError for anything else."""
    kind = data[2] if len(data) > 2 else None
    if kind == DDR4 and len(data) >= _DDR4.sizeof():
        return _decode_ddr4(data)
    if kind == DDR5 and len(data) >= _DDR5.sizeof():
        return _decode_ddr5(data)
    if kind in (DDR4, DDR5):
        raise DecodeError(f"SPD of {len(data)} bytes is cut off")
    raise DecodeError(f"SPD of {len(data)} bytes is not of a DDR4 or DDR5 module")


def _decode_ddr4(data: bytes) -> Spd:
    spd = _DDR4.parse(data)
    ranks = (spd.organization >> 3 & 7) + 1
    width = 4 << (spd.organization & 7)
    stacked = spd.package & 0x83 == 0x82  # 3DS: every die is a rank of its own
    logical_ranks = ranks * ((spd.package >> 4 & 7) + 1 if stacked else 1)
    bus = 8 << (spd.bus_width & 7)
    density = _DENSITY_DDR4.get(spd.density & 0x0F)
    fine = spd.cycle_time_fine - 256 if spd.cycle_time_fine > 127 else spd.cycle_time_fine
    valid = _crc(data[:126]) == spd.crc and _crc(data[128:254]) == spd.module_crc
    return Spd(
        memory_type="DDR4",
        module_type=_MODULE_DDR4.get(spd.module_type & 0x0F),
        size_bytes=density // 8 * bus // width * logical_ranks if density else None,
        ranks=ranks,
        device_width_bits=width,
        ecc=bool(spd.bus_width >> 3 & 3),
        rated_speed_mts=_ddr4_rate(spd.cycle_time * 125 + fine),
        **_manufacturing(spd.manufacturing),
        checksum_valid=valid,
    )


def _decode_ddr5(data: bytes) -> Spd:
    spd = _DDR5.parse(data)
    ranks = (spd.organization >> 3 & 7) + 1
    width = 4 << (spd.io_width >> 5)
    bus = 8 << (spd.bus_width & 7)
    channels = (spd.bus_width >> 5 & 3) + 1
    density = _DENSITY_DDR5.get(spd.density & 0x1F)
    dies = _DIES_DDR5.get(spd.density >> 5)
    asymmetric = (
        spd.organization & 0x40
    )  # its even and odd ranks differ, so one of them does not tell the size
    known = density and dies and not asymmetric
    return Spd(
        memory_type="DDR5",
        module_type=_MODULE_DDR5.get(spd.module_type & 0x0F),
        size_bytes=channels * bus // width * dies * density // 8 * ranks if known else None,
        ranks=ranks,
        device_width_bits=width,
        ecc=bool(spd.bus_width >> 3 & 3),
        rated_speed_mts=_ddr5_rate(spd.cycle_time),
        **_manufacturing(spd.manufacturing),
        checksum_valid=_crc(data[:510]) == spd.crc,
    )


def _crc(data: bytes) -> int:
    """CRC-16 with polynomial 0x1021 from zero (Annex L §8.1.54, JESD400-5 §8.7)."""
    return binascii.crc_hqx(data, 0)


def _ddr4_rate(cycle_picoseconds: int) -> int | None:
    if cycle_picoseconds <= 0:
        return None
    rate = 2_000_000 / cycle_picoseconds
    nearest = min(_RATES_DDR4, key=lambda named: abs(named - rate))
    return nearest if abs(nearest - rate) < nearest / 100 else round(rate)


def _ddr5_rate(cycle_picoseconds: int) -> int | None:
    if not cycle_picoseconds:
        return None
    rate = 2_000_000 / cycle_picoseconds
    nearest = round(rate / _STEP_DDR5) * _STEP_DDR5
    return nearest if abs(nearest - rate) < nearest / 100 else round(rate)


def _manufacturing(made: Any) -> dict[str, str | None]:
    serial: bytes = made.serial
    part = made.part_number.decode("ascii", "replace").replace("\N{REPLACEMENT CHARACTER}", " ")
    text = "".join(char if char.isprintable() else " " for char in part).strip()
    return {
        "vendor": maker(*made.maker),
        "dram_vendor": maker(*made.dram_maker),
        "part_number": text or None,
        "serial": None if serial in (b"\0" * 4, b"\xff" * 4) else serial.hex().upper(),
        "manufactured": _week(made.year, made.week),
    }


def _week(year: int, week: int) -> str | None:
    """Both are two decimal digits, one per nibble."""
    digits = f"{year:02x}{week:02x}"
    if not digits.isdecimal() or not 1 <= int(digits[2:]) <= 53:
        return None
    return f"20{digits[:2]}-W{digits[2:]}"
