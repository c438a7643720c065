"""The machine against its order: a part that is dead enough is on no bus, and only the order misses it."""

from typing import Any

import msgspec
import pytest

from bee_audit.audit import run_audit
from bee_audit.options import audit_options
from bee_audit.rules.expected import expected_findings
from bee_bus.documents.audit import CollectorRun, CollectorStatus, Finding, Hardware
from bee_bus.documents.gpus import Gpu, GpusSection
from bee_bus.errors import InvalidOption
from bee_bus.expected import EXPECTED_FILE, read_expected, write_expected
from lab.machine import FakeMachine
from lab.snapshots import gpu_server

SECTIONS = ("board", "cpus", "memory", "storage", "pcie", "network", "psus", "sensors", "bmc", "gpus")


def compared(
    text: str, hardware: Hardware, sections: tuple[str, ...] = SECTIONS, **status: CollectorStatus
) -> list[Finding]:
    runs = [CollectorRun(name=name, status=status.get(name, "ok"), duration_seconds=0.1) for name in sections]
    return list(expected_findings(hardware, runs, read_expected(text, "order.toml"), "order.toml"))


def without(section: str, field: str, count: int, hardware: Hardware | None = None) -> Hardware:
    """The server with so many parts fewer."""
    hardware = hardware or gpu_server()
    old = getattr(hardware, section)
    fewer: Any = msgspec.structs.replace(old, **{field: getattr(old, field)[count:]})
    return msgspec.structs.replace(hardware, **{section: fewer})


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.rule, one.severity, one.component) for one in findings]


def test_a_machine_meets_the_file_that_was_written_of_it() -> None:
    assert compared(write_expected(gpu_server(), "x"), gpu_server()) == []


@pytest.mark.parametrize(
    ("section", "field", "count", "component"),
    [
        ("gpus", "gpus", 1, "gpus"),
        ("cpus", "packages", 1, "cpus"),
        ("memory", "slots", 2, "memory"),
        ("storage", "disks", 1, "storage"),
        ("psus", "psus", 1, "psus"),
    ],
)
def test_a_part_that_is_on_no_bus_is_missed(section: str, field: str, count: int, component: str) -> None:
    order = write_expected(gpu_server(), "x")
    (finding,) = compared(order, without(section, field, count))
    assert (finding.rule, finding.severity, finding.component) == ("expected.missing", "Critical", component)
    assert finding.threshold is not None
    assert (finding.threshold.source, finding.threshold.layer) == ("order.toml", "option")
    assert isinstance(finding.value, int) and finding.value == float(finding.threshold.value) - 1
    assert "return the machine" in finding.next_step


def test_seven_of_eight_gpus_is_said_so() -> None:
    (finding,) = compared('[[gpus]]\ncount = 8\nmodel = "h100"', without("gpus", "gpus", 1))
    assert finding.message == '7 of 8 GPUs called "h100" are there'
    assert finding.where == "gpus", "there is no place to say beside it"


def test_a_machine_without_any_has_none_of_eight() -> None:
    bare = msgspec.structs.replace(gpu_server(), gpus=None)
    (finding,) = compared("[[gpus]]\ncount = 8", bare, gpus="absent")
    assert (finding.severity, finding.value) == ("Critical", 0)


@pytest.mark.parametrize("status", ["error", "timeout"])
def test_what_could_not_be_read_is_not_missed_but_unknown(status: CollectorStatus) -> None:
    blind = msgspec.structs.replace(gpu_server(), gpus=None)
    assert told(compared("[[gpus]]\ncount = 8", blind, gpus=status)) == [
        ("expected.not-seen", "Unknown", "gpus")
    ]


def test_power_supplies_without_a_bmc_are_unknown() -> None:
    blind = msgspec.structs.replace(gpu_server(), psus=None)
    assert told(compared("[[psus]]\ncount = 3", blind, psus="absent")) == [
        ("expected.not-seen", "Unknown", "psus")
    ]


def test_supplies_that_a_slow_bmc_did_not_tell_may_be_there() -> None:
    fewer = without("psus", "psus", 1)
    assert fewer.psus is not None
    in_part = msgspec.structs.replace(
        fewer, psus=msgspec.structs.replace(fewer.psus, problems=("FRU 3 did not answer",))
    )
    assert told(compared("[[psus]]\ncount = 3", in_part)) == [("expected.missing", "Unknown", "psus")]


def test_a_gpu_of_another_kind_is_missing_and_too_much() -> None:
    order = '[[gpus]]\ncount = 8\nmodel = "H100"'
    gpus = gpu_server().gpus
    assert gpus is not None
    other = msgspec.structs.replace(gpus.gpus[0], name="NVIDIA L40S", model="AD102GL [L40S]", vendor="AMD")
    mixed = msgspec.structs.replace(
        gpu_server(), gpus=msgspec.structs.replace(gpus, gpus=(other, *gpus.gpus[1:]))
    )
    missing, more = compared(order, mixed)
    assert (missing.rule, missing.value) == ("expected.missing", 7)
    assert (more.rule, more.severity) == ("expected.others", "Warning")
    assert "1 GPU that nothing in order.toml names: NVIDIA L40S" in more.message


def test_more_than_expected_is_a_warning() -> None:
    assert told(compared("[[memory]]\ncount = 12\nsize_gib = 64", gpu_server())) == [
        ("expected.more", "Warning", "memory")
    ]
    assert told(compared("[[disks]]\ncount = 0", gpu_server())) == [("expected.more", "Warning", "storage")]


def test_gpus_without_their_driver_may_be_what_was_ordered() -> None:
    unnamed = tuple(
        Gpu(
            id=f"0000:{bus:02x}:00.0",
            name="NVIDIA GH100 [H100 SXM5 80GB]",
            vendor_id="10de",
            device_id="2330",
            vendor="NVIDIA",
        )
        for bus in range(8)
    )
    hardware = msgspec.structs.replace(gpu_server(), gpus=GpusSection(gpus=unnamed))
    order = '[[gpus]]\ncount = 8\nmodel = "H100 80GB HBM3"'
    assert told(compared(order, hardware)) == [("expected.not-recognised", "Unknown", "gpus")]
    seven = msgspec.structs.replace(hardware, gpus=GpusSection(gpus=unnamed[1:]))
    assert told(compared(order, seven)) == [("expected.missing", "Critical", "gpus")]


def test_pci_devices_are_counted_and_others_may_be_there_too() -> None:
    assert compared('[[devices]]\ncount = 1\nmodel = "connectx-7"', gpu_server()) == []
    assert told(compared('[[devices]]\ncount = 4\nmodel = "NVSwitch"', gpu_server())) == [
        ("expected.missing", "Critical", "pcie")
    ]


def test_sections_that_were_not_asked_for_are_not_compared() -> None:
    only = msgspec.structs.replace(gpu_server(), gpus=None)
    assert compared("[[gpus]]\ncount = 8", only, ("storage",)) == []


# The audit with its file and its option.


async def rules_of(machine: FakeMachine, expected: str = "") -> tuple[str, list[str]]:
    snapshot = await run_audit(machine, sections=["gpus"], expected=expected)
    return snapshot.expected_source, [one.rule for one in snapshot.hardware.summary.findings]


async def test_an_audit_compares_with_the_machine_s_file_or_with_the_one_given() -> None:
    machine = FakeMachine(files={EXPECTED_FILE: "[[gpus]]\ncount = 0"})
    assert await rules_of(FakeMachine()) == ("", [])
    assert await rules_of(machine) == (EXPECTED_FILE, [])
    assert await rules_of(machine, "[[gpus]]\ncount = 8") == ("the file given", ["expected.missing"])


async def test_a_file_that_cannot_be_used_is_no_ok() -> None:
    machine = FakeMachine(files={EXPECTED_FILE: "[[gpu]]\ncount = 8"})
    assert await rules_of(machine) == (EXPECTED_FILE, ["audit.expected-file"])


@pytest.mark.parametrize("text", ["", "[[gpu]]\ncount = 8", "x" * 70_000])
def test_a_caller_s_file_is_checked_before_the_audit(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"^expected: "):
        audit_options({"expected": text})
    assert audit_options({"expected": "[[gpus]]\ncount = 8"}).expected == "[[gpus]]\ncount = 8"
