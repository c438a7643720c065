"""The engine: what one section does wrong costs that section, is named, and never ends as OK."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from bee_audit import audit
from bee_audit.audit import Collector, run_audit
from bee_audit.options import audit_options
from bee_audit.rules.evidence import evidence_findings
from bee_audit.rules.judge import judge, summarise
from bee_audit.rules.thresholds import Thresholds, built_in
from bee_bus.documents.audit import CollectorRun, Finding, Hardware, Severity, Snapshot, Summary
from bee_bus.documents.base import Section
from bee_bus.documents.board import BoardSection
from bee_bus.documents.cpus import CpusSection
from bee_bus.documents.memory import MemorySection
from bee_bus.documents.storage import Disk, StorageSection
from bee_bus.errors import InvalidOption
from bee_machine import Machine, ToolHung, ToolResult
from lab.machine import FakeMachine, ToolAnswer

Collect = Callable[[Machine], Awaitable[Section | None]]
NOTHING = Hardware(
    summary=Summary(verdict="OK", failure_count=0, warning_count=0, unknown_count=0, findings=())
)


async def hangs(machine: Machine) -> Section | None:
    await asyncio.Event().wait()
    return None


async def fails(machine: Machine) -> Section | None:
    raise ValueError("the disk said 0xFF")


async def absent(machine: Machine) -> Section | None:
    return None


def finding(severity: Severity, component: str = "storage/sda") -> Finding:
    return Finding(rule="x.y", severity=severity, component=component, where="w", message="m", next_step="n")


async def audit_with(monkeypatch: pytest.MonkeyPatch, **collectors: Collect) -> Snapshot:
    chosen = tuple(Collector(name, collect, 0.2) for name, collect in collectors.items())
    monkeypatch.setattr(audit, "COLLECTORS", chosen)
    return await run_audit(FakeMachine(), sections=list(collectors))


def run_of(snapshot: Snapshot, name: str) -> CollectorRun:
    return next(run for run in snapshot.collectors if run.name == name)


async def test_a_collector_that_hangs_is_named_and_the_others_are_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def disks(machine: Machine) -> Section:
        return StorageSection()

    snapshot = await audit_with(monkeypatch, storage=disks, network=hangs)
    assert snapshot.hardware.storage is not None
    assert run_of(snapshot, "network").status == "timeout"
    assert run_of(snapshot, "network").error == "did not answer within 0.2 s"
    assert snapshot.hardware.summary.verdict == "Unknown"
    assert [one.rule for one in snapshot.hardware.summary.findings] == ["audit.section-failed"]


async def test_a_collector_that_fails_is_named_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = await audit_with(monkeypatch, storage=fails)
    assert run_of(snapshot, "storage").status == "error"
    assert "the disk said 0xFF" in run_of(snapshot, "storage").error
    assert snapshot.hardware.summary.verdict == "Unknown"


async def test_a_section_read_in_part_cannot_add_up_to_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    async def half(machine: Machine) -> Section:
        return StorageSection(problems=("/dev/sdb did not answer within 20 s",))

    snapshot = await audit_with(monkeypatch, storage=half)
    assert run_of(snapshot, "storage").status == "partial"
    assert snapshot.hardware.summary.verdict == "Unknown"
    assert snapshot.hardware.summary.findings[0].message == "/dev/sdb did not answer within 20 s"


async def test_a_machine_where_nothing_can_be_seen_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = await audit_with(monkeypatch, board=absent, memory=absent, storage=absent)
    assert snapshot.hardware.summary.verdict == "Unknown"
    assert {one.component for one in snapshot.hardware.summary.findings} == {"board", "memory"}


async def test_a_machine_without_a_bmc_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    async def board(machine: Machine) -> Section:
        return BoardSection()

    snapshot = await audit_with(monkeypatch, board=board, psus=absent, sensors=absent)
    assert snapshot.hardware.summary.verdict == "OK"
    assert run_of(snapshot, "psus").status == "absent"


async def test_an_audit_takes_as_long_as_its_slowest_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(machine: Machine) -> Section | None:
        await asyncio.sleep(0.15)
        return None

    started = time.monotonic()
    await audit_with(monkeypatch, **dict.fromkeys(("storage", "network", "psus", "sensors", "gpus"), slow))
    # Five in a row would take 0.75 s; this tells side by side from one after another, it measures nothing.
    assert time.monotonic() - started < 0.6


async def test_progress_is_told_section_by_section(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(audit, "COLLECTORS", (Collector("gpus", absent, 1), Collector("network", fails, 1)))
    await run_audit(
        FakeMachine(), sections=["gpus", "network"], on_progress=lambda *told_: told.append(told_)
    )
    assert sorted(told) == [
        ("gpus", "absent"),
        ("gpus", "running"),
        ("network", "error"),
        ("network", "running"),
    ]
    assert told.index(("network", "running")) < told.index(("network", "error"))


async def test_firmware_alone_reads_what_it_is_made_of_and_shows_itself_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def disks(machine: Machine) -> Section:
        return StorageSection()

    monkeypatch.setattr(audit, "COLLECTORS", (Collector("storage", disks, 1),))
    snapshot = await run_audit(FakeMachine(), sections=["firmware"])
    assert snapshot.hardware.firmware is not None
    assert snapshot.hardware.storage is None
    assert snapshot.sections == ("firmware",)


async def test_a_table_of_firmware_that_lacks_a_section_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "COLLECTORS", (Collector("storage", fails, 1),))
    snapshot = await run_audit(FakeMachine(), sections=["firmware"])
    assert snapshot.hardware.summary.verdict == "Unknown"


async def test_a_table_of_firmware_that_cannot_be_made_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def disks(machine: Machine) -> Section:
        return StorageSection()

    def broken(hardware: Hardware) -> Section:
        raise KeyError("nvme0")

    monkeypatch.setattr(audit, "COLLECTORS", (Collector("storage", disks, 1),))
    monkeypatch.setattr("bee_audit.collectors.firmware.firmware_table", broken)
    snapshot = await run_audit(FakeMachine())
    assert snapshot.hardware.storage is not None
    assert run_of(snapshot, "firmware").status == "error"
    assert snapshot.hardware.summary.verdict == "Unknown"


async def test_a_site_file_that_is_broken_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "COLLECTORS", ())
    machine = FakeMachine(files={"/etc/bee/thresholds.toml": "[storage"})
    snapshot = await run_audit(machine, sections=[])
    assert [one.rule for one in snapshot.hardware.summary.findings] == ["audit.site-thresholds"]


class Starting(FakeMachine):
    """A machine whose disk is there when udev has settled."""

    found = False

    async def run(self, *argv: str, deadline_seconds: float, output_limit_bytes: int = 0) -> ToolResult:
        assert argv[:2] == ("udevadm", "settle")
        await asyncio.sleep(0.05)
        self.found = True
        return ToolResult(argv, 0, b"", b"", 0.05)


async def test_an_audit_right_after_power_on_waits_until_the_disks_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def disks(machine: Machine) -> Section:
        assert isinstance(machine, Starting)
        return StorageSection(disks=(Disk(id="sda", kind="hdd"),) if machine.found else ())

    monkeypatch.setattr(audit, "COLLECTORS", (Collector("storage", disks, 0.02),))
    snapshot = await run_audit(Starting(), sections=["storage"])
    assert snapshot.hardware.storage is not None
    assert [disk.id for disk in snapshot.hardware.storage.disks] == ["sda"]


async def test_an_udev_that_cannot_be_asked_leaves_the_machine_unproven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "COLLECTORS", ())
    killed = ToolResult(("udevadm",), -9, b"", b"", 0.3)
    machine = FakeMachine(tools={"udevadm settle *": killed}, files={"/run/udev/control": ""})
    summary = (await run_audit(machine, sections=[])).hardware.summary
    assert [(one.rule, one.severity) for one in summary.findings] == [("audit.devices-late", "Unknown")]
    assert "-9" in summary.findings[0].message


@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        (ToolResult(("udevadm",), 1, b"", b"Timed out", 120.02), ["audit.devices-late"]),
        (ToolHung("udevadm settle did not end within 125 s"), ["audit.devices-late"]),
        # A container: nobody is there who could be asked.
        (ToolResult(("udevadm",), 1, b"", b"Failed to connect to udev daemon", 0.01), []),
        (ToolResult(("udevadm",), 0, b"", b"", 14.0), []),
    ],
)
async def test_a_driver_that_hangs_leaves_the_machine_unproven(
    monkeypatch: pytest.MonkeyPatch, answer: ToolAnswer, rules: list[str]
) -> None:
    monkeypatch.setattr(audit, "COLLECTORS", ())
    snapshot = await run_audit(FakeMachine(tools={"udevadm settle *": answer}), sections=[])
    summary = snapshot.hardware.summary
    assert [one.rule for one in summary.findings] == rules
    assert summary.verdict == ("Unknown" if rules else "OK")


WORN = StorageSection(disks=(Disk(id="nvme0", kind="nvme", percentage_used=85),))


@pytest.mark.parametrize(
    ("site", "given", "layer"),
    [
        (None, "", None),
        ("storage.percentage_used = 80", "", "site"),
        (None, "storage.percentage_used = 80", "option"),
        ("storage.percentage_used = 99", "storage.percentage_used = 80", "option"),
        ("storage.percentage_used = 80", "storage.percentage_used = 99", None),
    ],
)
async def test_the_caller_s_limits_are_over_the_site_s_and_those_over_ours(
    monkeypatch: pytest.MonkeyPatch, site: str | None, given: str, layer: str | None
) -> None:
    async def disks(machine: Machine) -> Section:
        return WORN

    monkeypatch.setattr(audit, "COLLECTORS", (Collector("storage", disks, 1),))
    files: dict[str, str | bytes | OSError] = {} if site is None else {"/etc/bee/thresholds.toml": site}
    snapshot = await run_audit(FakeMachine(files=files), sections=["storage"], limits=given)
    found = [one for one in snapshot.hardware.summary.findings if one.value == 85]
    assert [one.threshold.layer for one in found if one.threshold] == ([layer] if layer else [])


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("storage.nvme_wear = 3", "there is no threshold storage.nvme_wear; known: "),
        ("gpus.remapped_rows = 3", "judged by another service"),
        ("sat.anything = 3", "judged by another service"),
        ('storage.percentage_used = "much"', "must be of the kind of"),
        ("storage.percentage_used = nan", "finite"),
        ("storage", "not TOML"),
        ("#" * 20_000, "longer than 16384"),
    ],
)
def test_limits_that_cannot_be_used_are_refused_before_the_audit(limits: str, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        audit_options({"limits": limits})


def test_a_rule_that_fails_is_a_finding() -> None:
    def broken(hardware: Hardware, thresholds: Thresholds):  # type: ignore[no-untyped-def]
        yield finding("Warning")
        raise ZeroDivisionError("no disks")

    findings = list(judge(NOTHING, built_in(), [broken]))
    assert [(one.rule, one.severity) for one in findings] == [("audit.rule-failed", "Unknown")]
    assert "no disks" in findings[0].message


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ([], "OK"),
        (["Warning"], "Warning"),
        (["Unknown"], "Unknown"),
        (["Unknown", "Warning"], "Warning"),
        (["Unknown", "Warning", "Critical"], "Critical"),
    ],
)
def test_the_verdict_is_that_of_the_worst_finding(severities: list[Severity], verdict: str) -> None:
    summary = summarise(finding(severity) for severity in severities)
    assert summary.verdict == verdict
    assert summary.failure_count + summary.warning_count + summary.unknown_count == len(severities)


def test_a_hundred_things_unread_are_told_in_a_bounded_list() -> None:
    hardware = Hardware(
        summary=NOTHING.summary, storage=StorageSection(problems=tuple(f"disk {n}" for n in range(100)))
    )
    runs = [CollectorRun(name="storage", status="partial", duration_seconds=0.1)]
    findings = list(evidence_findings(hardware, runs))
    assert len(findings) == 21
    assert findings[-1].message.startswith("80 more things")


def test_no_rule_finds_fault_with_an_empty_inventory() -> None:
    hardware = Hardware(
        summary=NOTHING.summary,
        board=BoardSection(),
        cpus=CpusSection(),
        memory=MemorySection(),
        storage=StorageSection(),
    )
    assert list(judge(hardware, built_in())) == []
    assert list(judge(NOTHING, built_in())) == []
