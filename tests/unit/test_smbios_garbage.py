"""Whatever bytes come, SMBIOS decoding ends at once with a document or a DecodeError."""

import time

import pytest
from hypothesis import given, settings

from bee_audit.decode import DecodeError
from bee_audit.decode.smbios import decode_smbios_file
from lab.smbios_garbage import decode_and_check, smbios_files


@settings(max_examples=300, deadline=1000)
@given(smbios_files)
def test_garbage_becomes_a_document_or_a_clear_error(data: bytes) -> None:
    decode_and_check(data)


def test_the_largest_file_of_the_smallest_structures_is_bounded() -> None:
    started = time.monotonic()
    decode_and_check((b"\x11\x04\x00\x00" + b"\0\0") * 2_000_000)
    with pytest.raises(DecodeError, match="cut off"):
        decode_smbios_file(b"\x11\xff" + b"\x01" * 16_000_000)
    assert time.monotonic() - started < 20
