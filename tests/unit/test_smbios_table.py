"""SMBIOS tables as firmware really leaves them: cut off, miscounted, unmarked, of every version."""

import struct

import pytest

from bee_audit.decode import DecodeError
from bee_audit.decode.smbios import (
    MemoryDevice,
    Smbios,
    decode_smbios,
    decode_smbios_dump,
    decode_smbios_file,
)
from lab.smbios import Firmware, entry_point_2, entry_point_3


def machine(version: tuple[int, int, int] = (3, 7, 0)) -> Firmware:
    firmware = Firmware(version=version)
    firmware.system()
    firmware.memory_device(locator="DIMM_A1")
    firmware.memory_device(locator="DIMM_B1")
    return firmware


def locators(smbios: Smbios) -> list[str | None]:
    return [device.locator for device in smbios.of(MemoryDevice)]


@pytest.mark.parametrize("version", [(2, 8, 0), (3, 7, 0)])
def test_the_kernels_pair_and_the_dump_say_the_same(version: tuple[int, int, int]) -> None:
    firmware = machine(version)
    pair = decode_smbios(firmware.entry_point(), firmware.finished_table())
    dump = decode_smbios_dump(firmware.dump())
    assert pair.version == dump.version == version
    assert locators(pair) == locators(dump) == ["DIMM_A1", "DIMM_B1"]
    assert pair.problems == dump.problems == () and pair.complete


def test_a_table_alone_is_read_without_its_version() -> None:
    document = decode_smbios_file(machine().finished_table())
    assert [fields["type"] for fields in document["structures"]] == [1, 17, 17, 127]
    assert "smbios_version" not in document and "entry point is missing" in document["problems"][0]


def test_structures_without_a_decoder_show_their_bytes_and_strings() -> None:
    firmware = machine()
    firmware.add(11, b"\x02", ("first", "second"))
    firmware.add(221, b"\x01\x02\x03")
    document = decode_smbios_file(firmware.dump())
    assert document["structures"][3:5] == [
        {
            "type": 11,
            "handle": "0x0B00",
            "name": "OEM Strings",
            "data": "0b05000b02",
            "strings": ["first", "second"],
        },
        {"type": 221, "handle": "0xDD00", "name": "OEM-specific", "data": "dd0700dd010203"},
    ]


def test_a_before_2_1_entry_point_has_only_its_dmi_part() -> None:
    firmware = machine((2, 0, 0))
    table = firmware.finished_table()
    legacy = entry_point_2(len(table), firmware.count + 1, version=(2, 0))[0x10:]
    smbios = decode_smbios_dump(legacy.ljust(0x20, b"\0") + table)
    assert smbios.version == (2, 0, 0) and locators(smbios) == ["DIMM_A1", "DIMM_B1"]


def test_what_follows_the_end_marker_is_nothing() -> None:
    firmware = machine()
    rest = b"\x11\x40\x00\x00 leftover" + bytes(200)
    table = firmware.finished_table() + rest
    smbios = decode_smbios(entry_point_3(len(table)), table)
    assert locators(smbios) == ["DIMM_A1", "DIMM_B1"] and smbios.problems == ()


def test_a_table_without_its_end_marker_may_have_lost_something() -> None:
    firmware = machine()
    smbios = decode_smbios(entry_point_3(len(firmware.table)), firmware.table)
    assert locators(smbios) == ["DIMM_A1", "DIMM_B1"]
    assert smbios.problems == ("the table does not reach its end marker (type 127)",) and not smbios.complete


def test_before_3_0_a_right_count_is_enough() -> None:
    firmware = machine((2, 8, 0))
    smbios = decode_smbios(entry_point_2(len(firmware.table), firmware.count), firmware.table)
    assert smbios.problems == ("the table has no end marker (type 127)",) and smbios.complete


@pytest.mark.parametrize("version", [(2, 8, 0), (3, 7, 0)])
def test_a_table_cut_at_any_byte_keeps_what_is_whole(version: tuple[int, int, int]) -> None:
    firmware = machine(version)
    table = firmware.finished_table()
    first = table.index(b"\0\0", table[1]) + 2
    for length in range(first, len(table) - 1):
        smbios = decode_smbios(firmware.entry_point(), table[:length])
        assert not smbios.complete and smbios.problems
        assert len(locators(smbios)) <= 2
    for length in range(first):
        with pytest.raises(DecodeError, match="without a structure"):
            decode_smbios(firmware.entry_point(), table[:length])


def test_a_wrong_count_is_named() -> None:
    firmware = machine((2, 8, 0))
    table = firmware.finished_table()
    smbios = decode_smbios(entry_point_2(len(table), 9), table)
    assert "9 structures are stated, 4 are there" in smbios.problems and not smbios.complete
    smbios = decode_smbios(entry_point_2(len(table), 2), table)
    assert locators(smbios) == ["DIMM_A1"]


def test_wrong_checksums_are_named_and_the_table_read() -> None:
    firmware = machine()
    entry = bytearray(firmware.entry_point())
    entry[5] ^= 1
    smbios = decode_smbios(bytes(entry), firmware.finished_table())
    assert smbios.problems == ("entry point has a wrong checksum",) and len(locators(smbios)) == 2


@pytest.mark.parametrize("length", range(4))
def test_a_structure_shorter_than_its_header_ends_the_table(length: int) -> None:
    firmware = machine()
    table = firmware.table + bytes((17, length, 0, 1)) + b"\0\0" + firmware.finished_table()
    smbios = decode_smbios(entry_point_3(len(table)), table)
    assert locators(smbios) == ["DIMM_A1", "DIMM_B1"]
    assert f"states a length of {length}" in smbios.problems[0] and not smbios.complete


def test_a_string_that_is_not_there_is_named() -> None:
    firmware = Firmware()
    firmware.add(1, struct.pack("<BBBB", 1, 9, 3, 0), ("Bee Systems", "", "A1"))
    system = decode_smbios_dump(firmware.dump()).system
    assert system is not None and system.manufacturer == "Bee Systems" and system.product_name is None
    assert system.problems == (
        "string 9 is named, but there is none",
        "string 3 is named, but there is none",
    )


def test_strings_that_are_not_ascii() -> None:
    firmware = Firmware()
    firmware.add(1, struct.pack("<BBBB", 1, 2, 3, 4), ("Bée™", b"\xff\xfe\x01A", "\x1b[31mred", "<script>"))
    system = decode_smbios_dump(firmware.dump()).system
    assert system is not None
    assert (system.manufacturer, system.product_name) == ("Bée™", "...A")
    assert (system.version, system.serial_number) == (".[31mred", "<script>")


def test_memory_of_kinds_that_came_after_3_7() -> None:
    firmware = Firmware()
    firmware.memory_device(kind=0x25)
    firmware.memory_device(technology=8)
    by_type, by_technology = decode_smbios_dump(firmware.dump()).memory_devices
    assert (by_type.memory_type, by_technology.technology) == ("MRDIMM", "MRDIMM")


def test_lists_longer_than_their_structure_are_named() -> None:
    firmware = Firmware()
    firmware.add(2, struct.pack("<BBBBBBBHBB", 0, 0, 0, 0, 0, 1, 0, 0, 10, 200))
    firmware.add(3, struct.pack("<BBBBBBBBBIBBBB", 0, 23, 0, 0, 0, 3, 3, 3, 3, 0, 1, 1, 255, 255))
    firmware.slot(peers=((0, 1, 0, 4),) * 9, tail=b"")
    table = bytearray(firmware.finished_table())
    table[table.index(b"\x09\x40") + 0x12] = 50
    smbios = decode_smbios(firmware.entry_point(), bytes(table))
    assert smbios.baseboards[0].problems == ("200 contained objects do not fit in 15 bytes",)
    assert smbios.chassis[0].problems == ("255 contained elements do not fit in 21 bytes",)
    assert smbios.slots[0].problems == ("50 peer devices do not fit in 64 bytes",)


def test_firmware_that_counts_a_string_into_a_type_34() -> None:
    firmware = Firmware()
    firmware.table += struct.pack("<BBHBBIB", 34, 0x10, 0x2200, 1, 5, 0x295, 3) + b"LM78-1\0\0"
    firmware.count += 1
    firmware.memory_device()
    document = decode_smbios_file(firmware.dump())
    assert document["structures"][0]["strings"] == ["LM78-1"]
    assert document["structures"][1]["locator"] == "DIMM_A1"


@pytest.mark.parametrize(("stated", "meant"), [((2, 31), (2, 3, 0)), ((2, 51), (2, 6, 0))])
def test_versions_that_never_were(stated: tuple[int, int], meant: tuple[int, int, int]) -> None:
    firmware = machine((2, 8, 0))
    table = firmware.finished_table()
    smbios = decode_smbios(entry_point_2(len(table), firmware.count + 1, version=stated), table)
    assert smbios.version == meant and "never was" in smbios.problems[0]


@pytest.mark.parametrize(
    "data",
    [b"", b"_SM", b"_SM_", b"_SM3_", b"_DMI_", b"GIF89a", bytes(64), b"\xff" * 64, b"\x7fELF" + bytes(60)],
)
def test_what_is_no_smbios_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_smbios_file(data)
