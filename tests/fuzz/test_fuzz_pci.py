"""The properties of the unit tests of PCI and VPD over many more inputs (BEE_FUZZ_EXAMPLES, 100 000)."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bee_audit.decode.transceiver import decode_transceiver
from lab.pci_garbage import check_config, check_dump, check_vpd, config_spaces, dumps, refuses_cleanly, vpds

EXAMPLES = int(os.environ.get("BEE_FUZZ_EXAMPLES", "100000"))
MANY = settings(max_examples=EXAMPLES, deadline=2000, suppress_health_check=list(HealthCheck))


@pytest.mark.fuzz
@MANY
@given(config_spaces)
def test_configuration_space_becomes_a_document_or_a_clear_error(data: bytes) -> None:
    check_config(data)


@pytest.mark.fuzz
@MANY
@given(dumps)
def test_a_dump_becomes_documents_or_a_clear_error(data: bytes) -> None:
    check_dump(data)


@pytest.mark.fuzz
@MANY
@given(vpds)
def test_vpd_becomes_a_document_or_a_clear_error(data: bytes) -> None:
    check_vpd(data)


@pytest.mark.fuzz
@MANY
@given(st.binary(max_size=700))
def test_a_modules_memory_becomes_a_document_or_a_clear_error(data: bytes) -> None:
    refuses_cleanly(decode_transceiver, data)
