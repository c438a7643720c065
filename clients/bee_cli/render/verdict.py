"""The head of the page: which machine this is, and the verdict on it."""

from collections.abc import Sequence

from rich.panel import Panel

from bee_bus.documents.audit import Snapshot, Summary
from bee_bus.units import number
from bee_cli.facts import machine_facts
from bee_cli.render.page import SEVERITY_STYLES, Page


def put_verdict(page: Page, snapshot: Snapshot) -> None:
    machine = machine_facts(snapshot)
    summary = snapshot.hardware.summary
    if machine.title:
        page.put(page.cell(machine.title, "bold"))
    serial = f"serial {machine.serial or 'unknown'}   " if machine.title else ""
    kernel = f"   kernel {snapshot.kernel_release}" if snapshot.kernel_release else ""
    page.put(page.cell(f"{serial}host {machine.host}{kernel}"))
    page.put(_banner(page, summary, snapshot.sections))
    page.put(page.cell(_circumstances(snapshot), "dim"))
    if snapshot.given_limits:
        limits = ", ".join(snapshot.given_limits.split("\n")).rstrip(", ")
        page.put(page.cell(f"judged by limits of the caller's own: {limits}", "bold"))
    if snapshot.expected_source:
        page.put(page.cell(f"compared with what must be there: {snapshot.expected_source}", "dim"))


def _banner(page: Page, summary: Summary, sections: Sequence[str]) -> Panel:
    """The verdict in spaced capitals across the page, so that it is read from where one stands.

    A part of the machine that is in order must not look like a machine that is.
    """
    style = SEVERITY_STYLES.get(summary.verdict, SEVERITY_STYLES["Unknown"])
    text = page.cell(" ".join(summary.verdict.upper()), style)
    text.append("\n")
    only = f" - of {', '.join(sections)} only" if sections else ""
    text.append_text(page.cell(f"{counts(summary)}{only}", "not bold default"))
    text.justify = "center"
    return Panel(text, box=page.frame, border_style=style, padding=(0, 1))


def counts(summary: Summary) -> str:
    """How many findings of which severity, in words."""
    if not summary.findings:
        return "nothing found wrong"
    parts = [
        (summary.failure_count, "critical"),
        (summary.warning_count, "warning" if summary.warning_count == 1 else "warnings"),
        (summary.unknown_count, "not known"),
    ]
    return ", ".join(f"{count} {word}" for count, word in parts if count)


def _circumstances(snapshot: Snapshot) -> str:
    when = snapshot.started_at.replace("T", " ").replace("Z", " UTC")
    parts = [f"audited {when} in {number(snapshot.duration_seconds)} s", f"bee {snapshot.bee_version}"]
    return "   ".join(parts)
