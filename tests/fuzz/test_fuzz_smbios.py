"""The property of tests/unit/test_smbios_garbage.py over many more files (BEE_FUZZ_EXAMPLES, 100 000)."""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from lab.smbios_garbage import decode_and_check, smbios_files

EXAMPLES = int(os.environ.get("BEE_FUZZ_EXAMPLES", "100000"))


@pytest.mark.fuzz
@settings(max_examples=EXAMPLES, deadline=2000, suppress_health_check=list(HealthCheck))
@given(smbios_files)
def test_garbage_becomes_a_document_or_a_clear_error(data: bytes) -> None:
    decode_and_check(data)
