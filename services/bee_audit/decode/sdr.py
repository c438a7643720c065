"""Sensor data records: what sensors, FRU devices and controllers a BMC says the machine has.

IPMI 2.0 rev 1.1, chapter 43. Byte numbers in the standard count from 1 and include the header of five bytes.
"""

import msgspec
from construct import Bytes, Int8ub, Struct

from bee_audit.decode import DecodeError
from bee_audit.decode.sdr_common import Owner, id_text, need
from bee_audit.decode.sdr_sensors import (
    THRESHOLDS,
    SensorRecord,
    decode_compact,
    decode_event_only,
    decode_full,
)

__all__ = [
    "HEADER_BYTES",
    "THRESHOLDS",
    "ControllerLocator",
    "FruLocator",
    "Owner",
    "SdrRecord",
    "SensorRecord",
    "decode_sdr",
    "record_length",
]

HEADER_BYTES = 5


class FruLocator(msgspec.Struct, frozen=True, kw_only=True):
    """§43.8. ``is_inventory``: whether FRU images as of `decode.fru` are behind it."""

    record_id: int
    owner: Owner
    fru_id: int
    is_inventory: bool
    entity_id: int
    entity_instance: int
    name: str


class ControllerLocator(msgspec.Struct, frozen=True, kw_only=True):
    """§43.9: a management controller."""

    record_id: int
    owner: Owner
    entity_id: int
    entity_instance: int
    name: str


SdrRecord = SensorRecord | FruLocator | ControllerLocator


def record_length(header: bytes) -> int:
    """The length of the record that begins with these five bytes, header included."""
    return HEADER_BYTES + header[4]


def decode_sdr(data: bytes) -> tuple[SdrRecord, ...]:
    """The record; several when sensors share one, none for a type that says nothing of parts (OEM, entities).

    Raises DecodeError.
    """
    if len(data) < HEADER_BYTES:
        raise DecodeError(f"a sensor data record of {len(data)} bytes has no header")
    record_id, kind = int.from_bytes(data[:2], "little"), data[3]
    body = data[HEADER_BYTES : record_length(data)]
    if kind == _FULL:
        return (decode_full(record_id, body),)
    if kind == _COMPACT:
        return decode_compact(record_id, body)
    if kind == _EVENT_ONLY:
        return decode_event_only(record_id, body)
    if kind == _FRU_LOCATOR:
        return (_fru_locator(record_id, body),)
    if kind == _CONTROLLER_LOCATOR:
        return (_controller_locator(record_id, body),)
    return ()


_FULL, _COMPACT, _EVENT_ONLY, _FRU_LOCATOR, _CONTROLLER_LOCATOR = 0x01, 0x02, 0x03, 0x11, 0x12

_FRU_LOCATOR_HEAD = Struct(
    "address" / Int8ub,
    "fru_id" / Int8ub,
    "access" / Int8ub,
    "channel" / Int8ub,
    "reserved" / Int8ub,
    "device_type" / Int8ub,
    "device_type_modifier" / Int8ub,
    "entity_id" / Int8ub,
    "entity_instance" / Int8ub,
    "oem" / Int8ub,
)
_CONTROLLER_LOCATOR_HEAD = Struct(
    "address" / Int8ub,
    "channel" / Int8ub,
    "initialization" / Int8ub,
    "capabilities" / Int8ub,
    "reserved" / Bytes(3),
    "entity_id" / Int8ub,
    "entity_instance" / Int8ub,
    "oem" / Int8ub,
)
_LOCATOR_BYTES = 10
_LOGICAL = 0x80
_FRU_DEVICE_TYPES = range(0x08, 0x11)  # EEPROMs and "FRU device" (table 43-12)
_INVENTORY_MODIFIERS = (0x00, 0x02)  # the others are memory SPD and processor cartridges


def _fru_locator(record_id: int, body: bytes) -> FruLocator:
    need(record_id, "FRU locator", body, _LOCATOR_BYTES)
    head = _FRU_LOCATOR_HEAD.parse(body)
    return FruLocator(
        record_id=record_id,
        owner=Owner(head.address & 0xFE, head.channel >> 4, head.access >> 3 & 0x03),
        fru_id=head.fru_id,
        is_inventory=bool(head.access & _LOGICAL)
        and head.device_type in _FRU_DEVICE_TYPES
        and head.device_type_modifier in _INVENTORY_MODIFIERS,
        entity_id=head.entity_id,
        entity_instance=head.entity_instance & 0x7F,
        name=id_text(body, _LOCATOR_BYTES),
    )


def _controller_locator(record_id: int, body: bytes) -> ControllerLocator:
    need(record_id, "controller locator", body, _LOCATOR_BYTES)
    head = _CONTROLLER_LOCATOR_HEAD.parse(body)
    return ControllerLocator(
        record_id=record_id,
        owner=Owner(head.address & 0xFE, head.channel & 0x0F, 0),
        entity_id=head.entity_id,
        entity_instance=head.entity_instance & 0x7F,
        name=id_text(body, _LOCATOR_BYTES),
    )
