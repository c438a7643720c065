"""Whatever bytes a BMC or an EEPROM gives, decoding ends at once with facts or a DecodeError."""

import time

from hypothesis import given, settings

from lab.ipmi_garbage import answers, check_fru, check_sensor, event_records, fru_images, sensor_records


@settings(max_examples=300, deadline=1000)
@given(fru_images)
def test_fru_images(data: bytes) -> None:
    check_fru(data)


@settings(max_examples=300, deadline=1000)
@given(sensor_records, answers, answers, event_records)
def test_sensors_and_events(record: bytes, reading: bytes, limits: bytes, event: bytes) -> None:
    check_sensor(record, reading, limits, event)


def test_the_largest_image_of_the_smallest_records_is_bounded() -> None:
    header = b"\x01\0\0\0\0\x01\0"
    record = b"\xc0\x02\x00\x00\x3e"

    started = time.process_time()
    check_fru(header + bytes((-sum(header) & 0xFF,)) + record * 100_000)
    assert time.process_time() - started < 10
