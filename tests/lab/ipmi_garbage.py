"""Bytes that claim to be FRU images, sensor, reading and event records, and what must hold of them."""

import json

import msgspec
from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.fru import decode_fru, decode_fru_file, fru_extent
from bee_audit.decode.sdr import SensorRecord, decode_sdr
from bee_audit.decode.sel import decode_sel_entry
from bee_audit.decode.sel_details import detail
from bee_audit.decode.sensor_reading import decode_limits, decode_reading
from lab import fru_fields as made
from lab.hardware import bmc
from lab.sdr import encode

_PRODUCT = made.product(0, *map(made.latin, ("ACME", "Server", "PN", "1.2", "SN-1", "tag", "f.bin", "more")))
_WHOLE_FRU = made.image(
    internal_use=b"\x01private",
    chassis=made.chassis(0x17, made.six_bit("PART-1"), made.bcd_plus("12-34")),
    board=made.board(0x2C, 12345, made.wide("会社"), made.wide("製品"), made.latin("SN"), made.latin("PN")),
    product=_PRODUCT,
    records=made.record(0x00, bytes(range(24))) + made.record(0xC0, b"\x01\x02\x03\x04", last=True),
)
_RECORDS = [encode(record, 1) for record in (*bmc().locators, *bmc().sensors)]


def _damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some of them changed, and cut or continued."""
    changes = st.dictionaries(st.integers(0, len(whole) - 1), st.integers(0, 255), max_size=8)

    def apply(changed: dict[int, int], end: int, tail: bytes) -> bytes:
        data = bytearray(whole)
        for position, byte in changed.items():
            data[position] = byte
        return bytes(data[:end]) + tail

    return st.builds(apply, changes, st.integers(0, len(whole)), st.binary(max_size=64))


# A header with its checksum right, so that what follows is looked at.
_headed = st.builds(
    lambda offsets, body: (head := b"\x01" + offsets + b"\0") + made.checksum(head) + body,
    st.binary(min_size=5, max_size=5),
    st.binary(max_size=2048),
)
fru_images = st.one_of(st.binary(max_size=512), _headed, _damaged(_WHOLE_FRU), _damaged(_PRODUCT))
sensor_records = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(_RECORDS).flatmap(_damaged),
    st.builds(
        lambda kind, body: b"\x01\0\x51" + bytes((kind, len(body))) + body,
        st.sampled_from([0x01, 0x02, 0x03, 0x08, 0x11, 0x12, 0xC0]),
        st.binary(max_size=70),
    ),
)
answers = st.binary(max_size=10)
event_records = st.binary(max_size=20)


def check_fru(data: bytes) -> None:
    """A document or a DecodeError, and never more to read than there is."""
    assert 0 <= fru_extent(data, len(data)) <= len(data)
    try:
        fru = decode_fru(data)
    except DecodeError:
        return
    facts = decode_fru_file(data)
    assert len(json.dumps(facts)) < 60 * len(data) + 10_000
    assert msgspec.json.decode(msgspec.json.encode(fru), type=type(fru)) == fru
    assert len(fru.defects) + len(fru.remarks) <= len(data)


def check_sensor(record: bytes, reading: bytes, limits: bytes, event: bytes) -> None:
    try:
        found = decode_sdr(record)
    except DecodeError:
        return
    assert len(found) <= 15
    sensor = next((one for one in found if isinstance(one, SensorRecord)), None)
    if sensor is None:
        return
    try:
        decode_reading(sensor, reading)
        decode_limits(limits)
        detail(decode_sel_entry(event), sensor)
    except DecodeError:
        pass
    if sensor.scale is not None:
        for raw in range(256):
            value = sensor.scale.value(raw)
            assert value is None or abs(value) < float("inf")
