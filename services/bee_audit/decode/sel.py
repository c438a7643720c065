"""The system event log's records (IPMI 2.0 rev 1.1, chapters 31, 32 and 29.7)."""

from datetime import UTC, datetime

import msgspec
from construct import Int8ub, Int16ul, Int32ul, Struct

from bee_audit.decode import DecodeError
from bee_audit.decode.sdr import Owner

RECORD_BYTES = 16
# What event data 2 and 3 are (§29.7): the reading and the limit that it crossed, or the state before; bytes
# of the maker's; the extension that table 42-3 has for the sensor's type.
READING, MAKERS_OWN, OF_THE_TYPE = 1, 2, 3


class SelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Get SEL Info (§31.2). ``free_bytes`` of 65535 stands for that or more. Times are seconds since 1970."""

    entry_count: int
    free_bytes: int
    has_overflowed: bool
    last_added: int | None
    last_erased: int | None


class SelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One record. ``timestamp`` is None when the BMC's clock was not set or the record has none.

    Standard records have an owner and the fields after it, those of vendors only ``oem``: their bytes.
    """

    record_id: int
    timestamp: int | None = None
    owner: Owner | None = None
    sensor_type: int = 0
    sensor_number: int = 0
    event_type: int = 0
    asserted: bool = True
    offset: int = 0
    data: tuple[int | None, int | None] = (None, None)  # event data 2 and 3, None where unspecified
    codes: tuple[int, int] = (0, 0)  # whose meaning they have: one of READING, MAKERS_OWN and OF_THE_TYPE
    oem: str | None = None

    @property
    def is_standard(self) -> bool:
        return self.owner is not None

    @property
    def sensor(self) -> tuple[Owner, int]:
        """Which sensor: its owner, whose LUN extends the 255 numbers, and its number there."""
        assert self.owner is not None
        return self.owner, self.sensor_number


def decode_sel_info(answer: bytes) -> SelInfo:
    """Raises DecodeError."""
    if len(answer) < _INFO.sizeof():
        raise DecodeError(f"{len(answer)} bytes of event log info, {_INFO.sizeof()} expected")
    info = _INFO.parse(answer)
    return SelInfo(
        entry_count=info.entry_count,
        free_bytes=info.free_bytes,
        has_overflowed=bool(info.support & 0x80),
        last_added=_time(info.last_added),
        last_erased=_time(info.last_erased),
    )


def decode_sel_entry(data: bytes) -> SelEntry:
    """Raises DecodeError."""
    if len(data) < RECORD_BYTES:
        raise DecodeError(f"an event record of {len(data)} bytes, {RECORD_BYTES} expected")
    record_id, kind = int.from_bytes(data[:2], "little"), data[2]
    if kind >= _OEM_WITHOUT_TIME:
        return SelEntry(record_id=record_id, oem=data[3:RECORD_BYTES].hex())
    timestamp = _time(int.from_bytes(data[3:7], "little"))
    if kind >= _OEM:
        return SelEntry(record_id=record_id, timestamp=timestamp, oem=data[7:RECORD_BYTES].hex())
    event = _EVENT.parse(data[7:RECORD_BYTES])
    # Event data 1, bits 7:6 and 5:4: what bytes 2 and 3 hold (§29.7); 0 is unspecified.
    second, third = event.data1 >> 6, event.data1 >> 4 & 0x03
    return SelEntry(
        record_id=record_id,
        timestamp=timestamp,
        owner=Owner(event.generator, event.generator_lun >> 4, event.generator_lun & 0x03),
        sensor_type=event.sensor_type,
        sensor_number=event.sensor_number,
        event_type=event.direction_and_type & 0x7F,
        asserted=not event.direction_and_type & 0x80,
        offset=event.data1 & 0x0F,
        data=(event.data2 if second else None, event.data3 if third else None),
        codes=(second, third),
    )


def decode_time(answer: bytes) -> int | None:
    """Get SEL Time (§31.10): the BMC's clock, None when it is not set. Raises DecodeError."""
    if len(answer) < 4:
        raise DecodeError(f"{len(answer)} bytes of time, 4 expected")
    return _time(int.from_bytes(answer[:4], "little"))


def time_text(timestamp: int | None) -> str | None:
    """ "2026-03-05T08:30:00", by the BMC's own clock: it does not say in which time zone."""
    if timestamp is None:
        return None
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None).isoformat()


_INFO = Struct(
    "version" / Int8ub,
    "entry_count" / Int16ul,
    "free_bytes" / Int16ul,
    "last_added" / Int32ul,
    "last_erased" / Int32ul,
    "support" / Int8ub,
)
_EVENT = Struct(
    "generator" / Int8ub,
    "generator_lun" / Int8ub,
    "revision" / Int8ub,
    "sensor_type" / Int8ub,
    "sensor_number" / Int8ub,
    "direction_and_type" / Int8ub,
    "data1" / Int8ub,
    "data2" / Int8ub,
    "data3" / Int8ub,
)
_OEM, _OEM_WITHOUT_TIME = 0xC0, 0xE0  # record types from there on (table 32-1)
# Below 20000000h stand seconds since the BMC started (chapter 37). Clocks that start at 2000 until somebody
# sets them are past that; no BMC by this specification, of 2004, logged anything before it.
_CLOCK_SET, _UNSPECIFIED = int(datetime(2005, 1, 1, tzinfo=UTC).timestamp()), 0xFFFFFFFF


def _time(value: int) -> int | None:
    return None if value < _CLOCK_SET or value == _UNSPECIFIED else value
