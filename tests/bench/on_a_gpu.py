"""What only a machine with a GPU can tell of bee's telemetry, without a bus.

It needs msgspec and pynvml beside Python.

    python tests/bench/on_a_gpu.py values
    python tests/bench/on_a_gpu.py cost
    python tests/bench/on_a_gpu.py watch [--seconds 3600] [--interval 1]

`values` compares every value that the door to NVML reads with `nvidia-smi -q -x` of the same moment. `cost`
sets the processor time of a sample against that of a spawned nvidia-smi. `watch` counts missed ticks. The
exit status is 1 where a value differs or a tick is missed. The load has its own: `bee-gpu-stress --seconds
600` and `hopper_shapes.py`.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("dbus", "services", "tests")]

from bee_gpu import nvml  # noqa: E402
from bee_gpu.fleet import Fleet  # noqa: E402
from bee_gpu.sampler import Sampler  # noqa: E402
from bee_machine import Machine  # noqa: E402
from bee_machine.live import LiveMachine  # noqa: E402
from lab.nvml.smi import differences, from_door, from_xml  # noqa: E402

SMI = "nvidia-smi"
QUERY = "index,uuid,temperature.gpu,utilization.gpu,utilization.memory,memory.total,memory.used,power.draw"
SPAWNS = 10
COST_SECONDS = 30.0
PROGRESS_SECONDS = 60.0


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def compare_values(tool: str = SMI) -> list[str]:
    """A line for each value that differs, by GPU, and for what only one of the two knows."""
    nvml.open_library()
    try:
        handles = [nvml.handle_by_index(index) for index in range(nvml.gpu_count())]
        told = subprocess.run([tool, "-q", "-x"], capture_output=True, check=True)
        doors = [
            from_door(nvml.read_identity(one), nvml.read_state(one), nvml.read_sample(one)) for one in handles
        ]
        versions = nvml.read_versions()
    finally:
        nvml.close_library()
    document = ElementTree.fromstring(told.stdout)
    gpus = [from_xml(gpu) for gpu in document.findall("gpu")]
    lines = []
    for what, ours in (("driver_version", versions.driver), ("cuda_version", versions.cuda)):
        if document.findtext(what) != ours:
            lines.append(f"{what}: {tool} says {document.findtext(what)!r}, the door {ours!r}")
    if len(gpus) != len(doors):
        return [*lines, f"{tool} lists {len(gpus)} GPUs, the door {len(doors)}"]
    for index, (theirs, door) in enumerate(zip(gpus, doors, strict=True)):
        lines += [f"GPU {index}: {line}" for line in differences(theirs, door)]
        unknown = [path for path, text in door.items() if path not in theirs and text != "N/A"]
        lines += [f"GPU {index}: {path}: only the door knows it" for path in unknown]
    return lines


def spawned_seconds(tool: str = SMI) -> tuple[float, float]:
    """Processor time and time by the clock of one nvidia-smi that asks for what a table shows."""
    command = [tool, f"--query-gpu={QUERY}", "--format=csv"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    for _ in range(SPAWNS):
        subprocess.run(command, capture_output=True, check=True)
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / SPAWNS, took / SPAWNS


class Watched:
    """The ticks of a watch, in seconds since the epoch, those that were missed, and what all of it cost."""

    def __init__(self, times: Sequence[float], missed: int, silent: int, used_seconds: float) -> None:
        self.times = times
        self.missed = missed
        self.silent = silent
        self.used_seconds = used_seconds

    def __str__(self) -> str:
        gaps = [after - before for before, after in pairwise(self.times)]
        pace = sorted(gaps)[len(gaps) // 2]
        late = sorted(abs(gap - pace) for gap in gaps)
        return (
            f"{len(self.times)} ticks in {self.times[-1] - self.times[0]:.1f} s, {self.missed} missed, "
            f"{self.silent} without an answer of some GPU; jitter p99 "
            f"{1e3 * late[int(len(late) * 0.99)]:.1f} ms, worst {1e3 * late[-1]:.1f} ms; "
            f"{1e3 * self.used_seconds / len(self.times):.2f} ms of CPU a tick"
        )


async def watch(
    machine: Machine, seconds: float, interval_seconds: float, beside: Callable[[], None] = lambda: None
) -> Watched:
    """Sample all GPUs as the service does. ``beside`` is run in a thread meanwhile, and prolongs it."""
    times: list[float] = []
    silent = 0

    def keep(when: int, samples: Sequence[object]) -> None:
        nonlocal silent
        times.append(when / 1e6)
        silent += any(getattr(one, "sample", None) is None for one in samples)
        if len(times) % round(PROGRESS_SECONDS / interval_seconds) == 0:
            say(f"  {len(times)} ticks, {sampler.missed} missed")

    fleet = Fleet(machine, lambda event: say(f"  {event.kind}: {event.message}"), lambda: None)
    await fleet.refresh()
    if fleet.inventory.state != "ready":
        raise SystemExit(f"there is nothing to be watched: {fleet.inventory.state}")
    sampler = Sampler(fleet, keep, lambda: None)
    sampler.pace(interval_seconds)
    await asyncio.sleep(2 * interval_seconds)  # the first full look is no part of the pace
    times.clear()
    silent, missed = 0, sampler.missed
    before = time.process_time()
    await asyncio.gather(asyncio.to_thread(beside), asyncio.sleep(seconds))
    used = time.process_time() - before
    await sampler.stop()
    await fleet.close()
    return Watched(times, sampler.missed - missed, silent, used)


def show_values(tool: str = SMI) -> int:
    lines = compare_values(tool)
    say("\n".join(lines) or "every value is that of nvidia-smi")
    return bool(lines)


def show_cost(machine: Machine, seconds: float = COST_SECONDS, tool: str = SMI) -> int:
    alone, alone_took = spawned_seconds(tool)
    beside: list[tuple[float, float]] = []
    watched = asyncio.run(watch(machine, seconds, 1.0))
    asyncio.run(watch(machine, 0.0, 1.0, lambda: beside.append(spawned_seconds(tool))))
    (held, held_took), tick = beside[0], watched.used_seconds / len(watched.times)
    say(f"a sample of all GPUs, in the service: {1e3 * tick:.2f} ms of CPU ({watched})")
    for what, used, took in (
        ("by itself", alone, alone_took),
        ("while the service holds the driver", held, held_took),
    ):
        say(f"{tool}, {what}: {1e3 * used:.1f} ms of CPU, {took:.3f} s; {used / tick:.0f} times a sample")
    return 0


def show_watch(machine: Machine, seconds: float, interval_seconds: float) -> int:
    watched = asyncio.run(watch(machine, seconds, interval_seconds))
    say(watched)
    return bool(watched.missed or watched.silent)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("values", "cost", "watch"))
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--interval", type=float, default=1.0)
    asked = parser.parse_args()
    match asked.what:
        case "values":
            return show_values()
        case "cost":
            return show_cost(LiveMachine())
        case _:
            return show_watch(LiveMachine(), asked.seconds, asked.interval)


if __name__ == "__main__":
    sys.exit(main())
