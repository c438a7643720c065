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
from lab.ethtool import osfp, qsfp28, sfp


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


def test_a_damaged_name_is_not_believed() -> None:
    assert not decode_transceiver(qsfp28().replace(b"Mellanox", b"Mellan0x")).checksum_valid


@pytest.mark.parametrize("memory", [b"", b"\0" * 256, b"\xff" * 640, b"\x7e" * 256, qsfp28()[:200]])
def test_what_is_no_memory_of_a_module_is_refused(memory: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_transceiver(memory)


@given(st.sampled_from([sfp(), qsfp28(), osfp()]), st.binary(max_size=520))
def test_random_memories_never_do_more_than_raise(base: bytes, noise: bytes) -> None:
    for memory in (noise, base[:1] + noise, base[: len(noise)]):
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
