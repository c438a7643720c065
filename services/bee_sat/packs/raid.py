"""RAID controllers and the kernel's arrays, as the audit sees them.

No self-test reaches them, and a drive that has failed behind one is no disk any more that a step could test.
"""

from msgspec.structs import replace

from bee_bus.documents.sat import Completed, Outcome
from bee_bus.documents.storage import StorageSection
from bee_sat.standing import audited
from bee_sat.steps import Step, StepContext

NAME = "raid"
DEADLINE_SECONDS = 60


def raid_step(section: StorageSection) -> Step | None:
    """None for a machine without RAID."""
    ids = [one.id for one in section.controllers if one.raid or one.drives or one.volumes]
    ids += [array.id for array in section.arrays]
    if not ids:
        return None
    components = {f"storage/{one}" for one in ids}

    async def work(context: StepContext) -> Outcome:
        snapshot = context.before.audit
        for finding in audited(snapshot, *components):
            context.find(finding)
        for finding in snapshot.hardware.summary.findings if snapshot else ():
            # Their state is all that this step has to say: where nobody knows it, nothing is proven.
            if finding.severity == "Unknown" and finding.component in components:
                context.find(replace(finding, message=f"before the load already: {finding.message}"))
        return Completed(result="pass")

    return Step(
        name=NAME,
        title=f"{', '.join(ids)}: RAID as the audit sees it",
        work=work,
        deadline_seconds=DEADLINE_SECONDS,
        share=1,
    )
