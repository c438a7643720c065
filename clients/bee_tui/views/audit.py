"""The audit: run it, see how far it is, read what it found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_bus.units import several
from bee_bus.words import ago
from bee_tui.palette import style_of
from bee_tui.screen import Key, Screen
from bee_tui.views.findings import FindingLine
from bee_tui.views.sections import SectionScreen
from bee_tui.widgets import Bar, Markup, Pressable, Scroll, solid

if TYPE_CHECKING:
    from bee_bus.inventory import Inventory, SectionView
    from bee_tui.app import App
    from bee_tui.models.audit import AuditModel, Progress

_NAME_COLUMNS = 11
_CELLS, _CELL_COLUMNS = 4, 20  # in a line, of a section and its state, while an audit runs

# How a collector's status is shown, and whether all is well with it.
STATUS_STYLES = {
    "waiting": "quiet",
    "running": "running",
    "ok": "OK",
    "absent": "quiet",
    "partial": "Warning",
    "error": "Critical",
    "timeout": "Critical",
}
STATUS_WORDS = {
    "absent": "none",
    "partial": "read in part",
    "error": "could not be read",
    "timeout": "did not answer",
}


class Audit(Screen):
    title = "Audit"

    def __init__(self, app: App, model: AuditModel) -> None:
        super().__init__(app, model)
        self._model = model
        self._verdict = urwid.Text("")
        self._bar = Bar()
        self._collectors = urwid.Text("", wrap="clip")
        self._progress = urwid.Pile([])
        self._list = Scroll()
        self._shown: object = self  # what the list was made of
        self._was_running = False

    def body(self) -> urwid.Widget:
        head = urwid.Pile([("pack", self._verdict), ("pack", self._progress), ("pack", urwid.Divider("─"))])
        return urwid.Frame(self._list, header=head)

    def keys(self) -> Sequence[Key]:
        if self._model.progress is not None:
            return ()
        return (Key(("f5", "a"), "audit now", self._run),)

    def refresh(self) -> None:
        model = self._model
        self._verdict.set_text(solid(_headline(model, time.time())))
        self._show_progress(model.progress)
        shown = (model.known, model.inventory)
        if shown != self._shown:
            self._shown = shown
            self._list.replace(self._lines(model.inventory) if model.known else [])
        running = model.progress is not None
        if self._was_running and not running and not model.failure:
            self.app.say("The audit has ended.")
        self._was_running = running

    def _run(self) -> None:
        self.app.work(self._model.run(), "Starting the audit")

    def _show_progress(self, progress: Progress | None) -> None:
        if progress is None:
            self._progress.contents = []
            return
        self._bar.show(progress.share, f"{clean(progress.kind)} {progress.share:.0%}")
        self._collectors.set_text(_cells(progress))
        options = self._progress.options("pack")
        self._progress.contents = [(self._bar, options), (self._collectors, options)]

    def _lines(self, inventory: Inventory | None) -> list[urwid.Widget]:
        if inventory is None:
            return [
                Pressable([("title", "  Audit this machine now")], self._run),
                urwid.Divider(),
                urwid.Text(
                    "  It reads all hardware and judges it. It changes nothing, and takes some seconds."
                ),
            ]
        findings = [FindingLine(one, self.app.explain) for one in inventory.findings]
        between = [urwid.Divider()] if findings else []
        return [
            *findings,
            *between,
            *(Pressable(_section_line(one), partial(self._open, one.name)) for one in inventory.sections),
        ]

    def _open(self, name: str) -> None:
        self.app.push(SectionScreen(self.app, self._model, name))


def _headline(model: AuditModel, now: float) -> Markup:
    if model.failure:
        return [("trouble", f" The last audit failed: {clean(model.failure)}")]
    inventory = model.inventory
    if not model.known:
        return ("quiet", " looking")
    if inventory is None:
        return [("Unknown", " UNKNOWN"), "  this machine has not been audited since it started"]
    machine = clean(" ".join(part for part in (inventory.machine, inventory.serial) if part), limit=70)
    source = clean(inventory.expected_source, limit=40)
    return [
        (style_of(inventory.verdict), f" {inventory.verdict.upper()}"),
        f"  {counts(inventory)}",
        ("quiet", f"  audited {_when(inventory, now)} in {inventory.duration_seconds:.1f} s"),
        f"\n {machine}" if machine else "",
        ("quiet", f"\n compared with what must be there: {source}") if source else "",
    ]


def counts(inventory: Inventory) -> str:
    """How many findings of which severity, in words."""
    parts = [
        (inventory.failure_count, "critical"),
        (inventory.warning_count, "warning" if inventory.warning_count == 1 else "warnings"),
        (inventory.unknown_count, "not known"),
    ]
    return ", ".join(f"{count} {word}" for count, word in parts if count) or "nothing found wrong"


def _when(inventory: Inventory, now: float) -> str:
    try:
        then = datetime.fromisoformat(inventory.started_at).astimezone(UTC).timestamp()
    except ValueError:
        return clean(inventory.started_at)
    return ago(now - then)


def _cells(progress: Progress) -> Markup:
    cells: list[Markup] = []
    for number, (name, status) in enumerate(progress.collectors.items()):
        words = STATUS_WORDS.get(status, status) if status == "absent" else status
        if number and number % _CELLS == 0:
            cells.append("\n")
        cells.append(("quiet", f" {clean(name, limit=10):<10}"))
        cells.append((STATUS_STYLES.get(status, "Unknown"), f"{clean(words, limit=8):<{_CELL_COLUMNS - 11}}"))
    return cells


def _section_line(section: SectionView) -> Markup:
    style, words = section_state(section)
    return [
        ("title", f" {clean(section.name):<{_NAME_COLUMNS}}"),
        (style, f"{words:<20}"),
        ("quiet", several(len(section.components), "component") if section.components else ""),
    ]


def section_state(section: SectionView) -> tuple[str, str]:
    """The style and the word for a section: how reading it went, or what it is judged as."""
    if section.status != "ok":
        return STATUS_STYLES.get(section.status, "Unknown"), STATUS_WORDS.get(section.status, section.status)
    return style_of(section.verdict), section.verdict
