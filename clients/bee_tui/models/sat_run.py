"""One acceptance run: how far it is while it is under way, whoever started it, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bee_bus.documents.sat import SatResult
from bee_bus.errors import BeeError, NotFound, in_words
from bee_tui.model import Model, Trouble

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from bee_bus.client import Bus
    from bee_bus.sat_client import SatClient, SatRunClient
    from bee_bus.udisks2 import Stick
    from bee_charts import Chart
    from bee_charts.gpu_csv import GpuMetrics
    from bee_tui.models.sat_files import Text

TICK_SECONDS = 1.0
METRICS_BYTES = 1 << 20  # read at once
LOOKS_MAX = 10  # at a run whose end nobody has written: damaged records may never have one


class Step(NamedTuple):
    """A step of a run under way. ``share``: 0 to 1, None where it is not known."""

    name: str
    status: str
    doing: str
    share: float | None


class Progress(NamedTuple):
    """A run under way. ``share`` as for a step; ``started_at``: seconds since 1970, 0 while it waits."""

    state: str
    doing: str
    share: float | None
    started_at: float
    cancelable: bool


class RunModel(Model):
    """``progress``: while it is under way. ``result``: when it has ended. None of both: not yet known.

    ``pack``, ``options``, ``steps``: as far as they are known. ``charts``: of the GPUs, live; ``drawing``:
    they are being made of what a run that has ended left.
    """

    def __init__(self, run: str, address: str | None = None) -> None:
        super().__init__(address)
        self.run = run
        self.pack = ""
        self.options: Mapping[str, str] = {}
        self.steps: tuple[Step, ...] = ()
        self.progress: Progress | None = None
        self.result: SatResult | None = None
        self.charts: tuple[Chart, ...] = ()
        self.drawing = False
        self._metrics_read = False

    # What a person asks for.

    async def cancel(self) -> None:
        """Tell the run to end. Raises BeeError; NotFound when it has ended already."""
        from bee_bus.sat_client import SatClient

        async with self.bus() as bus:
            await (await SatClient(bus).attach(self.run)).cancel()

    async def recompute(self) -> SatResult:
        """The result judged anew from the records; what is shown stays as it is."""
        from bee_bus.sat_client import SatClient

        async with self.bus() as bus:
            return _read_result(await SatClient(bus).recompute(self.run))

    async def result_so_far(self) -> SatResult:
        from bee_bus.sat_client import SatClient

        async with self.bus() as bus:
            return _read_result(await SatClient(bus).get_result(self.run))

    async def artifacts(self) -> tuple[str, ...]:
        """The names of its files, the archive not among them."""
        from bee_bus.sat_client import SatClient
        from bee_tui.models.sat_files import sorted_names

        async with self.bus() as bus:
            return sorted_names(await SatClient(bus).list_artifacts(self.run))

    async def read(self, name: str) -> Text:
        """A file, as much of it as can be shown. Raises BeeError, Trouble."""
        from bee_tui.models.sat_files import read_text

        async with self.bus() as bus:
            return await read_text(bus, self.run, name)

    async def save(self, folder: Path) -> Path:
        """Copy the archive there; its path. Raises BeeError, Trouble."""
        from bee_tui.models.sat_files import save_archive

        async with self.bus() as bus:
            return await save_archive(bus, self.run, folder)

    async def sticks(self) -> tuple[Stick, ...]:
        """The USB sticks that it could be saved on; none where nobody knows of any."""
        from bee_bus.udisks2 import UDisks2Client

        try:
            async with self.bus() as bus:
                return await UDisks2Client(bus).sticks()
        except BeeError:
            return ()

    async def save_onto(self, stick: Stick) -> Path:
        """Copy the archive onto a stick, which is mounted only for that. Raises BeeError, Trouble."""
        from bee_bus.udisks2 import UDisks2Client
        from bee_tui.models.sat_files import save_archive

        path: Path | None = None
        async with self.bus() as bus:
            try:
                async with UDisks2Client(bus).mounted(stick) as folder:
                    path = await save_archive(bus, self.run, folder)
            except BeeError as error:
                if path is None:
                    raise
                raise Trouble(
                    f"{path.name} is on the stick, but the stick cannot be unmounted: {in_words(error)}. "
                    "Do not pull it out before it is."
                ) from error
        return path

    # Following.

    async def follow(self, bus: Bus) -> None:
        from bee_bus.sat_client import SatClient

        client = SatClient(bus)
        looks = 0
        while self.result is None or (self.result.finished_at is None and looks < LOOKS_MAX):
            with suppress(NotFound):
                await self._accompany(await client.attach(self.run))
            result = _read_result(await client.get_result(self.run))
            self.pack, self.options = result.pack, result.options
            if result.status != "RUNNING":
                self.result, self.progress = result, None
                looks += 1
                self.well()
                self.changed()
            if result.finished_at is None:
                # Its end is just being written; or the service, back from its own end, completes it.
                await asyncio.sleep(TICK_SECONDS)
        if not self._metrics_read:
            await self._read_metrics(client)
        await asyncio.Event().wait()  # what has ended stays as it is

    async def _accompany(self, run: SatRunClient) -> None:
        """Follow a job to its end. Raises ServiceGone, Disconnected."""
        self.well()
        async with run.following_steps(self._take_run):
            beside = [asyncio.create_task(work) for work in (self._tick(), self._follow_metrics(run))]
            try:
                await run.finished(on_change=self._take_job)
            finally:
                for task in beside:
                    task.cancel()
                ends = await asyncio.gather(*beside, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def _take_job(self, job: Mapping[str, Any]) -> None:
        if job["State"] == "finished":
            return  # the result says it better, in a moment
        self.progress = Progress(
            state=job["State"],
            doing=job["Step"],
            share=job["Progress"] if job["ProgressValid"] else None,
            started_at=job["StartedAt"] / 1e6,
            cancelable=job["Cancelable"],
        )
        self.changed()

    def _take_run(self, run: Mapping[str, Any]) -> None:
        self.pack, self.options = run["Pack"], run["Options"]
        self.steps = tuple(
            Step(name, status, doing, share if share >= 0 else None)
            for name, status, doing, share in run["Steps"]
        )
        self.changed()

    async def _tick(self) -> None:
        """The time goes on, also while nothing else happens."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.changed()

    # The telemetry of GPU runs.

    async def _follow_metrics(self, run: SatRunClient) -> None:
        """Draw what is written, from when it is there. Nothing is drawn where nothing is to be had."""
        if self.pack != "nvidia":
            return
        from bee_bus.sat_client import SatClient
        from bee_charts.gpu_csv import CSV, GpuMetrics

        while True:
            await asyncio.sleep(TICK_SECONDS)
            with suppress(BeeError):
                file = await SatClient(run.bus).open_artifact(run.run, CSV)
                break
        metrics = GpuMetrics()
        with file:
            while True:
                await self._feed(file, metrics)
                await asyncio.sleep(TICK_SECONDS)

    async def _read_metrics(self, client: SatClient) -> None:
        from bee_charts.gpu_csv import CSV, GpuMetrics

        if self.pack == "nvidia":
            try:
                file = await client.open_artifact(self.run, CSV)
            except BeeError:
                return  # no load was measured, or this user may not read it
            self.drawing = True
            self.changed()
            try:
                with file:
                    await self._feed(file, GpuMetrics())
            finally:
                self.drawing = False
        self._metrics_read = True
        self.changed()

    async def _feed(self, file: BufferedReader, metrics: GpuMetrics) -> None:
        """Draw what has been written since. A day of eight GPUs takes seconds: others have their turn."""
        taken = False
        while portion := await asyncio.to_thread(file.read, METRICS_BYTES):
            taken |= await asyncio.to_thread(metrics.feed, portion)
        if taken:
            self.charts = await asyncio.to_thread(metrics.charts)
            self.changed()


def _read_result(text: str) -> SatResult:
    try:
        return msgspec.json.decode(text, type=SatResult)
    except msgspec.MsgspecError as error:
        raise Trouble("the run's result is of another version of bee") from error
