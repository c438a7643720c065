"""Transceivers and cables tell what they are; a memory that is damaged or empty is not believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.ethtool import (
    decode_driver_info,
    decode_link_settings,
    decode_module_eeprom,
    decode_module_info,
    decode_permanent_address,
    mask_words,
)
from bee_audit.decode.transceiver import decode_transceiver
from lab.ethtool import osfp, osfp_pages, qsfp28, sfp, with_page_3


def test_a_copper_cable_tells_its_length_and_standard() -> None:
    cable = decode_transceiver(qsfp28(serial="MT2128VB01234"))
    assert (cable.type, cable.vendor, cable.part_number) == ("QSFP28", "Mellanox", "MCP1600-C003E30L")
    assert (cable.serial, cable.cable_length_m, cable.revision) == ("MT2128VB01234", 3.0, "A5")
    assert cable.standard == "100GBASE-CR4 or 25GBASE-CR" and cable.checksum_valid
    assert cable.temperature_celsius is None


def test_an_optical_transceiver_tells_its_temperature_and_has_no_length() -> None:
    optics = decode_transceiver(sfp(temperature=-4.5))
    assert (optics.type, optics.connector, optics.standard) == ("SFP", "LC", "10GBASE-SR")
    assert optics.temperature_celsius == -4.5 and optics.cable_length_m is None and optics.checksum_valid


def test_a_module_of_the_newest_kind_is_read_too() -> None:
    cable = decode_transceiver(osfp())
    assert (cable.type, cable.serial, cable.cable_length_m) == ("OSFP", "MT2315FT00001", 10.0)
    assert cable.temperature_celsius == 41.0 and cable.checksum_valid


@pytest.mark.parametrize(
    ("module", "standard", "speed"),
    [
        (sfp(), "10GBASE-SR", 10000),
        (sfp(standard=0x02, bit_rate=(0xFF, 0x67)), "25GBASE-SR", 25000),
        (sfp(standard=0x0B, ten_gigabit=0, bit_rate=(0x67, 0)), "25GBASE-CR CA-25G-L", 25000),
        (sfp(ten_gigabit=0, bit_rate=(0xFF, 0x67)), None, 25000),
        (sfp(ten_gigabit=0, bit_rate=(0xFF, 0x6A), encoding=8), None, 50000),
        (sfp(ten_gigabit=0, bit_rate=(0x67, 0)), None, 10000),
        (sfp(ten_gigabit=0, bit_rate=(0x0D, 0)), None, 1000),
        (sfp(standard=0x16, ten_gigabit=0, bit_rate=(0x67, 0), connector=0x22), "10GBASE-T", 10000),
        (sfp(ten_gigabit=0, bit_rate=(0, 0)), None, None),
        (qsfp28(), "100GBASE-CR4 or 25GBASE-CR", 100000),
        (qsfp28(standard=0x25, bit_rate=(0xFF, 0xD4)), "100GBASE-DR", 100000),
        (qsfp28(standard=0x40, bit_rate=(0xFF, 0x6A)), "50GBASE-CR, 100GBASE-CR2 or 200GBASE-CR4", 200000),
        (qsfp28(standard=0x40, ends=0x2C), "50GBASE-CR, 100GBASE-CR2 or 200GBASE-CR4", 100000),
        (qsfp28(standard=0x40, ends=0x10), "50GBASE-CR, 100GBASE-CR2 or 200GBASE-CR4", 200000),
        (qsfp28(standard=0x40, ends=0x1F), "50GBASE-CR, 100GBASE-CR2 or 200GBASE-CR4", 200000),
        (qsfp28(standard=0x7E, bit_rate=(0xFF, 0x67)), None, None),
        (qsfp28(standard=0, bit_rate=(0xFF, 0x67)), None, 100000),
        (qsfp28(standard=0, bit_rate=(0x67, 0)), None, 40000),
        (qsfp28(standard=0, bit_rate=(0, 0)), None, None),
    ],
)
def test_a_module_tells_how_fast_it_can_be(module: bytes, standard: str | None, speed: int | None) -> None:
    decoded = decode_transceiver(module)
    assert (decoded.standard, decoded.max_speed_mbps) == (standard, speed) and decoded.checksum_valid


def test_readings_stand_beside_the_modules_own_alarms() -> None:
    temperature, received = decode_transceiver(sfp(received_milliwatts=0.0316)).readings
    assert (temperature.quantity, temperature.value, temperature.unit) == ("temperature", 36.5, "°C")
    assert (temperature.low_alarm, temperature.high_alarm, temperature.lane) == (-5.0, 75.0, None)
    assert (received.quantity, received.value, received.lane) == ("received power", 0.0316, 1)
    assert (received.low_alarm, received.high_alarm, received.unit) == (0.01, 1.0, "mW")


def test_each_lane_of_a_module_has_readings() -> None:
    readings = decode_transceiver(with_page_3(qsfp28())).readings
    assert [(one.quantity, one.lane, one.value, one.low_alarm, one.high_alarm) for one in readings] == [
        ("temperature", None, 41.0, -5.0, 75.0),
        ("voltage", None, 3.3, 2.97, 3.63),
        *(("received power", lane, 1.0, 0.0646, 2.1878) for lane in (1, 2, 3, 4)),
        *(("laser current", lane, 7.0, 3.0, 13.0) for lane in (1, 2, 3, 4)),
        *(("transmitted power", lane, 1.0, 0.1778, 2.1878) for lane in (1, 2, 3, 4)),
    ]


def test_what_a_module_does_not_measure_or_limit_is_no_reading() -> None:
    assert decode_transceiver(sfp(temperature=0, received_milliwatts=0)).readings == ()
    assert decode_transceiver(sfp(monitoring=0x58)).readings == ()  # to be calibrated by who reads it
    assert decode_transceiver(sfp(monitoring=0)).readings == ()
    assert decode_transceiver(sfp()[:256]).readings == ()
    optics = with_page_3(
        qsfp28(), temperature=(0, 0, 0, 0), received=(0xFFFF,) * 4, current=(6500, 1500, 7000, 2000)
    )
    assert {one.quantity for one in decode_transceiver(optics).readings} == {"voltage", "transmitted power"}
    without_warnings = with_page_3(qsfp28(), voltage=(36300, 29700, 0, 0))
    assert "voltage" in {one.quantity for one in decode_transceiver(without_warnings).readings}


def test_a_cable_that_answers_with_its_first_page_for_every_other_has_no_readings() -> None:
    cable = with_page_3(qsfp28())
    optics = bytearray(cable)
    optics[129:131] = 0xCC, 0x07  # read as limits of the temperature: 17.8 and 7.5 degrees
    assert decode_transceiver(bytes(optics[:512] + optics[128:256])).readings == ()
    flat = bytearray(cable)
    flat[2] |= 0x04
    assert decode_transceiver(bytes(flat)).readings == ()
    assert decode_transceiver(cable[:512]).readings == ()


@pytest.mark.parametrize(
    ("hosts", "speed"),
    [
        ((0x4F, 0x47), 400000),
        ((0x11, 0x0F, 0x32), 400000),
        ((0x51,), 800000),
        ((0x30, 0x31), None),
        ((0x4F, 0xEE), None),
        ((), None),
    ],
)
def test_applications_tell_how_fast_a_module_can_be(hosts: tuple[int, ...], speed: int | None) -> None:
    assert decode_transceiver(osfp(hosts=hosts)).max_speed_mbps == speed


def pages(module: bytes) -> bytes:
    """As the kernel strings them together: 0, 1, 2, 10h and 11h."""
    return module[:256] + bytes(128) + module[256:384] + bytes(128) + module[384:]


def test_lanes_of_light_have_readings_where_they_are_and_are_on() -> None:
    readings = decode_transceiver(pages(osfp_pages())).readings
    assert [(one.quantity, one.lane, one.value, one.low_alarm, one.high_alarm) for one in readings] == [
        ("temperature", None, 41.0, -5.0, 75.0),
        ("voltage", None, 3.3, 2.97, 3.63),
        *(("transmitted power", lane, 1.2, 0.1, 3.1622) for lane in (1, 2, 3, 4)),
        *(("received power", lane, 1.0, 0.0646, 3.1622) for lane in (1, 2, 3, 4)),
    ]
    lanes = {one.lane for one in decode_transceiver(pages(osfp_pages(on=2))).readings}
    assert lanes == {None, 1, 2}
    stray = decode_transceiver(pages(osfp_pages(stray=30))).readings
    assert {one.lane for one in stray} == {None, 1, 2, 3, 4}
    undeclared = decode_transceiver(pages(osfp_pages(missing_lanes=0))).readings
    assert {one.lane for one in undeclared} == {None, 1, 2, 3, 4}  # the others read the least there is
    assert decode_transceiver(osfp_pages()[:256]).readings == ()


def test_a_damaged_name_is_not_believed() -> None:
    assert not decode_transceiver(qsfp28().replace(b"Mellanox", b"Mellan0x")).checksum_valid


@pytest.mark.parametrize("memory", [b"", b"\0" * 256, b"\xff" * 640, b"\x7e" * 256, qsfp28()[:200]])
def test_what_is_no_memory_of_a_module_is_refused(memory: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_transceiver(memory)


@given(st.sampled_from([sfp(), with_page_3(qsfp28()), osfp(), pages(osfp_pages())]), st.binary(max_size=800))
def test_random_memories_never_do_more_than_raise(base: bytes, noise: bytes) -> None:
    for memory in (noise, base[:1] + noise, base[: len(noise)], base[:512] + noise):
        try:
            decode_transceiver(memory)
        except DecodeError:
            continue


@given(st.binary(max_size=300))
def test_random_answers_of_a_driver_never_do_more_than_raise(reply: bytes) -> None:
    for decode in (
        *(decode_driver_info, decode_permanent_address, decode_module_info, decode_module_eeprom),
        *(decode_link_settings, mask_words),
    ):
        try:
            decode(reply)
        except DecodeError:
            continue
