"""The multirecord area of a FRU image (FRU Information Storage Definition 1.0 rev 1.3, chapters 16 to 18)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from construct import Int8ub, Int16sl, Int16ul, Int24ul, Struct

from bee_audit.decode.ipmi_text import clean
from bee_bus.documents.base import Document

Fact = str | int | float | bool
POWER_SUPPLY, DC_OUTPUT, DC_LOAD, MANAGEMENT_ACCESS = 0x00, 0x01, 0x02, 0x03


class FruRecord(Document):
    """One record. ``facts``: its content in units of its names; ``hex`` where the standard defines none."""

    type_code: int
    type_name: str
    format_version: int
    checksum_valid: bool
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    hex: str | None = None


def decode_records(data: bytes, offset: int) -> tuple[tuple[FruRecord, ...], int, tuple[str, ...]]:
    """The records from ``offset`` on, where they end, and what is damaged. Each takes five bytes at least."""
    records: list[FruRecord] = []
    defects: list[str] = []
    position = offset
    while True:
        name = f"multirecord {len(records) + 1}"
        raw = data[position : position + _HEADER_BYTES]
        if len(raw) < _HEADER_BYTES:
            # Behind a whole record the memory may end, as it may be blank there; else something is cut off.
            if not records or (raw.strip(b"\0") and raw.strip(b"\xff")):
                defects.append(f"{name} lies past the end of the data")
            break
        if raw in _BLANK:
            break
        if sum(raw) & 0xFF:
            # Its length cannot be trusted, and with it nothing that follows.
            defects.append(f"the header checksum of {name} is wrong")
            break
        header = _HEADER.parse(raw)
        start = position + len(raw)
        content = data[start : start + header.length]
        position = start + len(content)
        complete = len(content) == header.length
        valid = complete and _sums_up(header, content)
        if not complete:
            defects.append(f"{name} states {header.length} bytes, {len(content)} are there")
        elif not valid:
            defects.append(f"the checksum of {name} is wrong")
        records.append(_record(header, content, valid))
        if header.flags & _END_OF_LIST or not complete:
            break
    return tuple(records), position, tuple(defects)


def _sums_up(header: Any, content: bytes) -> bool:
    """The checksum holds. Dell appends bytes to a power supply's record that its checksum leaves out."""
    parts = [content]
    if header.type_code == POWER_SUPPLY:
        parts.append(content[: _POWER_SUPPLY.sizeof()])
    return any((sum(part) + header.checksum) & 0xFF == 0 for part in parts)


def _record(header: Any, content: bytes, valid: bool) -> FruRecord:
    decoder = _oem if header.type_code >= _OEM else _DECODERS.get(header.type_code)
    facts = decoder(content) if decoder else {}
    return FruRecord(
        type_code=header.type_code,
        type_name="OEM" if header.type_code >= _OEM else _TYPE_NAMES.get(header.type_code, "reserved"),
        format_version=header.flags & 0x0F,
        checksum_valid=valid,
        facts=facts,
        hex=None if facts and header.type_code < _OEM else content.hex(),
    )


def records_end(data: bytes, offset: int) -> int:
    """Where the records end as far as ``data`` tells: the end of the last one, or of the next header."""
    position = offset
    while True:
        raw = data[position : position + _HEADER_BYTES]
        if len(raw) < _HEADER_BYTES:
            return position + _HEADER_BYTES
        if raw in _BLANK or sum(raw) & 0xFF:
            return position + len(raw)
        header = _HEADER.parse(raw)
        position += len(raw) + int(header.length)
        if header.flags & _END_OF_LIST:
            return position


_END_OF_LIST = 0x80
_OEM = 0xC0
_HEADER = Struct(
    "type_code" / Int8ub, "flags" / Int8ub, "length" / Int8ub, "checksum" / Int8ub, "header_checksum" / Int8ub
)
_HEADER_BYTES = 5
_BLANK = (bytes(_HEADER_BYTES), b"\xff" * _HEADER_BYTES)  # nobody wrote records there, or any more of them
_TYPE_NAMES = {
    0x00: "power supply information",
    0x01: "DC output",
    0x02: "DC load",
    0x03: "management access",
    0x04: "base compatibility",
    0x05: "extended compatibility",
    0x06: "ASF fixed SMBus device",
    0x07: "ASF legacy-device alerts",
    0x08: "ASF remote control",
    0x09: "extended DC output",
    0x0A: "extended DC load",
}


_POWER_SUPPLY = Struct(
    "capacity_watts" / Int16ul,
    "peak_va" / Int16ul,
    "inrush_amps" / Int8ub,
    "inrush_milliseconds" / Int8ub,
    "input_1_low" / Int16ul,
    "input_1_high" / Int16ul,
    "input_2_low" / Int16ul,
    "input_2_high" / Int16ul,
    "frequency_low_hertz" / Int8ub,
    "frequency_high_hertz" / Int8ub,
    "dropout_milliseconds" / Int8ub,
    "flags" / Int8ub,
    "peak" / Int16ul,
    "combined_voltages" / Int8ub,
    "combined_watts" / Int16ul,
    "predictive_fail_limit" / Int8ub,
)
_OUTPUT_VOLTS = {0: 12.0, 1: -12.0, 2: 5.0, 3: 3.3}


def _power_supply(content: bytes) -> dict[str, Fact]:
    """Chapter 18.1. Voltages stand in units of 10 mV."""
    if len(content) < _POWER_SUPPLY.sizeof():
        return {}
    record = _POWER_SUPPLY.parse(content)
    facts: dict[str, Fact] = {}
    # The definition keeps twelve bits for it; supplies of more than 4095 W use the reserved ones.
    if record.capacity_watts not in (0, 0xFFFF):
        facts["capacity_watts"] = record.capacity_watts
    if record.peak_va not in (0, 0xFFFF):
        facts["peak_va"] = record.peak_va
    if record.inrush_amps != 0xFF:  # unspecified
        facts["inrush_amps"] = record.inrush_amps
        facts["inrush_milliseconds"] = record.inrush_milliseconds
    for name in ("input_1", "input_2"):
        if record[f"{name}_high"]:
            facts[f"{name}_low_volts"] = _input_volts(record[f"{name}_low"])
            facts[f"{name}_high_volts"] = _input_volts(record[f"{name}_high"])
    if record.frequency_high_hertz:  # 0: DC input
        facts["frequency_low_hertz"] = record.frequency_low_hertz
        facts["frequency_high_hertz"] = record.frequency_high_hertz
    facts["dropout_milliseconds"] = record.dropout_milliseconds
    facts["predictive_fail"] = bool(record.flags & 0x01)
    facts["power_factor_correction"] = bool(record.flags & 0x02)
    facts["autoswitch"] = bool(record.flags & 0x04)
    facts["hot_swap"] = bool(record.flags & 0x08)
    if record.peak & 0x0FFF and record.peak != 0xFFFF:
        facts["peak_watts"] = record.peak & 0x0FFF
        facts["hold_up_seconds"] = record.peak >> 12
    if record.combined_watts not in (0, 0xFFFF):
        facts["combined_watts"] = record.combined_watts
        for name, code in (("1", record.combined_voltages >> 4), ("2", record.combined_voltages & 0x0F)):
            if code in _OUTPUT_VOLTS:
                facts[f"combined_voltage_{name}_volts"] = _OUTPUT_VOLTS[code]
    if record.flags & 0x01 and record.predictive_fail_limit:
        facts["predictive_fail_revolutions_per_second"] = record.predictive_fail_limit
    return facts


def _input_volts(raw: int) -> float:
    """Both -48 V of telephone exchanges and 380 V of direct current are fed to supplies, and 16 bits of 10 mV
    hold the second only without a sign. No supply is fed less than -100 V.
    """
    signed = raw - 0x10000
    return (signed if signed >= -100 * 100 else raw) / 100


_DC = Struct(
    "flags" / Int8ub,
    "nominal" / Int16sl,
    "low" / Int16sl,
    "high" / Int16sl,
    "ripple_millivolts" / Int16ul,
    "current_low" / Int16ul,
    "current_high" / Int16ul,
)


def _dc(low_name: str, high_name: str, *, extended: bool) -> Callable[[bytes], dict[str, Fact]]:
    """Chapters 18.2 to 18.3a: alike but for the meaning of two voltages and the unit of current."""

    def decode(content: bytes) -> dict[str, Fact]:
        if len(content) < _DC.sizeof():
            return {}
        record = _DC.parse(content)
        # The extended records state their unit of current in bit 7 of a load, bit 4 of an output.
        coarse = extended and bool(record.flags & (0x10 if low_name == "deviation_low" else 0x80))
        milliamps = 100 if coarse else 10 if extended else 1
        facts: dict[str, Fact] = {"output_number": record.flags & 0x0F}
        if low_name == "deviation_low":
            facts["standby"] = bool(record.flags & 0x80)
        facts["nominal_volts"] = record.nominal / 100
        facts[f"{low_name}_volts"] = record.low / 100
        facts[f"{high_name}_volts"] = record.high / 100
        facts["ripple_millivolts"] = record.ripple_millivolts
        facts["current_low_amps"] = record.current_low * milliamps / 1000
        facts["current_high_amps"] = record.current_high * milliamps / 1000
        return facts

    return decode


_ACCESS_TYPES = {
    0x01: "system_management_url",
    0x02: "system_name",
    0x03: "system_ping_address",
    0x04: "component_management_url",
    0x05: "component_name",
    0x06: "component_ping_address",
    0x07: "system_unique_id",
}
_UNIQUE_ID = 0x07


def _management_access(content: bytes) -> dict[str, Fact]:
    """Chapter 18.4."""
    if len(content) < 2 or content[0] not in _ACCESS_TYPES:
        return {}
    body = content[1:]
    if content[0] == _UNIQUE_ID:
        return {_ACCESS_TYPES[_UNIQUE_ID]: str(UUID(bytes=body))} if len(body) == 16 else {}
    return {_ACCESS_TYPES[content[0]]: clean(body.decode("latin-1"))}


_COMPATIBILITY = Struct(
    "manufacturer_id" / Int24ul,
    "entity_id" / Int8ub,
    "compatibility_base" / Int8ub,
    "code_start" / Int8ub,
)


def _compatibility(content: bytes) -> dict[str, Fact]:
    """Chapters 18.5 and 18.6."""
    if len(content) < _COMPATIBILITY.sizeof():
        return {}
    record = _COMPATIBILITY.parse(content)
    return {
        "manufacturer_id": record.manufacturer_id,
        "entity_id": record.entity_id,
        "compatibility_base": record.compatibility_base,
        "code_start": record.code_start & 0x7F,
        "code_mask": content[_COMPATIBILITY.sizeof() :].hex(),
    }


def _oem(content: bytes) -> dict[str, Fact]:
    """Chapter 18.7."""
    return {"manufacturer_id": Int24ul.parse(content)} if len(content) >= 3 else {}


_DECODERS: dict[int, Callable[[bytes], dict[str, Fact]]] = {
    0x00: _power_supply,
    0x01: _dc("deviation_low", "deviation_high", extended=False),
    0x02: _dc("voltage_low", "voltage_high", extended=False),
    0x03: _management_access,
    0x04: _compatibility,
    0x05: _compatibility,
    0x09: _dc("deviation_low", "deviation_high", extended=True),
    0x0A: _dc("voltage_low", "voltage_high", extended=True),
}
