"""Restart and switch off, never under work that is going on without a second word."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import urwid

from bee_bus.text import clean
from bee_tui.screen import Key, Screen
from bee_tui.widgets import Pressable, Scroll

if TYPE_CHECKING:
    from bee_bus.login1 import PowerAction
    from bee_bus.under_way import Work
    from bee_tui.app import App
    from bee_tui.models.glance import Job, JobsUnderWay
    from bee_tui.models.power import Power


class _Choice(NamedTuple):
    key: str
    action: PowerAction
    title: str
    words: str
    doing: str
    done: str


_CHOICES = (
    _Choice(
        "r", "Reboot", "Restart", "end all programs and start again", "Restarting", "This machine restarts."
    ),
    _Choice(
        "o",
        "PowerOff",
        "Switch off",
        "end all programs and cut the power",
        "Switching off",
        "This machine switches itself off.",
    ),
)

# What login1 says beforehand, where it is not "yes".
_CANNOT = {
    "na": "this machine cannot",
    "no": "this user may not",
    "challenge": "needs an administrator's password",
}


class PowerScreen(Screen):
    title = "Power"

    def __init__(self, app: App, model: Power, jobs: JobsUnderWay) -> None:
        super().__init__(app, model, jobs)
        self._model = model
        self._jobs = jobs
        self._lines = {one.action: Pressable("", partial(self._begin, one)) for one in _CHOICES}
        self._running = urwid.Text("")

    def body(self) -> urwid.Widget:
        return Scroll([urwid.Divider(), *self._lines.values(), urwid.Divider(), self._running])

    def keys(self) -> Sequence[Key]:
        return [Key((one.key,), "", partial(self._begin, one)) for one in _CHOICES]

    def refresh(self) -> None:
        for one in _CHOICES:
            can = self._model.can.get(one.action, "yes")
            why = _CANNOT.get(can) or ("" if can == "yes" else "a program holds it up now")
            beside = ("Warning", why) if why else ("quiet", f"{one.words}  ({one.key})")
            self._lines[one.action].set_text([("title", f"  {one.title:<12}"), beside])
        self._running.set_text(_running(self._jobs.jobs))

    def _begin(self, choice: _Choice) -> None:
        self.app.work(self._ask(choice), "Looking whether anything runs")

    async def _ask(self, choice: _Choice) -> None:
        self._question(choice, await self._model.under_way())

    def _question(self, choice: _Choice, known: tuple[Work, ...]) -> None:
        def answered(answer: asyncio.Future[bool]) -> None:
            if not answer.cancelled() and answer.result():
                self.app.work(self._act(choice, known), choice.doing)

        if known:
            question = (
                "Not while this is under way:\n\n"
                + "\n".join(clean(work.words) for work in known)
                + f"\n\n{choice.title} all the same? What runs is cut off, and its result is none."
            )
            asked = self.app.ask(question, yes=f"{choice.title} all the same")
        else:
            asked = self.app.ask(f"{choice.title} this machine now?", yes=choice.title)
        asked.add_done_callback(answered)

    async def _act(self, choice: _Choice, known: tuple[Work, ...]) -> None:
        """What began while the person thought about it was not agreed to."""
        now = await self._model.under_way()
        if {work.path for work in now} - {work.path for work in known}:
            self._question(choice, now)
            return
        await self._model.act(choice.action)
        self.app.say(choice.done)


def _running(jobs: Sequence[Job]) -> list[str | tuple[str, str]]:
    if not jobs:
        return [("quiet", "  Nothing runs.")]
    words: list[str | tuple[str, str]] = [("Warning", "  Under way, and cut off by either:")]
    for job in jobs:
        share = f" {job.progress:.0%}" if job.progress is not None else ""
        words += [
            "\n  ",
            ("running", f"{clean(job.kind.removeprefix('sat-'))}{share}"),
            f"  {clean(job.step)}",
        ]
    return words
