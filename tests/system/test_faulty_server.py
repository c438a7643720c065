"""The server after a bad week: every fault that was built into it is a finding, and nothing else is."""

import msgspec
import pytest

from bee_bus.documents.audit import Finding, Snapshot
from lab import hardware
from lab.server import Server

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def findings(faulty: Server) -> list[Finding]:
    ended = faulty.run("bee audit --json", check=False, deadline_seconds=300)
    assert ended.returncode == 2, (
        ended.stderr + faulty.run("journalctl --unit=bee-auditd.service | tail -40").stdout
    )
    snapshot = msgspec.json.decode(ended.stdout, type=Snapshot)
    assert snapshot.hardware.summary.verdict == "Critical"
    return list(snapshot.hardware.summary.findings)


def about(findings: list[Finding], section: str, words: str) -> list[Finding]:
    """The findings of a section that say ``words`` in the place or the message."""
    return [
        each
        for each in findings
        if each.component.startswith(f"{section}/")
        and words in f"{each.component} {each.where} {each.message}"
    ]


def test_the_hot_processor(findings: list[Finding]) -> None:
    [finding] = about(findings, "sensors", "CPU2 Temp")
    assert (finding.severity, finding.value) == ("Critical", 97)


def test_the_power_supply_without_input(findings: list[Finding]) -> None:
    hit = [
        each
        for each in findings
        if each.component.startswith(("psus/", "sensors/")) and "input" in each.message
    ]
    assert [each.severity for each in hit].count("Critical") >= 1
    assert any(hardware.PSU_SERIALS[1] in each.where for each in hit)


def test_the_event_log_remembers_it(findings: list[Finding]) -> None:
    [finding] = about(findings, "bmc", "input lost")
    assert finding.component == "bmc/sel"


def test_the_empty_channel(findings: list[Finding]) -> None:
    assert about(findings, "memory", "P2-DIMMF1")


def test_the_slow_module(findings: list[Finding]) -> None:
    [finding] = [
        each for each in about(findings, "memory", "P2-DIMMG1") if "4400" in f"{each.message} {each.value}"
    ]
    assert "4800" in f"{finding.message} {finding.threshold}"


def test_the_modules_that_do_not_match(findings: list[Finding]) -> None:
    assert about(findings, "memory", "Micron") or about(findings, "memory", "P2-DIMMH1")


def test_the_card_that_the_kernel_does_not_see(findings: list[Finding]) -> None:
    [finding] = about(findings, "pcie", "Onboard LAN2")
    assert "0000:00:1d.0" in f"{finding.where} {finding.message}"


def test_every_finding_says_where_and_what_next(findings: list[Finding]) -> None:
    for finding in findings:
        assert finding.where
        assert finding.next_step
        assert finding.message.endswith(".") or finding.message


def test_nothing_else_is_wrong(findings: list[Finding]) -> None:
    assert [
        each for each in findings if each.component.startswith(("storage/", "network/", "cpus/", "board/"))
    ] == []
    # Whether the missing card is switched off in the firmware cannot be seen from here.
    assert [each.component for each in findings if each.severity == "Unknown"] == ["pcie/Onboard LAN2"]
