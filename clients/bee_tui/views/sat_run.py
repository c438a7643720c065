"""A run: live while it is under way, and what came of it. Leaving the screen leaves the run."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_bus.words import lasting
from bee_tui.palette import style_of
from bee_tui.screen import Key, Screen
from bee_tui.views.charts import ChartLines
from bee_tui.views.sat_chart import ChartScreen
from bee_tui.views.sat_export import export
from bee_tui.views.sat_files import Files
from bee_tui.views.sat_result import StepScreen, headline, result_lines
from bee_tui.widgets import Bar, Markup, Pressable, Scroll

if TYPE_CHECKING:
    from bee_bus.documents.sat import SatResult
    from bee_charts import Chart, Series
    from bee_tui.app import App
    from bee_tui.models.sat_run import Progress, RunModel, Step

NVTOP = "nvtop"
NVIDIA = "nvidia"
_NOT_THERE = 127
_STATUS_COLUMNS = 12


class Run(Screen):
    """``nvtop``: open it at once, for who has just started the run."""

    def __init__(self, app: App, model: RunModel, *, nvtop: bool = False) -> None:
        super().__init__(app, model)
        self.title = clean(model.run)
        self._model = model
        self._open_nvtop = nvtop
        self._in_nvtop: asyncio.Task[None] | None = None
        self._head = urwid.Text("")
        self._bar = Bar()
        self._top = urwid.Pile([])
        self._list = Scroll()
        self._steps: dict[str, Pressable] = {}
        self._gpus: list[Pressable] = []
        self._shown: object = self  # what the list was made of
        self._was_running = False

    def body(self) -> urwid.Widget:
        return urwid.Frame(self._list, header=self._top)

    def keys(self) -> Sequence[Key]:
        keys: list[Key] = []
        model = self._model
        if model.progress is not None:
            if model.pack == NVIDIA and shutil.which(NVTOP):
                keys.append(Key(("o",), "nvtop", self._nvtop))
            if model.progress.cancelable:
                keys.append(Key(("a",), "abort", self._abort))
        if model.charts:
            keys.append(Key(("c",), "chart", self._show_chart))
        if model.result is not None:
            keys.append(Key(("e",), "export", partial(export, self.app, model)))
            keys.append(Key(("j",), "judge anew", self._judge))
        if model.result is not None or model.progress is not None:
            keys.append(Key(("f",), "files", self._files))
        return keys

    def entered(self) -> None:
        if self._open_nvtop and shutil.which(NVTOP):
            self._nvtop()
        self._open_nvtop = False

    def left(self) -> None:
        if self._model.progress is not None:
            self.app.say("The run goes on. Acceptance tests lists what is in progress.")

    def refresh(self) -> None:
        model = self._model
        progress, result = model.progress, model.result
        self._show_head(progress, result)
        shown = (
            result,
            tuple(step.name for step in model.steps) if result is None else (),
            len(model.charts),
        )
        if shown != self._shown:
            self._shown = shown
            self._list.replace(self._lines(result))
            if self._was_running and result is not None:
                self._list.walker.set_focus(0)
        if result is None:
            for step in model.steps:
                self._steps[step.name].set_text(_step_line(step))
            for line, chart in zip(self._gpus, model.charts, strict=True):
                line.set_text(_gpu_line(chart))
        if self._was_running and result is not None:
            self._ended(result)
        self._was_running = progress is not None

    # How.

    def _ended(self, result: SatResult) -> None:
        if self._in_nvtop is not None:
            self._in_nvtop.cancel()  # the result is what the person waits for
        self.app.say(f"The run has ended: {result.status}.")

    def _show_head(self, progress: Progress | None, result: SatResult | None) -> None:
        pack = f" {self._model.pack}  " if self._model.pack else " "
        rows: list[urwid.Widget] = [self._head]
        if result is not None:
            self._head.set_text(headline(result))
        elif progress is None:
            self._head.set_text([("title", pack), ("quiet", "looking")])
        else:
            self._head.set_text([("title", pack), *_running(progress)])
            self._bar.show(
                progress.share or 0.0, f"{progress.share:.0%}" if progress.share is not None else ""
            )
            rows.append(self._bar)
        rows.append(urwid.Divider("─"))
        self._top.contents = [(row, self._top.options("pack")) for row in rows]

    def _lines(self, result: SatResult | None) -> list[urwid.Widget]:
        charts = self._model.charts
        if result is not None:
            drawn: list[urwid.Widget] = [
                row for chart in charts for row in (urwid.Divider(), ChartLines(chart))
            ]
            if self._model.drawing and not drawn:
                drawn = [urwid.Divider(), urwid.Text(("quiet", " The charts are being drawn ..."))]
            return [*result_lines(result, self.app, self._open_step), *drawn]
        self._steps = {
            step.name: Pressable("", partial(self._look_at_step, step.name)) for step in self._model.steps
        }
        self._gpus = [Pressable("", partial(self._show_chart, number)) for number in range(len(charts))]
        return [*self._steps.values(), *([urwid.Divider(), *self._gpus] if self._gpus else [])]

    def _show_chart(self, number: int = 0) -> None:
        self.app.push(ChartScreen(self.app, self._model, number))

    def _nvtop(self) -> None:
        if self._in_nvtop is None or self._in_nvtop.done():
            self._in_nvtop = self.app.work(self._show_nvtop(), "Opening nvtop")

    async def _show_nvtop(self) -> None:
        if await self.app.give_terminal([NVTOP]) == _NOT_THERE:
            self.app.say("nvtop cannot be started; the run goes on without it.", "Warning")

    def _abort(self) -> None:
        question = "End this run now?\n\nThe load stops within two seconds. What was recorded stays."
        self.app.ask(question, yes="End the run", no="Go on").add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[bool]) -> None:
        if not answer.cancelled() and answer.result() and self._model.progress is not None:
            self.app.work(self._model.cancel(), "Ending the run")

    def _judge(self) -> None:
        self.app.work(self._judge_anew(), "Judging anew")

    async def _judge_anew(self) -> None:
        shown = self._model.result
        result = await self._model.recompute()
        if result == shown:
            self.app.say(f"Judged anew from the records, it is the same: {result.status}.")
        else:
            text = f"The records say {result.status} now.\n\n{result.reason or 'No reason is given.'}"
            self.app.explain("Judged anew, it is not the same", text)

    def _files(self) -> None:
        self.app.work(self._list_files(), "Listing the files")

    async def _list_files(self) -> None:
        names = await self._model.artifacts()
        if self.app.top is self:
            self.app.push(Files(self.app, self._model, names))

    def _look_at_step(self, name: str) -> None:
        self.app.work(self._read_step(name), "Reading the step")

    async def _read_step(self, name: str) -> None:
        result = await self._model.result_so_far()
        if self.app.top is self:
            self._open_step(result, name)

    def _open_step(self, result: SatResult, name: str) -> None:
        step = next((one for one in result.steps if one.name == name), None)
        if step is None:
            self.app.say("Nothing is recorded of this step yet.")
        else:
            self.app.push(StepScreen(self.app, self._model, step))


def _running(progress: Progress) -> list[Markup]:
    so_far = lasting(max(0.0, time.time() - progress.started_at)) if progress.started_at else ""
    word = "RUNNING" if progress.state == "running" else progress.state.upper()
    return [("running", word), f"  {so_far}  {clean(progress.doing, limit=60)}"]


def _step_line(step: Step) -> Markup:
    share = f"{step.share:4.0%}" if step.status == "running" and step.share is not None else ""
    return [
        (style_of(step.status), f" {step.status:<{_STATUS_COLUMNS}}"),
        ("title", f"{clean(step.name):<19}"),
        f"{share:<6}",
        ("quiet", clean(step.doing)) if step.doing else "",
    ]


def _gpu_line(chart: Chart) -> Markup:
    """A GPU and its last values, in the colours of its chart."""
    parts: list[Markup] = [("title", f" {chart.title}")]
    for one in chart.series:
        parts += ["  ", (one.colour, _last(one))]
    return parts


def _last(series: Series) -> str:
    known = series.curve.summary
    return f"{known.last:.0f} {series.unit}" if known is not None else f"- {series.unit}"
