"""The acceptance tests: what runs, what can be run, what was run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_bus.words import lasting
from bee_tui.palette import style_of
from bee_tui.screen import Screen
from bee_tui.widgets import Markup, Pressable, Scroll

if TYPE_CHECKING:
    from bee_bus.documents.sat import SatPack, SatRun
    from bee_tui.app import App
    from bee_tui.models.glance import Job, JobsUnderWay
    from bee_tui.models.sat_runs import Runs
    from bee_tui.models.sat_setup import Packs

Open = Callable[[str], Screen]

_NAME_COLUMNS = 16
_STATUS_COLUMNS = 12
_PACK_COLUMNS = 9
_RUN_KIND = "sat-"
_NO_RUN = ("sat-recovery",)  # work of the service's own


class AcceptanceTests(Screen):
    """Runs under way, whoever started them, and a form for each pack."""

    title = "Acceptance tests"

    def __init__(
        self, app: App, packs: Packs, jobs: JobsUnderWay, *, open_form: Open, open_run: Open
    ) -> None:
        super().__init__(app, packs, jobs)
        self._packs = packs
        self._jobs = jobs
        self._open_form = open_form
        self._open_run = open_run
        self._list = Scroll()
        self._shown: object = self

    def body(self) -> urwid.Widget:
        return self._list

    def refresh(self) -> None:
        shown = (self._packs.packs, runs_of(self._jobs.jobs))
        if shown != self._shown:
            self._shown = shown
            self._list.replace(self._lines(*shown))

    def _lines(self, packs: tuple[SatPack, ...] | None, jobs: Sequence[Job]) -> list[urwid.Widget]:
        lines: list[urwid.Widget] = []
        if jobs:
            lines += [urwid.Text(("title", " In progress"))]
            lines += [Pressable(_job_line(job), partial(self._go, self._open_run, job.id)) for job in jobs]
            lines += [urwid.Divider()]
        lines += [urwid.Text(("title", " Start a test"))]
        if packs is None:
            return [*lines, urwid.Text(("quiet", "   looking"))]
        return [*lines, *(self._pack_line(pack) for pack in packs)]

    def _pack_line(self, pack: SatPack) -> Pressable:
        return Pressable(
            ("quiet", clean(re.split("[,;]", pack.summary)[0])),  # the form has all of it
            partial(self._go, self._open_form, pack.name),
            label=("title", f"   {clean(pack.title)}"),
            label_columns=_NAME_COLUMNS,
        )

    def _go(self, door: Open, name: str) -> None:
        self.app.push(door(name))


class Results(Screen):
    """All runs there are records of, newest first."""

    title = "Results"

    def __init__(self, app: App, runs: Runs, *, open_run: Open) -> None:
        super().__init__(app, runs)
        self._runs = runs
        self._open_run = open_run
        self._list = Scroll()
        self._shown: object = self

    def body(self) -> urwid.Widget:
        return self._list

    def refresh(self) -> None:
        if self._runs.runs != self._shown:
            self._shown = self._runs.runs
            self._list.replace(self._lines(self._runs.runs))

    def _lines(self, runs: Sequence[SatRun] | None) -> list[urwid.Widget]:
        if runs is None:
            return [urwid.Text(("quiet", " looking"))]
        if not runs:
            return [urwid.Text(" No acceptance test has been run yet: see Acceptance tests.")]
        return [Pressable(_run_line(run), partial(self._go, run.run)) for run in runs]

    def _go(self, run: str) -> None:
        self.app.push(self._open_run(run))


def runs_of(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """The acceptance runs among the jobs."""
    return tuple(job for job in jobs if job.kind.startswith(_RUN_KIND) and job.kind not in _NO_RUN)


def moment(text: str) -> str:
    """ "2026-11-22 19:01 UTC" of RFC 3339."""
    return f"{clean(text[:16].replace('T', ' '))} UTC" if text else ""


def took(started: str, finished: str | None) -> str:
    """How long it was, empty where that is not known."""
    try:
        begin, end = datetime.fromisoformat(started), datetime.fromisoformat(finished or "")
    except ValueError:
        return ""
    return lasting((end - begin).total_seconds())


def _job_line(job: Job) -> Markup:
    share = f"{job.progress:4.0%}" if job.progress is not None else ""
    return [
        ("running", f"   {clean(job.kind.removeprefix(_RUN_KIND)):<{_NAME_COLUMNS - 3}}"),
        f"{share:<6}{clean(job.step, limit=50)}",
    ]


def _run_line(run: SatRun) -> Markup:
    parts = [moment(run.started_at), took(run.started_at, run.finished_at)]
    reason = f"\n{'':{_STATUS_COLUMNS + 1}}{clean(run.reason)}" if run.reason else ""
    return [
        (style_of(run.status), f" {run.status:<{_STATUS_COLUMNS}}"),
        ("title", f"{clean(run.pack) or '?':<{_PACK_COLUMNS}}"),
        "  ".join(filter(None, parts)),
        ("quiet", f"  {clean(run.run)}"),
        reason,
    ]
