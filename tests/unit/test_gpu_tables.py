"""The tables: Xids and clock-event reasons."""

import pytest

from bee_bus.xids import xid, xid_table
from bee_gpu.reasons import REASONS, decode_reasons

# Azure's node health checks take a machine out of use for these.
AZURE = (48, 56, 57, 58, 62, 63, 64, 65, 68, 69, 73, 74, 79, 80, 81, 92, 119, 120)


def test_every_xid_says_what_it_is_and_what_to_do() -> None:
    assert len(xid_table()) > 50
    for number, entry in xid_table().items():
        assert entry.number == number
        for text in (entry.meaning, entry.next_step):
            assert len(text) > 10
            assert text.endswith(".")
        assert "catalog" in entry.source


@pytest.mark.parametrize("number", AZURE)
def test_what_takes_a_machine_out_of_use_elsewhere_is_at_least_a_warning_here(number: int) -> None:
    assert xid(number).severity in ("Warning", "Critical")
    assert "azure" in xid(number).source


@pytest.mark.parametrize("number", [48, 62, 64, 74, 79, 95, 119, 120, 140, 143, 158])
def test_what_makes_a_gpu_unusable_is_critical(number: int) -> None:
    assert xid(number).severity == "Critical"


@pytest.mark.parametrize("number", [13, 31, 43, 45, 137])
def test_a_programs_own_fault_is_not_the_gpus(number: int) -> None:
    assert xid(number).severity != "Critical"


def test_an_xid_that_nobody_knows_is_a_warning() -> None:
    assert xid(4242).severity == "Warning"
    assert "4242" in xid(4242).next_step


def test_reasons_are_a_mask() -> None:
    assert decode_reasons(0) == ()
    assert [reason.name for reason in decode_reasons(0x68)] == ["hw-slowdown", "sw-thermal", "hw-thermal"]
    everything = sum(reason.mask for reason in REASONS)
    assert everything == 0x7FF
    assert decode_reasons(everything) == REASONS


def test_a_reason_that_nobody_knows_is_not_lost() -> None:
    known, first, second = decode_reasons(0x4 | 0x800 | 1 << 62)
    assert known.name == "sw-power-cap"
    assert (first.name, first.severity) == ("reason-0x800", "Warning")
    assert second.mask == 1 << 62


def test_work_at_the_power_limit_is_no_fault() -> None:
    assert {reason.name for reason in REASONS if reason.severity == "Critical"} == {
        "hw-slowdown",
        "hw-thermal",
        "hw-power-brake",
    }
    assert {reason.severity for reason in decode_reasons(0x604)} == {"Info"}  # nor at those of its board
    (cap,) = decode_reasons(0x4)
    assert (cap.severity, cap.throttles, cap.seconds_field) == ("Info", True, "sw_power_cap_seconds")
