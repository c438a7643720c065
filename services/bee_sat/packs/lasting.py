"""Whether a load lasted as long as it was told to.

stress-ng and stressapptest that are told to end by a signal end in good order, say that all is well, and
their exit code is 0. A program that goes by the clock of the day ends early too when that is set forward.
"""

from bee_bus.documents.sat import Errored

WHOLE = 0.9
MOMENT_SECONDS = 1.0  # programs count whole seconds, and begin to count when they have started


def cut_short(program: str, lasted_seconds: float, promised_seconds: float) -> Errored | None:
    """What is to be said of a load that ended well before its time; None for one that did not."""
    if lasted_seconds >= promised_seconds * WHOLE - MOMENT_SECONDS:
        return None
    return Errored(
        reason=f"{program} ended after {lasted_seconds:.0f} of {promised_seconds:.0f} s: somebody told it "
        "to, or the clock was set meanwhile; run again"
    )
