"""NVMe structures, built field by field as the standard lays them out, and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_audit.decode import DecodeError
from bee_audit.decode.nvme import (
    decode_controller,
    decode_errors,
    decode_firmware_slots,
    decode_health,
    decode_namespace,
    decode_self_tests,
)
from lab.nvme_drive import (
    controller_page,
    error_entry,
    firmware_page,
    health_page,
    namespace_page,
    self_test_entry,
    self_test_page,
)

DECODERS = (
    decode_controller,
    decode_namespace,
    decode_health,
    decode_errors,
    decode_firmware_slots,
    decode_self_tests,
)


def test_a_controller_says_who_it_is_and_how_hot_it_may_get() -> None:
    page = decode_controller(controller_page())
    assert (page.model, page.serial, page.firmware) == (
        "SAMSUNG MZQL23T8HCLS-00A07",
        "S64HNE0R500000",
        "GDC5602Q",
    )
    assert (page.vendor_id, page.version, page.controller_number) == (0x144D, "1.4", 6)
    assert (page.warning_celsius, page.critical_celsius) == (80, 85)
    assert (page.error_log_entries, page.self_test_supported, page.extended_self_test_minutes) == (
        256,
        True,
        75,
    )
    assert page.total_bytes == 3840755982336


def test_limits_that_a_drive_does_not_state_are_absent() -> None:
    page = decode_controller(
        controller_page(warning_kelvin=0, critical_kelvin=0, total_bytes=0, self_tests=False)
    )
    assert (page.warning_celsius, page.critical_celsius, page.total_bytes) == (None, None, None)
    assert page.self_test_supported is False


def test_a_limit_at_freezing_point_is_none() -> None:
    page = decode_controller(controller_page(warning_kelvin=273, critical_kelvin=300))
    assert (page.warning_celsius, page.critical_celsius) == (None, None)


@pytest.mark.parametrize("serial", ["", "0" * 20, "\xff", "To be filled by O.E.M."[:20], "0123456789"])
def test_filler_is_no_serial_number(serial: str) -> None:
    page = bytearray(controller_page())
    page[4:24] = serial.encode("latin-1").ljust(20)[:20]
    assert decode_controller(bytes(page)).serial is None


@pytest.mark.parametrize(("index", "shift"), [(0, 9), (3, 12), (17, 12), (63, 9)])
def test_a_namespace_is_as_large_as_its_format_says(index: int, shift: int) -> None:
    space = decode_namespace(namespace_page(blocks=1000, used=10, block_shift=shift, index=index))
    assert space is not None
    assert (space.size_bytes, space.used_bytes) == (1000 << shift, 10 << shift)
    assert space.logical_block_bytes == 1 << shift


def test_a_namespace_that_is_not_there_is_none() -> None:
    assert decode_namespace(bytes(4096)) is None
    with pytest.raises(DecodeError, match="blocks of 2\\^3 bytes"):
        decode_namespace(namespace_page(block_shift=3))


def test_health_is_read_to_the_last_counter() -> None:
    health = decode_health(health_page(media_errors=7, spare=99, sensors=(308, 0, 312)))
    assert (health.critical_warning, health.critical_warnings) == (0, ())
    assert health.composite_temperature_celsius == 40
    assert (health.available_spare_percent, health.available_spare_threshold_percent) == (99, 10)
    assert (health.percentage_used, health.media_errors, health.error_log_entries) == (3, 7, 62)
    assert health.bytes_read == 17176794 * 512000
    assert (health.power_on_hours, health.power_cycles, health.unsafe_shutdowns) == (12798, 25, 10)
    assert health.temperature_sensors_celsius == (35, 39)


def test_counters_of_128_bits_stand_still_where_json_ends() -> None:
    health = decode_health(health_page(media_errors=1 << 100, units_read=(1 << 128) - 1))
    assert health.media_errors == (1 << 63) - 1
    assert health.bytes_read == (1 << 63) - 1


def test_each_warning_bit_has_its_words() -> None:
    assert decode_health(health_page(critical_warning=0b101001)).critical_warnings == (
        "available spare is below its threshold",
        "the media is read-only",
        "the persistent memory region is read-only or unreliable",
    )
    assert decode_health(health_page(critical_warning=0x80)).critical_warnings == (
        "reserved warning bit 7 is set",
    )


@pytest.mark.parametrize("page", [b"\xff" * 512, bytes(512), b"", bytes(200) + b"\1"])
def test_a_page_that_nobody_wrote_is_no_health(page: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_health(page)


def test_errors_are_named_and_unused_entries_left_out() -> None:
    log = (
        error_entry(number=62, status=0x0281 << 1, lba=4711)
        + error_entry(number=61, status=0x4004)
        + bytes(128)
    )
    first, second = decode_errors(log)
    assert (first.number, first.description, first.lba, first.namespace) == (
        62,
        "unrecovered read error",
        4711,
        1,
    )
    assert (first.status_type, first.status_code) == (2, 0x81)
    assert second.description == "generic status 02h"


def test_firmware_slots_tell_which_runs_and_which_comes_next() -> None:
    slots = decode_firmware_slots(firmware_page("GDC5602Q", "", "GDC5702Q", active=1, after_reset=3))
    assert [(slot.slot, slot.revision, slot.active, slot.next) for slot in slots] == [
        (1, "GDC5602Q", True, False),
        (3, "GDC5702Q", False, True),
    ]


def test_self_tests_come_newest_first() -> None:
    log = decode_self_tests(
        self_test_page(
            self_test_entry(code=2, result=7, hours=100, lba=12345),
            self_test_entry(code=1, result=0, hours=90),
            self_test_entry(code=1, result=1, hours=80),
            running=2,
            percent=40,
        )
    )
    assert (log.running, log.running_percent_done) == ("extended", 40)
    assert [(one.kind, one.result, one.power_on_hours) for one in log.results] == [
        ("extended", "failed", 100),
        ("short", "passed", 90),
        ("short", "aborted", 80),
    ]
    assert log.results[0].first_error_lba == 12345


@given(st.binary(max_size=600))
def test_any_bytes_are_facts_or_a_decode_error(data: bytes) -> None:
    for decode in DECODERS:
        for page in (data, data.ljust(4096, b"\0"), data.ljust(4096, b"\xff")):
            try:
                decode(page)
            except DecodeError:
                continue
