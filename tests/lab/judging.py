"""Rules over a fake machine's sections: what a test of a rule asks for."""

from collections.abc import Iterable

from bee_audit.collectors import board, cpus, memory
from bee_audit.rules import Rule
from bee_audit.rules.thresholds import Thresholds, built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from bee_machine import Machine

NOT_JUDGED = Summary(verdict="OK", failure_count=0, warning_count=0, unknown_count=0, findings=())


async def firmware_sections(machine: Machine) -> Hardware:
    """The sections that stand on SMBIOS."""
    return Hardware(
        summary=NOT_JUDGED,
        board=await board.collect(machine),
        cpus=await cpus.collect(machine),
        memory=await memory.collect(machine),
    )


def findings(hardware: Hardware, rules: Iterable[Rule], limits: Thresholds | None = None) -> list[Finding]:
    """What the rules find; each finding must say all that a person needs."""
    found = [finding for rule in rules for finding in rule(hardware, limits or built_in())]
    for finding in found:
        assert finding.where and finding.message and finding.next_step.endswith(".")
        assert finding.rule.partition(".")[0] == finding.component.partition("/")[0]
    return found


def said(found: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """Rule, severity and component of each finding."""
    return [(finding.rule, finding.severity, finding.component) for finding in found]
