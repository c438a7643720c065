"""What a run measured, as series for charts: out of its gpu-metrics.csv, as it grows or whole."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from io import BufferedReader

from bee_bus.sat_client import SatClient
from bee_charts import Chart, Curve, Series
from bee_charts.chart import time_range
from bee_charts.curve import Bucket, joined
from bee_charts.gpu_csv import CSV, GpuMetrics
from bee_web.documents import Charts, ChartSeries, ChartSpan, GpuChart
from bee_web.door import Door
from bee_web.reads import Reads

PORTION_BYTES = 1 << 20
RUNS_MAX = 4  # with eight GPUs each a few megabytes
FRESH_SECONDS = 1.0  # of a run under way
BUCKETS = 300  # twice as many points are more than a screen has columns


class RunCharts:
    """A file is read once, of a run under way what is new; one at a time: a day of samples takes seconds."""

    def __init__(self, door: Door, reads: Reads) -> None:
        self._door = door
        self._reads = reads
        self._recordings: OrderedDict[str, _Recording] = OrderedDict()
        self._reading = asyncio.Lock()

    def close(self) -> None:
        """Let go of the files of runs under way."""
        for recording in self._recordings.values():
            recording.close()
        self._recordings.clear()

    async def of(self, run: str) -> Charts:
        """The charts of a run; none where nothing was measured. Raises BeeError: NotFound for no run."""
        return (await self._read(run)).charts

    async def drawn(self, run: str) -> tuple[Chart, ...]:
        """The same, to be drawn here."""
        return (await self._read(run)).drawn

    async def _read(self, run: str) -> _Recording:
        if (known := self._current(run)) is not None:
            return known
        async with self._reading:
            if (known := self._current(run)) is not None:
                return known
            changes = self._reads.run_changes
            # Asked before the file is read: what is written until the end of a run is in it.
            ended = any(one.run == run and one.finished_at is not None for one in await self._reads.runs())
            known = self._recordings.get(run)
            if known is None:
                if CSV not in await self._reads.artifacts(run):
                    return _Recording(None, Charts(run=run, whole=ended, charts=()))
                async with self._door.bus() as bus:
                    file = await SatClient(bus).open_artifact(run, CSV)
                known = self._recordings[run] = _Recording(file, Charts(run=run, whole=False, charts=()))
                while len(self._recordings) > RUNS_MAX:
                    self._recordings.popitem(last=False)[1].close()
            await asyncio.to_thread(known.read_on, whole=ended)
            known.changes = changes
            return known

    def _current(self, run: str) -> _Recording | None:
        """What was read of a run, if that is all there is."""
        known = self._recordings.get(run)
        if known is None or not known.is_current(self._reads.run_changes):
            return None
        self._recordings.move_to_end(run)
        return known


class _Recording:
    """What a run measured, as far as it was read."""

    def __init__(self, file: BufferedReader | None, charts: Charts) -> None:
        self.charts = charts
        self.drawn: tuple[Chart, ...] = ()
        self.changes = 0
        self._file = file
        self._metrics = GpuMetrics()
        self._read_at = 0.0

    def is_current(self, changes: int) -> bool:
        """``changes``: how often runs have begun or ended so far."""
        fresh = self.changes == changes and time.monotonic() < self._read_at + FRESH_SECONDS
        return self.charts.whole or fresh

    def read_on(self, *, whole: bool) -> None:
        """Take what was written since; in a thread."""
        while self._file is not None and (portion := self._file.read(PORTION_BYTES)):
            self._metrics.feed(portion)
        by_address = self._metrics.by_address()
        self.drawn = tuple(by_address.values())
        charts = tuple(_gpu_chart(gpu, chart) for gpu, chart in by_address.items())
        self.charts = Charts(run=self.charts.run, whole=whole, charts=charts)
        self._read_at = time.monotonic()
        if whole:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._metrics = GpuMetrics()


def _gpu_chart(gpu: str, chart: Chart) -> GpuChart:
    begin, end = time_range(chart)
    return GpuChart(
        title=chart.title,
        gpu=gpu,
        begin_seconds=begin,
        end_seconds=end,
        series=tuple(_series(one) for one in chart.series),
        spans=tuple(
            ChartSpan(
                begin_seconds=span.begin_seconds,
                end_seconds=span.end_seconds,
                label=span.label,
                kind=span.kind,
            )
            for span in chart.spans
        ),
    )


def _series(series: Series) -> ChartSeries:
    return ChartSeries(
        name=series.name, unit=series.unit, colour=series.colour, points=tuple(points(series.curve))
    )


def points(curve: Curve, *, buckets: int = BUCKETS) -> Iterator[tuple[float, float | None]]:
    """The curve's extremes in the order of their times; null, at a time between, where there was no value."""
    before: float | None = None
    for bucket in _fewer(curve, buckets):
        if bucket.after_gap and before is not None:
            yield _middle(before, bucket.start_seconds), None
        first, last = sorted(((bucket.low_seconds, bucket.low), (bucket.high_seconds, bucket.high)))
        if bucket.broken and first == last:  # a value that stayed the same, with a break
            first, last = (bucket.start_seconds, bucket.first), (bucket.end_seconds, bucket.last)
        yield round(first[0], 2), round(first[1], 2)
        if bucket.broken:
            yield _middle(first[0], last[0]), None
        if last != first:
            yield round(last[0], 2), round(last[1], 2)
        before = bucket.end_seconds


def _middle(begin: float, end: float) -> float:
    return round((begin + end) / 2, 2)


def _fewer(curve: Curve, most: int) -> Iterator[Bucket]:
    width = (curve.end_seconds - curve.begin_seconds) / most
    if len(list(curve.buckets)) <= most or not width > 0:
        yield from curve.buckets
        return
    begin = curve.begin_seconds
    for _, bucket in joined(curve.buckets, lambda one: int((one.middle_seconds - begin) / width)):
        yield bucket
