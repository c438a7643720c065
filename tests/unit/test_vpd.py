"""Vital Product Data: cards that tell their names, checksums, and memories that hold nothing."""

import pytest
from hypothesis import given

from bee_audit.decode import DecodeError
from bee_audit.decode.vpd import decode_vpd, decode_vpd_file
from lab.pci_garbage import check_vpd, vpds
from lab.vpd import END, keyword, large, vpd


def test_a_network_card_tells_its_names() -> None:
    facts = decode_vpd(
        vpd(
            "ConnectX-6 VPI adapter card", PN="MCX653106A-HDAT", EC="A5", SN="MT2131X0001", V0="PCIe Gen4 x16"
        )
    )
    assert facts.identifier == "ConnectX-6 VPI adapter card"
    assert (facts.part_number, facts.serial, facts.engineering_change) == (
        "MCX653106A-HDAT",
        "MT2131X0001",
        "A5",
    )
    assert facts.checksum_valid is True and facts.defects == ()
    assert [field.name for field in facts.read_only][-1] == "Vendor specific"


def test_one_changed_byte_is_seen_by_the_checksum() -> None:
    good = vpd("card", PN="1", SN="SERIAL-1")
    facts = decode_vpd(good.replace(b"SERIAL-1", b"SERIAL-2"))
    assert facts.checksum_valid is False and "the checksum is wrong" in facts.defects


def test_the_writable_part_is_read_and_its_free_space_is_not() -> None:
    data = vpd("card", SN="1")[:-1] + large(0x91, keyword("YA", b"RACK7") + keyword("RW", b"\0" * 40)) + END
    (tag,) = decode_vpd(data).read_write
    assert (tag.keyword, tag.name, tag.text) == ("YA", "Asset tag", "RACK7")


def test_binary_values_are_shown_in_hex() -> None:
    data = large(0x82, b"card") + large(0x90, keyword("CP", b"\x01\x02\xff\x03")) + END
    (field,) = decode_vpd(data).read_only
    assert field.text is None and field.hex == "0102ff03"


def test_a_value_of_nothing_but_padding_is_absent() -> None:
    facts = decode_vpd(large(0x82, b"card") + large(0x90, keyword("SN", b"   \0\0")) + END)
    assert facts.serial is None and facts.checksum_valid is None


@pytest.mark.parametrize("data", [b"", b"\xff" * 256, b"\0" * 256, b"\x12\x34", b"PN"])
def test_memories_without_vpd_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_vpd(data)


def test_data_that_ends_early_keeps_what_was_there() -> None:
    whole = vpd("card", PN="PART-1", SN="SERIAL-1")
    facts = decode_vpd(whole[:-8])
    assert facts.part_number == "PART-1"
    assert facts.defects


def test_what_follows_the_end_tag_is_not_read() -> None:
    data = vpd("card", SN="1")
    assert decode_vpd(data + b"\xff" * 4000) == decode_vpd(data)


def test_a_file_becomes_a_dictionary() -> None:
    assert decode_vpd_file(vpd("card", SN="8C2F01"))["serial"] == "8C2F01"


@given(vpds)
def test_damaged_data_is_read_or_refused(data: bytes) -> None:
    check_vpd(data)
