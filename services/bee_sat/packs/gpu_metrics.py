"""The telemetry of a load: gpu-metrics.csv as it comes, and its charts when the load has ended.

Samples come from org.bee.Gpu1 once a second. A service that goes away under it is asked again, and the time
without samples stays a gap.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

from bee_bus.documents.findings import Finding
from bee_bus.documents.gpu import GpuSample
from bee_bus.documents.gpus import GpuTick, InventoryGpu, SampledGpu
from bee_bus.documents.sat import Measurement
from bee_bus.errors import BeeError
from bee_bus.gpu_client import GpuClient
from bee_bus.gpu_values import power
from bee_charts import (
    GPU_MAIN,
    Chart,
    Limit,
    Recording,
    Reducer,
    Report,
    Section,
    Span,
    active_spans,
    html_page,
    terminal_report,
)
from bee_machine.threads import in_thread
from bee_sat.steps import StepContext

CSV, HTML, TERMINAL = "gpu-metrics.csv", "gpu-metrics.html", "gpu-metrics-term.txt"
INTERVAL_MS = 1000
RETRY_SECONDS = 2.0
# So much of the time may be without samples before it is told: the watch begins a moment after the load.
GAP_SHARE_MAX = 0.05
GAP_SECONDS_MIN = 10.0
UNSEEN_SHARE = 0.75  # without samples for so much of it, nobody knows how the load went
GIB = 1 << 30

COLUMNS = (
    "elapsed_seconds",
    "gpu",
    "temperature_celsius",
    "utilization_percent",
    "power_watts",
    "sm_clock_mhz",
    "pci_address",
    "condition",
    "clock_event_reasons",
    "memory_used_bytes",
    "memory_temperature_celsius",
    "memory_clock_mhz",
    "memory_utilization_percent",
    "pcie_generation",
    "pcie_width",
    "pcie_replays",
    "nvlink_sent_kib",
    "nvlink_received_kib",
)
# Clock-event reasons (nvml.h, nvmlClocksEventReasons) that hold a GPU back when something is wrong; being at
# the power limit is what a load is for.
HELD_BACK = {0x8: "hw slowdown", 0x20: "sw thermal", 0x40: "hw thermal", 0x80: "power brake"}


class Metrics:
    """What has been sampled so far, in bounded memory."""

    def __init__(self, gpus: Sequence[InventoryGpu], file: BinaryIO) -> None:
        self.ticks = dict.fromkeys((gpu.id for gpu in gpus), 0)
        self._gpus = {gpu.id: gpu for gpu in gpus}
        self._file = file
        self._recording = Recording()
        self._held = {(gpu.id, mask): Reducer() for gpu in gpus for mask in HELD_BACK}
        self._started = time.monotonic()
        file.write((",".join(COLUMNS) + "\n").encode())

    def take(self, tick: GpuTick) -> None:
        """One moment of all GPUs: a line of CSV for each that was selected."""
        elapsed = time.monotonic() - self._started  # the clock of the day may be set meanwhile
        for one in tick.gpus:
            if one.gpu in self._gpus:
                self._take(one, elapsed)
        self._file.flush()

    def charts(self, title: str, *, whole: bool) -> Report:
        """A section for each GPU; ``whole``: with all quantities, for the page."""
        return Report(title, tuple(self._section(gpu, whole=whole) for gpu in self._recording.parts))

    def _take(self, one: SampledGpu, elapsed: float) -> None:
        sample = one.sample
        gpu = self._gpus[one.gpu]
        row = (
            f"{elapsed:.1f}",
            number_of(gpu),
            *_first_values(sample),
            gpu.id,
            one.condition,
            *_rest(sample),
        )
        self._file.write((",".join("" if value is None else str(value) for value in row) + "\n").encode())
        self._recording.add(gpu.id, elapsed, charted(sample) if sample else {})
        reasons = sample.clock_event_reasons if sample else None
        for mask in HELD_BACK:
            self._held[gpu.id, mask].add(elapsed, None if reasons is None else float(bool(reasons & mask)))
        self.ticks[gpu.id] += sample is not None

    def _section(self, gpu_id: str, *, whole: bool) -> Section:
        gpu = self._gpus[gpu_id]
        spans: list[Span] = []
        for mask, name in HELD_BACK.items():
            spans += active_spans(self._held[gpu_id, mask].curve(), name)
        limit = gpu.state.power_limit_enforced_watts if gpu.state else None
        chart = Chart(
            title=f"GPU {number_of(gpu) or '?'}  {gpu.name or ''}  {gpu.id}",
            series=self._recording.series(gpu_id, None if whole else GPU_MAIN),
            spans=tuple(spans),
            limits=(Limit(limit, "W", "power limit"),) if limit else (),
        )
        identity = gpu.identity
        facts = (
            ("PCI address", gpu.id),
            ("UUID", identity.uuid or "" if identity else ""),
            ("serial", identity.serial or "" if identity else ""),
        )
        return Section(f"GPU {number_of(gpu) or gpu.id}", chart, tuple(fact for fact in facts if fact[1]))


@asynccontextmanager
async def recording(context: StepContext, gpus: Sequence[InventoryGpu]) -> AsyncIterator[None]:
    """Record for as long as the block lasts. The charts are written however it ends, if there is time."""
    started = time.monotonic()
    with context.open_artifact(CSV) as file:
        metrics = Metrics(gpus, file)
        task = asyncio.create_task(_record(context, metrics))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await in_thread(write_charts, context, metrics)
    tell(context, metrics, time.monotonic() - started)


def write_charts(context: StepContext, metrics: Metrics) -> None:
    """The page and the terminal's text; without a sample there is neither."""
    if not any(metrics.ticks.values()):
        return
    with context.open_artifact(HTML) as file:
        file.write(html_page(metrics.charts("GPU metrics of an acceptance run", whole=True)).encode())
    with context.open_artifact(TERMINAL) as file:
        file.write(terminal_report(metrics.charts("GPU metrics", whole=False)).encode())


def tell(context: StepContext, metrics: Metrics, seconds: float) -> None:
    """How much of the time was sampled; what is missing is not to pass for quiet."""
    for gpu, ticks in metrics.ticks.items():
        component = f"gpus/{gpu}"
        context.measure(Measurement(name="samples", value=ticks, component=component))
        missing = seconds - ticks * INTERVAL_MS / 1000
        unseen = ticks == 0 or missing > max(GAP_SECONDS_MIN, seconds * UNSEEN_SHARE)
        if unseen or missing > max(GAP_SECONDS_MIN, seconds * GAP_SHARE_MAX):
            context.find(
                Finding(
                    rule="gpus.unwatched",
                    severity="Unknown" if unseen else "Warning",
                    component=component,
                    where=gpu,
                    message=f"org.bee.Gpu1 gave {ticks} samples of GPU {gpu} in {seconds:.0f} s of load",
                    value=float(ticks),
                    next_step="See the log of the GPU service (journalctl -u bee-gpud), and test again.",
                )
            )


async def _record(context: StepContext, metrics: Metrics) -> None:
    while True:
        with suppress(BeeError):
            async with GpuClient(context.bus).watching(interval_ms=INTERVAL_MS) as watch:
                async for news in watch:
                    if isinstance(news, GpuTick):
                        metrics.take(news)
        await asyncio.sleep(RETRY_SECONDS)


def charted(sample: GpuSample) -> Mapping[str, float | None]:
    """The quantities of the charts, by the names that bee_charts has for them."""
    used = sample.memory_used_bytes
    return {
        "temperature_celsius": sample.temperature_celsius,
        "utilization_gpu_percent": sample.utilization_gpu_percent,
        "power_watts": power(sample),
        "clock_sm_mhz": sample.clock_sm_mhz,
        "memory_temperature_celsius": sample.memory_temperature_celsius,
        "utilization_memory_percent": sample.utilization_memory_percent,
        "clock_memory_mhz": sample.clock_memory_mhz,
        "memory_used_gib": None if used is None else used / GIB,
    }


def number_of(gpu: InventoryGpu) -> str:
    """NVML's number, empty when it has none."""
    index = gpu.identity.index if gpu.identity else None
    return "" if index is None else str(index)


def _first_values(sample: GpuSample | None) -> tuple[float | None, ...]:
    if sample is None:
        return (None,) * 4
    return (
        sample.temperature_celsius,
        sample.utilization_gpu_percent,
        power(sample),
        sample.clock_sm_mhz,
    )


def _rest(sample: GpuSample | None) -> tuple[object, ...]:
    if sample is None:
        return (None,) * 10
    reasons = sample.clock_event_reasons
    return (
        None if reasons is None else f"0x{reasons:x}",
        sample.memory_used_bytes,
        sample.memory_temperature_celsius,
        sample.clock_memory_mhz,
        sample.utilization_memory_percent,
        sample.pcie_generation,
        sample.pcie_width,
        sample.pcie_replays,
        sample.nvlink_sent_kib,
        sample.nvlink_received_kib,
    )
