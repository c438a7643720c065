"""The properties of tests/unit/test_ipmi_garbage.py over many more examples (BEE_FUZZ_EXAMPLES, 100 000)."""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from lab.ipmi_garbage import answers, check_fru, check_sensor, event_records, fru_images, sensor_records

EXAMPLES = int(os.environ.get("BEE_FUZZ_EXAMPLES", "100000"))
LONG = settings(max_examples=EXAMPLES, deadline=2000, suppress_health_check=list(HealthCheck))


@pytest.mark.fuzz
@LONG
@given(fru_images)
def test_fru_images_become_a_document_or_a_clear_error(data: bytes) -> None:
    check_fru(data)


@pytest.mark.fuzz
@LONG
@given(sensor_records, answers, answers, event_records)
def test_sensor_and_event_records_become_facts_or_a_clear_error(
    record: bytes, reading: bytes, limits: bytes, event: bytes
) -> None:
    check_sensor(record, reading, limits, event)
