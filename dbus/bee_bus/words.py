"""Times and states in words."""

from bee_bus.units import several


def ago(seconds: float) -> str:
    """ "3 minutes ago"."""
    if seconds < 0:
        return "in the future: check the clock"
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{several(int(seconds // size), unit)} ago"
    return f"{int(seconds)} s ago"


def lasting(seconds: float) -> str:
    """ "4 s", "2:05" minutes, "1:02:05" hours."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


# The states of org.bee.Gpu1, for people.
GPU_STATES = {
    "": "looking",
    "no-gpu": "none in this machine",
    "no-driver": "no driver is loaded",
    "no-library": "the driver's library is missing",
    "version-mismatch": "driver and library are of different versions",
    "not-answering": "the driver does not answer",
}
