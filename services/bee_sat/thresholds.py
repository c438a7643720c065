"""The limits of acceptance runs: each number stands in ``limits/*.toml`` (see bee_bus.thresholds).

A site's file may change those of the area ``sat``; all others in it are judged by other services.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bee_bus.documents.findings import Finding, Threshold
from bee_bus.thresholds import SITE_FILE, ThresholdError, Thresholds, from_files
from bee_machine import Machine

LIMITS_FOLDER = Path(__file__).parent / "limits"
AREA = "sat"


@cache
def built_in() -> Thresholds:
    """The limits that the service ships."""
    return from_files(sorted(LIMITS_FOLDER.glob("*.toml")))


async def limits_in_force(machine: Machine) -> tuple[Thresholds, tuple[Finding, ...]]:
    """The limits with the site's over them. A site file that cannot be used is a finding (Unknown): what
    the site wants judged is not judged then.
    """
    try:
        text = (await machine.read_bytes(SITE_FILE)).decode()
        return built_in().layered(text, "site", SITE_FILE, only=AREA), ()
    except FileNotFoundError:
        return built_in(), ()
    except (ThresholdError, OSError, UnicodeDecodeError) as error:
        return built_in(), (
            Finding(
                rule="sat.site-thresholds",
                severity="Unknown",
                component="sat",
                where=SITE_FILE,
                message=f"The site's thresholds are not in force: {error}",
                next_step=f"Correct {SITE_FILE} and run again.",
            ),
        )


def recorded(limits: Thresholds) -> tuple[Threshold, ...]:
    """The limits as RunStarted keeps them."""
    return tuple(limits[name] for name in limits.names())


def from_record(thresholds: Iterable[Threshold]) -> Thresholds:
    """The limits that a run was started with; those that it did not know yet are the built-in ones."""
    table = {one.name: one for one in (*recorded(built_in()), *thresholds)}
    return Thresholds(table)
