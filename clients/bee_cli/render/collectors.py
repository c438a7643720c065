"""How the reading went, where it did not go well."""

from collections.abc import Sequence

from bee_bus.documents.audit import CollectorRun
from bee_cli.render.page import SEVERITY_STYLES, Page

_IN_WORDS = {"partial": "read in part", "error": "could not be read", "timeout": "did not answer"}


def put_collectors(page: Page, runs: Sequence[CollectorRun]) -> None:
    """The sections that failed or are incomplete, and those that this machine does not have, in one line."""
    troubled = [run for run in runs if run.status in _IN_WORDS]
    absent = [run.name for run in runs if run.status == "absent"]
    if not troubled and not absent:
        return
    page.heading("reading")
    for run in troubled:
        words = f"{_IN_WORDS[run.status]} ({run.duration_seconds:.1f} s)"
        page.line(page.cell(f"{run.name:<9}", SEVERITY_STYLES["Unknown"]), words)
        if run.error:
            page.line(run.error, indent=11)
    if absent:
        page.line(f"no source on this machine: {', '.join(absent)}")
