"""Temperatures and clocks while the processors compute, once a second, as CSV; what was extreme is measured.

Source of temperatures: hwmon (coretemp, k10temp, zenpower: millidegrees; ``temp*_crit`` is the device's own
limit). Where there are neither these nor clocks (a virtual machine) the file has the elapsed time alone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from bee_bus.documents.findings import Finding, Threshold
from bee_bus.documents.sat import Measurement
from bee_bus.thresholds import Thresholds
from bee_machine import Machine
from bee_sat.packs.cpu_clocks import Clocks, find_clocks, number
from bee_sat.steps import StepContext

HWMON = "/sys/class/hwmon"
DRIVERS = ("coretemp", "k10temp", "zenpower")
INPUTS_MAX = 256  # sensors of one chip: a core each, and the package
SETTLE_SECONDS = 2  # clocks of the first moments are not those under load


@dataclass(frozen=True)
class Probe:
    """One temperature: where it is read, and the device's own critical limit."""

    name: str
    path: str
    critical_celsius: float | None


@dataclass
class Extremes:
    """What the load came to. Absent: nothing could be read."""

    hottest_celsius: float | None = None
    hottest: Probe | None = None
    over: dict[Probe, float] = field(default_factory=dict)  # those that reached their critical limit

    def heat(self, probe: Probe, celsius: float) -> None:
        if self.hottest_celsius is None or celsius > self.hottest_celsius:
            self.hottest_celsius, self.hottest = celsius, probe
        if probe.critical_celsius is not None and celsius >= probe.critical_celsius:
            self.over[probe] = max(celsius, self.over.get(probe, celsius))


@asynccontextmanager
async def watching(
    context: StepContext, name: str, duration_seconds: int, limits: Thresholds
) -> AsyncIterator[None]:
    """Watch for as long as the block lasts; afterwards the extremes are measured and judged."""
    extremes = Extremes()
    probes = await find_probes(context.machine)
    clocks = Clocks(await find_clocks(context.machine))
    with context.open_artifact(f"cpu-metrics-{name}.csv") as file:
        task = asyncio.create_task(_watch(context, file, probes, clocks, extremes, duration_seconds))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    tell(context, extremes)
    clocks.tell(context, limits)


async def find_probes(machine: Machine) -> tuple[Probe, ...]:
    """The temperatures of processors."""
    probes = []
    for entry in await machine.read_entries(HWMON, files=("name",)):
        if entry.text("name") not in DRIVERS:
            continue
        names = await machine.list_folder(entry.path)
        inputs = [one for one in names if one.startswith("temp") and one.endswith("_input")][:INPUTS_MAX]
        stems = [one.removesuffix("_input") for one in inputs]
        paths = [f"{entry.path}/{stem}_{kind}" for stem in stems for kind in ("label", "crit")]
        found = await machine.read_files(paths)
        for stem in stems:
            label = found.get(f"{entry.path}/{stem}_label", b"").decode("utf-8", "replace").strip()
            critical = number(found.get(f"{entry.path}/{stem}_crit"))
            probes.append(
                Probe(
                    name=f"{entry.name} {label or stem}",
                    path=f"{entry.path}/{stem}_input",
                    critical_celsius=critical / 1000 if critical else None,
                )
            )
    return tuple(probes)


def tell(context: StepContext, extremes: Extremes) -> None:
    """The extremes as measurements, and a finding for what was at its own limit."""
    if extremes.hottest_celsius is not None and extremes.hottest is not None:
        limit = extremes.hottest.critical_celsius
        context.measure(
            Measurement(
                name="hottest",
                value=extremes.hottest_celsius,
                unit="°C",
                component=extremes.hottest.name,
                threshold=_critical(limit) if limit is not None else None,
            )
        )
    for probe, celsius in extremes.over.items():
        assert probe.critical_celsius is not None
        context.find(
            Finding(
                rule="cpus.critical-temperature",
                severity="Critical",
                component="cpus",
                where=probe.name,
                message=f"{probe.name} reached {celsius:g} °C under load, which is critical by its own limit",
                value=celsius,
                threshold=_critical(probe.critical_celsius),
                next_step="Check the heat sink's seat and paste, the fans and the air's way, and test again.",
            )
        )


async def _watch(
    context: StepContext,
    file: BinaryIO,
    probes: Sequence[Probe],
    clocks: Clocks,
    extremes: Extremes,
    duration_seconds: int,
) -> None:
    started = time.monotonic()
    paths = [*(probe.path for probe in probes), *(one.path for one in clocks.groups)]
    file.write(b"elapsed_seconds,hottest_celsius,mean_clock_mhz\n")
    while True:
        elapsed = time.monotonic() - started
        context.report(f"{elapsed:.0f} of {duration_seconds} s", min(elapsed / duration_seconds, 0.99))
        found = await context.machine.read_files(paths)
        temperatures = []
        for probe in probes:
            if (millidegrees := number(found.get(probe.path))) is not None:
                temperatures.append(millidegrees / 1000)
                extremes.heat(probe, millidegrees / 1000)
        mean = clocks.take(found, counts=elapsed >= SETTLE_SECONDS)
        hottest = f"{max(temperatures):g}" if temperatures else ""
        file.write(f"{elapsed:.1f},{hottest},{'' if mean is None else f'{mean:.0f}'}\n".encode())
        file.flush()
        await asyncio.sleep(1 - (time.monotonic() - started) % 1)


def _critical(celsius: float) -> Threshold:
    return Threshold(
        name="temp_crit", value=celsius, unit="°C", source="the processor's own limit", layer="device"
    )
