"""What watching eight GPUs costs, and how steady it is, with the fake library in the driver's place.

Figures of one run on one machine; `make bench` prints them. The ratio with a tool that is spawned is that of
the work around the driver alone: a real nvidia-smi waits for the driver too, 0.5 to 10 s on large machines.
Reported, and asserted only where the host's other work cannot matter.
"""

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from bee_bus.documents.gpus import GpuTick
from bee_bus.gpu_client import GpuClient
from bee_gpu.fleet import Fleet
from bee_gpu.sampler import Sampler
from lab.bus.private import pid_of
from lab.gpus import BUS_NAME, GpuMachine, gpu_machine
from lab.machine import FakeMachine
from lab.nvml import FakeNvml
from lab.nvml.here import seen_from_here

GPUS = 8
WATCH_SECONDS = 20.0
SPAWNS = 100
TICKS = 100_000
QUERY = Path(__file__).parents[1] / "lab/nvml/query.c"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[GpuMachine]:
    with FakeNvml("h100", count=GPUS) as fake, gpu_machine(fake, tmp_path) as machine:
        yield machine


def say(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def cpu_seconds(pid: int) -> float:
    """Of all threads, as the scheduler counts it: finer than the clock ticks of /proc/PID/stat."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def spawned_seconds(command: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of one run of a tool."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(SPAWNS):
        told = subprocess.run(command, env=environment, capture_output=True, check=True)
        assert len(told.stdout.splitlines()) >= 1
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / SPAWNS


@contextmanager
def every_core_busy() -> Iterator[None]:
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


async def watched(machine: GpuMachine, interval_ms: int, seconds: float) -> tuple[float, list[float]]:
    """CPU seconds of the service while three clients watch, and the times of the ticks."""
    async with machine.bus.client() as bus, machine.bus.client() as second, machine.bus.client() as third:
        client = GpuClient(bus)
        await client.get_inventory()
        pid = await pid_of(bus, BUS_NAME)
        for other in (second, third):
            await GpuClient(other).watch(interval_ms)
        times: list[float] = []
        async with client.watching(interval_ms=interval_ms) as watch:
            await asyncio.sleep(1)  # the first full look is no part of the pace
            before, since = cpu_seconds(pid), time.time()
            end = time.monotonic() + seconds
            async for news in watch:
                if isinstance(news, GpuTick) and news.unix_seconds >= since:
                    times.append(news.unix_seconds)
                if time.monotonic() > end:
                    break
            return cpu_seconds(pid) - before, times


async def test_ten_times_a_second_with_three_watchers(
    machine: GpuMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    used, times = await watched(machine, 100, WATCH_SECONDS)
    span = times[-1] - times[0]
    say(
        capsys,
        f"8 GPUs at 10 Hz, three watchers: {used / span:.2%} of one core, "
        f"{1000 * used / len(times):.2f} ms a tick, {len(times)} ticks in {span:.1f} s",
    )


async def test_against_a_tool_spawned_once_a_second(
    machine: GpuMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = shutil.which("nvidia-smi")
    fields = (
        "index,uuid,temperature.gpu,utilization.gpu,utilization.memory,memory.total,memory.used,power.draw"
    )
    if tool is not None:
        command, environment, what = [tool, f"--query-gpu={fields}", "--format=csv"], dict(os.environ), tool
    else:
        built = tmp_path / "query"
        await asyncio.to_thread(
            subprocess.run, ["cc", "-O2", "-o", str(built), str(QUERY), "-ldl"], check=True
        )
        command, environment = [str(built)], {**os.environ, **machine.fake.environment}
        what = "a small C program in its place"
    used, times = await watched(machine, 1000, WATCH_SECONDS)
    spawned = await asyncio.to_thread(spawned_seconds, command, environment)
    tick = used / len(times)
    say(
        capsys,
        f"one sample of 8 GPUs: service {1000 * tick:.2f} ms of CPU (three watchers, counters and health "
        f"included), {what} {1000 * spawned:.2f} ms: {spawned / tick:.1f} times",
    )


async def test_jitter_while_all_cores_are_busy(
    machine: GpuMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    with every_core_busy():
        _, times = await watched(machine, 100, WATCH_SECONDS)
    late = sorted(abs(after - before - 0.1) for before, after in pairwise(times))
    say(
        capsys,
        f"jitter at 10 Hz with all cores busy: median {1000 * late[len(late) // 2]:.1f} ms, "
        f"p99 {1000 * late[int(len(late) * 0.99)]:.1f} ms, worst {1000 * late[-1]:.1f} ms of {len(late)}",
    )


@pytest.mark.timeout(0)
async def test_memory_over_a_hundred_thousand_ticks(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeNvml("h100", count=GPUS) as fake, seen_from_here(fake):
        tree = fake.sysfs()
        machine = FakeMachine(files={**tree.files, "/dev/kmsg": ""}, links=tree.links)
        fleet = Fleet(machine, lambda event: None, lambda: None)
        await fleet.refresh()
        sampler = Sampler(fleet, lambda when, samples: None, lambda: None)
        sampler.pace(1.0)
        await asyncio.sleep(0)  # the loop of its own goes on beside ours, once a second
        sizes: dict[int, int] = {}
        started = time.process_time()
        for number in range(TICKS + 1):
            await sampler.tick()
            if number in (TICKS // 10, TICKS // 2, TICKS):
                sizes[number] = resident_kib()
        used = time.process_time() - started
        await sampler.stop()
        await fleet.close()
    say(
        capsys,
        f"{TICKS} ticks of 8 GPUs: {1e6 * used / TICKS:.0f} µs of CPU each without the bus; resident KiB "
        + ", ".join(f"{size} after {number}" for number, size in sizes.items()),
    )
    assert sizes[TICKS] - sizes[TICKS // 10] < 4096, "it grows"


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")
