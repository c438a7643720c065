"""Whether the machine has what it must have, as the audit compared it before the load.

A load proves the parts that are there. One that is dead enough to be on no bus fails none.
"""

from msgspec.structs import replace

from bee_bus.documents.sat import Completed, Outcome
from bee_sat.steps import Looks, Step, StepContext

NAME = "expected"
RULES = "expected."
DEADLINE_SECONDS = 60


def complete_step(before: Looks, section: str) -> Step | None:
    """None where nobody says what the machine must have. ``section``: of the audit, with the tested parts."""
    if before.audit is None or not before.audit.expected_source:
        return None
    source = before.audit.expected_source
    findings = [
        replace(one, message=f"before the load already: {one.message}")
        for one in before.audit.hardware.summary.findings
        if one.rule == "audit.expected-file" or (one.rule.startswith(RULES) and one.component == section)
    ]

    async def work(context: StepContext) -> Outcome:
        for finding in findings:
            context.find(finding)
        return Completed(result="pass")

    return Step(
        name=NAME,
        title=f"{section}: what {source} says must be there",
        work=work,
        deadline_seconds=DEADLINE_SECONDS,
        share=1,
    )
