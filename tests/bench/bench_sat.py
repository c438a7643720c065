"""What acceptance runs cost beside the load: the time to start one, its bookkeeping, and the memory's rate.

Figures of one run on one machine; `make bench` prints them. Reported, not asserted: the host has other work.
Loads are stand-ins but for the memory's rate, which needs the real stressapptest.
"""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_bus.sat_client import SatClient
from lab.bus.private import pid_of
from lab.nvml import FakeNvml
from lab.sat import GPU, SAT, SatMachine, sat_machine
from lab.sat.driving import ended, loading, result_at_end, step

GPUS = 8
STARTS = 15
WATCH_SECONDS = 60.0
RATE_SECONDS = 10
ROUNDS = 5
DAY_SECONDS = 86_400


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SatMachine]:
    with FakeNvml("h100", count=GPUS) as fake, sat_machine(tmp_path, fake=fake) as machine:
        yield machine


def say(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def cpu_seconds(pid: int) -> float:
    """Of all threads, as the scheduler counts it."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


async def test_the_answer_to_start(machine: SatMachine, capsys: pytest.CaptureFixture[str]) -> None:
    async with machine.bus.client() as bus:
        client = SatClient(bus)
        for pack in ("cpu", "memory", "nvidia"):
            times = []
            for number in range(STARTS + 1):
                asked = time.perf_counter()
                run = await client.start(pack, {"duration": "60"})
                taken = time.perf_counter() - asked
                if number:  # the first starts the services behind it
                    times.append(taken)
                await run.cancel()
                await result_at_end(run)
            say(
                capsys,
                f"start of {pack}: median {1000 * statistics.median(times):.1f} ms, "
                f"worst {1000 * max(times):.1f} ms of {STARTS}",
            )


@pytest.mark.timeout(0)
async def test_the_bookkeeping_of_a_gpu_run(machine: SatMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.tools.behave(bee_gpu_stress="takes its time")
    async with machine.bus.client() as bus:
        run = await SatClient(bus).start("nvidia", {"duration": str(DAY_SECONDS)})
        await loading(machine, "nvidia")
        await asyncio.sleep(5)  # what happens once is no part of it
        services = {name: await pid_of(bus, name) for name in (SAT, GPU)}
        before = {name: cpu_seconds(pid) for name, pid in services.items()}
        size = _size_bytes(machine.runs / run.run)
        started = time.monotonic()
        await asyncio.sleep(WATCH_SECONDS)
        seconds = time.monotonic() - started
        used = {name: (cpu_seconds(pid) - before[name]) / seconds for name, pid in services.items()}
        grown = (_size_bytes(machine.runs / run.run) - size) / seconds
        await run.cancel()
        await result_at_end(run)
    say(
        capsys,
        f"a run on {GPUS} GPUs at 1 Hz, of one core: bee-satd {used[SAT]:.2%}, bee-gpud {used[GPU]:.2%}; "
        f"{grown * DAY_SECONDS / (1 << 20):.0f} MiB a day in its folder",
    )


@pytest.mark.timeout(0)
async def test_the_rate_of_the_memory_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sat_machine(tmp_path) as machine:
        for name in ("memtester", "stressapptest"):
            machine.tools.remove(name)
        rates: dict[str, list[float]] = {"pack": [], "bare": []}
        size = 0.0
        for _ in range(ROUNDS):
            result = await ended(machine, "memory", duration=str(RATE_SECONDS), size_mb="16")
            measured = {one.name: one.value for one in step(result, "stressapptest").measurements}
            rates["pack"].append(measured["copy_rate"])
            size = measured["tested_memory"]
            rates["bare"].append(await asyncio.to_thread(bare_rate, int(size)))
    pack, bare = (statistics.median(rates[name]) for name in ("pack", "bare"))
    say(
        capsys,
        f"stressapptest over {size:.0f} MiB: {pack:.0f} MiB/s in the memory pack, {bare:.0f} MiB/s bare: "
        f"{pack / bare:.2f}",
    )


def bare_rate(mib: int) -> float:
    """At the pack's own niceness, so that the host's other work weighs the same."""
    command = ["nice", "-n", "10", "stressapptest", "-M", str(mib), "-s", str(RATE_SECONDS)]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    match = re.search(r"Completed: .* ([\d.]+)MB/s", told.stdout)
    assert match is not None
    return float(match[1])


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
