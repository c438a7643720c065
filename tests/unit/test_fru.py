"""FRU images: what is written on the parts of a machine, and how much of it can be believed."""

import re
from pathlib import Path

import pytest

from bee_audit.decode import DecodeError
from bee_audit.decode.fru import decode_fru, decode_fru_file, fru_extent, is_blank
from lab import fru_fields as made
from lab.bmc import Bmc
from lab.data import shared_data
from lab.fru_fields import bcd_plus, binary, latin, six_bit, wide
from lab.ipmitool import Ipmitool

NOTHING = latin("")
JAPANESE, ENGLISH = 0x2C, 25
MADE_2024_03_05_08_30 = 14822 * 1440 - 4529 * 1440 + 510  # minutes from 1996-01-01


def test_a_board_in_every_encoding() -> None:
    image = made.image(
        board=made.board(
            0, 1440, latin("Gïgabyte"), six_bit("MZ72-HB0"), bcd_plus("2024-09.17 5"), binary(b"\x01\xab")
        )
    )

    board = decode_fru(image).board

    assert board is not None
    assert board.manufacturer == "Gïgabyte"
    assert board.product_name == "MZ72-HB0"
    assert board.serial_number == "2024-09.17 5"
    assert board.part_number == "01ab"
    assert board.manufactured_at == "1996-01-02T00:00:00Z"


def test_a_language_other_than_english_has_two_bytes_a_character_but_not_in_serial_numbers() -> None:
    image = made.image(
        board=made.board(
            JAPANESE, 0, wide("富士通"), wide("マザーボード"), latin("SN1234"), latin("PN-5"), latin("v1.bin")
        ),
        product=made.product(
            JAPANESE,
            *(wide("富士通"), wide("サーバー"), wide("型番"), wide("版"), latin("R7-0001"), wide("資産")),
        ),
    )

    fru = decode_fru(image)

    assert fru.board is not None and fru.product is not None
    assert (fru.board.manufacturer, fru.board.product_name) == ("富士通", "マザーボード")
    assert (fru.board.serial_number, fru.board.part_number) == ("SN1234", "PN-5")
    assert fru.board.fru_file_id == "v1.bin"
    assert (fru.product.part_number, fru.product.version, fru.product.asset_tag) == ("型番", "版", "資産")
    assert fru.product.serial_number == "R7-0001"


def test_a_board_that_states_a_language_and_writes_ascii_is_read_as_it_is_written() -> None:
    image = made.image(
        board=made.board(JAPANESE, 0, latin("Quanta"), latin("S6Q-MB"), latin("Q1"), latin("31S6"))
    )

    board = decode_fru(image).board

    assert board is not None
    assert (board.manufacturer, board.product_name) == ("Quanta", "S6Q-MB")


def test_all_areas_custom_fields_and_private_data() -> None:
    image = made.image(
        internal_use=b"\x01\xde\xad",
        chassis=made.chassis(
            0x17, latin("CSE-418"), latin("C418AK"), latin("rack 7"), NOTHING, six_bit("U12")
        ),
        board=made.board(ENGLISH, MADE_2024_03_05_08_30, *map(latin, ("A1", "B1", "C1", "D1", "E1", "F1"))),
        product=made.product(0, *map(latin, ("AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH", "II"))),
    )

    fru = decode_fru(image)

    assert fru.internal_use is not None and fru.internal_use.startswith("dead")
    assert fru.chassis is not None and fru.board is not None and fru.product is not None
    assert (fru.chassis.chassis_type, fru.chassis.part_number) == ("Rack Mount Chassis", "CSE-418")
    assert fru.chassis.custom == ("rack 7", "U12")
    assert fru.board.custom == ("F1",)
    assert (fru.product.asset_tag, fru.product.fru_file_id, fru.product.custom) == ("FF", "GG", ("HH", "II"))
    assert [(area.name, area.checksum_valid) for area in fru.areas] == [
        *(("internal_use", None), ("chassis", True), ("board", True), ("product", True))
    ]
    assert not fru.defects and not fru.remarks


def test_fields_that_nobody_filled_are_absent() -> None:
    image = made.image(
        board=made.board(0, 0, NOTHING, latin("  \0"), latin("SN")), product=made.product(0, latin("ACME"))
    )

    fru = decode_fru(image)

    assert fru.board is not None and fru.product is not None
    assert fru.board.manufactured_at is None
    assert (fru.board.manufacturer, fru.board.product_name, fru.board.part_number) == (None, None, None)
    assert (fru.product.manufacturer, fru.product.serial_number) == ("ACME", None)


def test_what_a_terminal_would_obey_does_not_reach_it() -> None:
    fru = decode_fru(made.image(product=made.product(0, latin("\x1b[2JACME\x07"))))

    assert fru.product is not None
    assert fru.product.manufacturer == "\ufffd[2JACME\ufffd"


class TestDamage:
    """Each checksum that is wrong is named, and what can still be read is read."""

    whole = made.image(
        chassis=made.chassis(0x17, latin("CP"), latin("CS")),
        board=made.board(0, 0, latin("ACME"), latin("X1")),
        product=made.product(0, latin("ACME"), latin("Y1")),
        records=made.record(0xC0, b"\x01\x02\x03\x04") + made.record(0xC1, b"\x01\x02\x03\x05", last=True),
    )

    @pytest.mark.parametrize("area", ["chassis", "board", "product"])
    def test_an_area_with_a_flipped_bit(self, area: str) -> None:
        start = {"chassis": 8, "board": 24, "product": 40}[area]
        data = bytearray(self.whole)
        data[start + 7] ^= 0x01

        fru = decode_fru(bytes(data))

        assert f"the checksum of the {area} area is wrong" in fru.defects
        assert [one.checksum_valid for one in fru.areas if one.name == area] == [False]
        assert all(one.checksum_valid for one in fru.areas if one.name != area)

    def test_the_header(self) -> None:
        fru = decode_fru(self.whole[:7] + b"\0" + self.whole[8:])

        assert fru.header_checksum_valid is False
        assert fru.defects == ("the checksum of the common header is wrong",)
        assert fru.product is not None and fru.product.product_name == "Y1"

    def test_a_record(self) -> None:
        fru = decode_fru(self.whole[:-1] + b"\x77")

        assert fru.defects == ("the checksum of multirecord 2 is wrong",)
        assert [one.checksum_valid for one in fru.records] == [True, False]

    def test_a_record_s_header_ends_the_reading(self) -> None:
        data = bytearray(self.whole)
        data[-9] ^= 0x40  # the second record's type

        fru = decode_fru(bytes(data))

        assert fru.defects == ("the header checksum of multirecord 2 is wrong",)
        assert len(fru.records) == 1

    def test_a_device_that_ends_too_early(self) -> None:
        fru = decode_fru(self.whole[:52])

        assert "the product area states 16 bytes, 12 are there" in fru.defects
        assert "multirecord 1 lies past the end of the data" in fru.defects
        assert fru.board is not None and fru.board.product_name == "X1"

    def test_an_area_of_no_length(self) -> None:
        data = made.image(board=b"\x01\0" + bytes(6))

        assert decode_fru(data).defects == ("the board area states no length",)

    def test_fields_without_an_end_are_a_remark(self) -> None:
        data = made.image(product=made.area(b"\0", [latin("ABC"), latin("DE"), binary(b"\x00" * 5)], end=b""))

        fru = decode_fru(data)

        assert not fru.defects
        assert fru.remarks

    @pytest.mark.parametrize("data", [b"", b"\0" * 256, b"\xff" * 256, b"\x01\0\0", b"BM6\x04" + bytes(60)])
    def test_no_fru_at_all(self, data: bytes) -> None:
        with pytest.raises(DecodeError, match="no FRU data"):
            decode_fru(data)


def test_blank_memory() -> None:
    assert is_blank(b"\xff" * 8) and is_blank(b"") and is_blank(b"\0")
    assert not is_blank(b"\x01\0")


class TestRecords:
    def test_a_power_supply(self) -> None:
        data = bytes.fromhex(
            "6400 6e00 23 05 1027 f04c 5046 3075 2f 3f 0c 0f 7e10 01 f00a 3c".replace(" ", "")
        )
        data = bytes((0x98, 0x08)) + data[2:]  # 2200 W
        fru = decode_fru(made.image(records=made.record(0x00, data, last=True)))

        facts = fru.records[0].facts
        assert facts["capacity_watts"] == 2200
        assert facts["peak_va"] == 110
        assert (facts["inrush_amps"], facts["inrush_milliseconds"]) == (35, 5)
        assert (facts["input_1_low_volts"], facts["input_1_high_volts"]) == (100.0, 196.96)
        assert (facts["frequency_low_hertz"], facts["frequency_high_hertz"]) == (47, 63)
        assert facts["hot_swap"] and facts["autoswitch"] and facts["predictive_fail"]
        assert (facts["peak_watts"], facts["hold_up_seconds"]) == (126, 1)
        assert (facts["combined_watts"], facts["combined_voltage_1_volts"]) == (2800, 12.0)
        assert facts["combined_voltage_2_volts"] == -12.0
        assert facts["predictive_fail_revolutions_per_second"] == 60

    def test_a_maker_s_bytes_after_a_power_supply_are_not_in_its_checksum(self) -> None:
        standard = (1600).to_bytes(2, "little") + bytes(16) + b"\xff\xff" + bytes(4)
        extended = made.record(0x00, standard, last=True)[3:4]

        def image(content: bytes) -> bytes:
            head = bytes((0x00, 0x82, len(content))) + extended
            return made.image(records=head + made.checksum(head) + content)

        fru = decode_fru(image(standard + b"\x04\x1b\x00\xd9\x07"))
        assert fru.defects == () and fru.records[0].checksum_valid
        assert fru.records[0].facts["capacity_watts"] == 1600
        assert "peak_watts" not in fru.records[0].facts  # FFFFh: nobody stated one

        broken = bytearray(standard)
        broken[0] ^= 0x10
        fru = decode_fru(image(bytes(broken) + b"\x04\x1b\x00\xd9\x07"))
        assert fru.defects == ("the checksum of multirecord 1 is wrong",)

    def test_a_supply_above_the_twelve_bits_that_the_definition_has(self) -> None:
        fru = decode_fru(
            made.image(records=made.record(0x00, (5250).to_bytes(2, "little") + bytes(22), last=True))
        )

        assert fru.records[0].facts["capacity_watts"] == 5250

    @pytest.mark.parametrize(("low", "high"), [(90, 264), (240, 380), (336, 400), (-40, -72)])
    def test_a_supply_s_input_may_be_of_high_voltage_or_below_zero(self, low: int, high: int) -> None:
        volts = b"".join((value * 100 & 0xFFFF).to_bytes(2, "little") for value in (low, high))
        fru = decode_fru(made.image(records=made.record(0x00, bytes(6) + volts + bytes(14), last=True)))

        facts = fru.records[0].facts
        assert (facts["input_1_low_volts"], facts["input_1_high_volts"]) == (low, high)

    def test_outputs_and_loads(self) -> None:
        output = bytes((0x81,)) + b"".join(
            value.to_bytes(2, "little", signed=value < 0) for value in (1200, -60, 60, 120, 100, 18000)
        )
        fru = decode_fru(
            made.image(
                records=made.record(0x01, output)
                + made.record(0x09, bytes((0x11,)) + output[1:])
                + made.record(0x0A, output)
                + made.record(0x02, output, last=True)
            )
        )

        plain, extended, extended_load, load = (one.facts for one in fru.records)
        assert (plain["output_number"], plain["standby"], plain["nominal_volts"]) == (1, True, 12.0)
        assert (plain["deviation_low_volts"], plain["current_high_amps"]) == (-0.6, 18.0)
        assert extended["current_high_amps"] == 1800.0
        assert extended_load["current_high_amps"] == 1800.0
        assert (load["voltage_low_volts"], load["ripple_millivolts"]) == (-0.6, 120)

    def test_management_access_compatibility_and_vendors_own(self) -> None:
        guid = bytes(range(16))
        fru = decode_fru(
            made.image(
                records=made.record(0x03, b"\x01https://bmc/")
                + made.record(0x03, b"\x07" + guid)
                + made.record(0x04, b"\x57\x01\x00\x0a\x05\x80\xff")
                + made.record(0xD1, b"\x7c\x2a\x00\x01")
                + made.record(0x7E, b"\x01", last=True)
            )
        )

        url, unique, compatibility, vendor, reserved = fru.records
        assert url.facts == {"system_management_url": "https://bmc/"}
        assert unique.facts == {"system_unique_id": "00010203-0405-0607-0809-0a0b0c0d0e0f"}
        assert compatibility.facts["manufacturer_id"] == 343
        assert compatibility.facts["code_mask"] == "ff"
        assert (vendor.type_name, vendor.facts, vendor.hex) == ("OEM", {"manufacturer_id": 10876}, "7c2a0001")
        assert (reserved.type_name, reserved.hex) == ("reserved", "01")

    @pytest.mark.parametrize("blank", [b"\0", b"\xff"])
    def test_blank_memory_holds_none(self, blank: bytes) -> None:
        image = made.image(
            product=made.product(0, latin("ACME")), records=made.record(0xC0, b"abc") + blank * 400
        )

        fru = decode_fru(image)

        assert len(fru.records) == 1
        assert not fru.defects
        assert fru_extent(image, 4096) < 60

    @pytest.mark.parametrize("padding", [b"", b"\0\0", b"\xff" * 4])
    def test_the_last_one_without_its_mark_at_the_very_end_of_the_memory_is_no_damage(
        self, padding: bytes
    ) -> None:
        image = made.image(
            product=made.product(0, latin("ACME")), records=made.record(0xC0, b"abc") + padding
        )

        fru = decode_fru(image)

        assert (len(fru.records), fru.defects) == (1, ())
        assert fru.areas[-1].checksum_valid
        cut = decode_fru(made.image(records=made.record(0xC0, b"abc") + b"\xc1\x02"))
        assert cut.defects == ("multirecord 2 lies past the end of the data",)

    def test_a_record_with_too_little_in_it_shows_its_bytes(self) -> None:
        fru = decode_fru(made.image(records=made.record(0x00, b"\x98\x08", last=True)))

        assert (fru.records[0].facts, fru.records[0].hex) == ({}, "9808")


class TestExtent:
    """How much of a device must be read, told from its beginning."""

    def test_it_grows_to_the_end_of_the_content_and_not_to_that_of_the_device(self) -> None:
        image = TestDamage.whole
        device = image + b"\xff" * 4000
        steps, end = [], 0
        while (wanted := fru_extent(device[:end], len(device))) > end:
            end = wanted
            steps.append(end)

        assert end == len(image)
        assert len(steps) <= 6
        assert decode_fru(device[:end]) == decode_fru(image)

    def test_it_never_leaves_the_device(self) -> None:
        assert fru_extent(TestDamage.whole[:40], 60) == 60

    def test_a_device_without_fru_data_is_not_read_on(self) -> None:
        assert fru_extent(b"\xff" * 8, 8192) == 8


class TestAgainstIpmitool:
    """The tool that everybody uses reads the same from the same bytes."""

    @pytest.mark.parametrize("name", ["supermicro-x11scz-f", "vadatech-utc017"])
    def test_real_images(self, name: str, tmp_path: Path) -> None:
        self.compare(shared_data(f"fru/{name}.bin").read_bytes(), tmp_path)

    def test_an_image_of_all_encodings(self, tmp_path: Path) -> None:
        self.compare(
            made.image(
                chassis=made.chassis(0x17, six_bit("CSE-418G2TS-R3K"), bcd_plus("0123-456789.0")),
                board=made.board(
                    0, 15_000_000, latin("ACME"), six_bit("BOARD #9"), bcd_plus("99.5"), latin("P7")
                ),
                product=made.product(
                    *(0, latin("ACME Corp"), latin("Server"), six_bit("A"), bcd_plus("1.02")),
                    *(latin("SN-00042"), latin("asset"), NOTHING, latin("extra one"), six_bit("EXTRA TWO")),
                ),
            ),
            tmp_path,
        )

    def compare(self, image: bytes, folder: Path) -> None:
        printed = Ipmitool(Bmc(frus={0: image}), folder).run("fru", "print", "0")
        told = {
            (area, name.strip()): value.strip()
            for area, name, value in re.findall(
                r"^ (Chassis|Board|Product) ([^:]*): (.*)$", printed, re.MULTILINE
            )
        }
        fru = decode_fru(image)
        ours = {
            ("Chassis", "Part Number"): fru.chassis and fru.chassis.part_number,
            ("Chassis", "Serial"): fru.chassis and fru.chassis.serial_number,
            ("Board", "Mfg"): fru.board and fru.board.manufacturer,
            ("Board", "Product"): fru.board and fru.board.product_name,
            ("Board", "Serial"): fru.board and fru.board.serial_number,
            ("Board", "Part Number"): fru.board and fru.board.part_number,
            ("Product", "Manufacturer"): fru.product and fru.product.manufacturer,
            ("Product", "Name"): fru.product and fru.product.product_name,
            ("Product", "Part Number"): fru.product and fru.product.part_number,
            ("Product", "Version"): fru.product and fru.product.version,
            ("Product", "Serial"): fru.product and fru.product.serial_number,
            ("Product", "Asset Tag"): fru.product and fru.product.asset_tag,
        }
        assert told
        compared = {key: value for key, value in told.items() if key in ours and value}
        assert compared == {key: value for key, value in ours.items() if value}


def test_a_file_becomes_json_able_facts() -> None:
    facts = decode_fru_file(shared_data("fru/supermicro-x11scz-f.bin").read_bytes())

    assert facts["board"]["serial_number"] == "VM211S003599"
    assert facts["areas"][0] == {
        "name": "board",
        "offset_bytes": 8,
        "length_bytes": 64,
        "checksum_valid": True,
    }
    assert "defects" not in facts
