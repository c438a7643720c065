"""Whether errors that the memory's own ECC corrects would be seen at all while a test runs."""

from bee_bus.documents.findings import Finding
from bee_sat.steps import Looks

NO_ECC = (None, "None", "Other", "Unknown")


def errors_uncounted(before: Looks) -> Finding | None:
    """ECC memory without EDAC counters: a test that passes then says nothing of corrected errors.

    None where the counters are there, where the memory has no ECC, and where the look itself failed, which is
    told elsewhere.
    """
    section = before.audit.hardware.memory if before.audit else None
    if section is None or section.controllers:
        return None
    kinds = {array.error_correction for array in section.arrays} - set(NO_ECC)
    if not kinds:
        return None
    return Finding(
        rule="memory.errors-uncounted",
        severity="Warning",
        component="memory",
        where="memory",
        message=f"the memory has ECC ({', '.join(sorted(map(str, kinds)))}) and the kernel counts none of "
        "its errors: those that it corrects are not seen",
        next_step="Look whether the BIOS keeps memory errors to itself, and for them in the BMC's event log.",
    )
