"""All rules over all facts, and the verdict that their findings add up to."""

import logging
from collections.abc import Iterable, Iterator

from bee_audit.rules import Rule, bmc, board, cpus, gpus, memory, network, pcie, psus, sensors, storage
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Summary, Verdict

log = logging.getLogger(__name__)

RULES: tuple[Rule, ...] = (
    *board.RULES,
    *cpus.RULES,
    *memory.RULES,
    *storage.RULES,
    *pcie.RULES,
    *network.RULES,
    *psus.RULES,
    *sensors.RULES,
    *bmc.RULES,
    *gpus.RULES,
)

# The worst first. A known fault is a firmer statement than something that was not seen, and neither is OK.
VERDICT_ORDER: tuple[Verdict, ...] = ("Critical", "Warning", "Unknown", "OK")


def judge(hardware: Hardware, thresholds: Thresholds, rules: Iterable[Rule] = RULES) -> Iterator[Finding]:
    """The findings of every rule. A rule that fails is a finding too: its silence must not look like OK."""
    for rule in rules:
        try:
            yield from list(rule(hardware, thresholds))
        except Exception as error:
            log.exception("rule %s failed", rule.__qualname__)
            area = rule.__module__.rpartition(".")[2]
            yield Finding(
                rule="audit.rule-failed",
                severity="Unknown",
                component=area,
                where=area,
                message=f"The rule {rule.__name__} could not be applied: {type(error).__name__}: {error}",
                next_step="Send the output of `bee capture` to the authors of bee.",
            )


def summarise(findings: Iterable[Finding]) -> Summary:
    """The summary of all findings, the worst first, and the verdict: that of the worst."""
    ordered = sorted(
        findings, key=lambda one: (VERDICT_ORDER.index(one.severity), one.component, one.rule, one.message)
    )
    counts = {severity: sum(one.severity == severity for one in ordered) for severity in VERDICT_ORDER}
    return Summary(
        verdict=next((verdict for verdict in VERDICT_ORDER if counts[verdict]), "OK"),
        failure_count=counts["Critical"],
        warning_count=counts["Warning"],
        unknown_count=counts["Unknown"],
        findings=tuple(ordered),
    )
