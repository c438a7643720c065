"""Acceptance runs: all of them, one, its files and its charts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from bee_bus.errors import BeeError
from bee_bus.sat_client import SatClient
from bee_bus.units import memory_size
from bee_charts.gpu_csv import CSV
from bee_web.documents import RunNow
from bee_web.handlers.base import Page
from bee_web.handlers.pages import list_runs
from bee_web.rendering import address
from bee_web.views import runs as views
from bee_web.views.charts import pictures
from bee_web.views.files import ARCHIVE, read_text, sorted_names
from bee_web.views.machine import finding_lines

RUNS_SHOWN = 200


class Runs(Page):
    async def get(self) -> None:
        runs, trouble = await list_runs(self)
        self.show(
            "runs.html",
            title="Runs",
            runs=views.run_lines(runs, self.house.live.runs.under_way, RUNS_SHOWN),
            runs_trouble=trouble,
            no_runs="" if trouble else "No acceptance run has been started yet.",
            scripts=("js/live.js",),
        )


class Run(Page):
    async def get(self, run: str) -> None:
        result = await self.house.reads.result(run)
        names: tuple[str, ...] = ()
        with suppress(BeeError):  # the result is what counts
            names = await self.house.reads.artifacts(run)
        now = self._now(run)
        options = ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in result.options.items() if value
        )
        self.show(
            "run.html",
            title=f"{result.pack} run",
            result=result,
            run_summary=now.step if result.status == "RUNNING" and now else views.summary(result),
            run_took=views.took(result),
            run_options=options,
            share=now.progress if now else None,
            doing=now.step if now else "",
            findings=finding_lines(views.all_findings(result)),
            steps=views.step_lines(result, now if result.status == "RUNNING" else None),
            measurements=views.measurements(result),
            counters=views.counters(result),
            files=sorted_names(names),
            has_archive=ARCHIVE in names,
            has_charts_page=CSV in names,
            scripts=("vendor/uPlot.iife.min.js", "js/run.js"),
            sheets=("vendor/uPlot.min.css",),
        )

    def _now(self, run: str) -> RunNow | None:
        under_way = self.house.live.runs.under_way
        return next((one for one in under_way if one.run == run and one.state != "finished"), None)


class File(Page):
    async def get(self, run: str, name: str) -> None:
        async with self.house.door.bus() as bus:
            with await SatClient(bus).open_artifact(run, name) as file:
                text = await asyncio.to_thread(read_text, file)
        self.show(
            "file.html",
            title=name,
            run=run,
            name=name,
            size=memory_size(text.size_bytes),
            download=address("api", "v1", "runs", run, "artifacts", name),
            parts=text.parts,
            remark=text.remark,
        )


class Charts(Page):
    async def get(self, run: str) -> None:
        charts = await self.house.charts.drawn(run)
        drawn = await asyncio.to_thread(pictures, charts)
        self.show("charts.html", title="Telemetry", run=run, charts=drawn, chart_sheet=True)


ROUTES: list[Any] = [
    (r"/runs", Runs),
    (r"/runs/([^/]{1,80})", Run),
    (r"/runs/([^/]{1,80})/charts", Charts),
    (r"/runs/([^/]{1,80})/files/(.{1,200})", File),
]
