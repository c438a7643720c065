"""The nvidia pack with all that is real in it: bee-gpu-stress, its kernels, org.bee.Gpu1 and org.bee.Sat1.

NVML, CUDA and PCI show the same two GPUs; the products are computed on the CPU, by the kernels' own sources.
"""

import asyncio
import csv
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bee_bus.documents.sat import SatResult
from bee_sat.gpu_stress import events as e
from lab import cli
from lab.bus.private import pid_of
from lab.cuda import FakeCuda
from lab.nvml import FakeNvml
from lab.sat import GPU_STRESS, SAT, SatMachine
from lab.sat.driving import ended, rules, statuses, step

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]


class Server:
    """Two GPUs of a model that no table of limits knows."""

    def __init__(self, make_sat: MakeSat, stack: ExitStack, folder: Path) -> None:
        self.nvml = stack.enter_context(FakeNvml("h100", count=2))
        self.cuda = stack.enter_context(FakeCuda(["lab"] * 2, memory_mib=16, context_mib=1, beside=self.nvml))
        self.sat = make_sat(fake=self.nvml)
        self._folder = folder
        self._install_program()

    def _install_program(self) -> None:
        """The real bee-gpu-stress, and the fake library where it looks for libcuda.so.1."""
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.cuda.environment.items())
        program = self.sat.tools.folder / "bin" / GPU_STRESS
        program.write_text(f'#!/bin/sh\n{settings} exec {sys.executable} -m bee_sat.gpu_stress.main "$@"\n')

    def address(self, slot: int) -> str:
        return self.nvml.pci_address(slot)

    async def log_xid(self, slot: int, number: int) -> None:
        """The driver's line in the kernel log as org.bee.Gpu1 reads it from now on.

        Only the kernel writes into the real one, which the acceptance service has open already.
        """
        log = self._folder / "kmsg"
        place = self.address(slot).rpartition(".")[0]
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        log.write_text(f"4,1,{microseconds},-;NVRM: Xid (PCI:{place}): {number}, pid=1, name=worker\n")
        async with self.sat.bus.client() as bus:
            service = await pid_of(bus, SAT)
        words = ["nsenter", "-t", str(service), "-m", "mount", "--bind", str(log), "/dev/kmsg"]
        await asyncio.to_thread(subprocess.run, words, check=True)

    async def under_load(self) -> "asyncio.Task[SatResult]":
        """A run whose load has begun."""
        running = asyncio.create_task(ended(self.sat, "nvidia"))
        while True:
            await asyncio.sleep(0.1)
            assert not running.done(), running.result()
            for output in self.sat.runs.glob("*/gpu-stress.txt"):
                if b'"phase-progress"' in output.read_bytes():
                    return running

    def told(self, run: str) -> tuple[e.AnyEvent, ...]:
        return tuple(map(e.read, (self.sat.runs / run / "gpu-stress.txt").read_bytes().splitlines()))


@pytest.fixture
def server(make_sat: MakeSat, tmp_path: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(make_sat, stack, tmp_path)


def blamed(result: SatResult) -> set[str]:
    """The components of all critical findings."""
    found = [*result.findings, *(one for each in result.steps for one in each.findings)]
    return {one.component for one in found if one.severity == "Critical"}


def test_healthy_gpus_are_ok_from_the_command_line_to_the_charts(server: Server, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    variables = {
        **cli.environment(tmp_path / "logs"),
        "DBUS_SYSTEM_BUS_ADDRESS": server.sat.bus.address,
        "BEE_GPU_STRESS_SECONDS": "10",
    }
    bee = cli.Bee(tmp_path, variables)
    for slot in (0, 1):
        server.nvml.load(slot, 1.0, at=server.nvml.elapsed + 8)
    ended = bee("sat", "nvidia", "--json")
    result = json.loads(ended.stdout)
    assert (ended.returncode, result["status"]) == (0, "OK"), result
    assert [(each["name"], each["status"]) for each in result["steps"]] == [
        ("nvidia-smi", "OK"),
        ("gpu-stress", "OK"),
        ("nvidia-bug-report", "OK"),
    ]
    _everything_was_kept(server, result["run"])
    (load,) = (each for each in result["steps"] if each["name"] == "gpu-stress")
    measured = {(each["name"], each["component"]) for each in load["measurements"]}
    for slot in (0, 1):
        component = f"gpus/{server.address(slot)}"
        for name in ("gemm-bf16 tflops", "memory_coverage", "power_share_of_limit", "samples"):
            assert (name, component) in measured


def _everything_was_kept(server: Server, run: str) -> None:
    folder = server.sat.runs / run
    with (folder / "gpu-metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for slot in (0, 1):
        mine = [row for row in rows if row["pci_address"] == server.address(slot)]
        assert len(mine) >= 9, "a row a second"
        assert all(row["power_watts"] and row["temperature_celsius"] for row in mine)
    assert "<svg" in (folder / "gpu-metrics.html").read_text()
    assert "╭" in (folder / "gpu-metrics-term.txt").read_text()
    assert server.sat.summary(run)["gpu-stress_status"] == "OK"
    events = server.told(run)
    assert isinstance(events[-1], e.Verdict)
    assert isinstance(events[0], e.RunStarted)
    assert [gpu.id for gpu in events[0].gpus] == [server.address(0), server.address(1)]
    assert not events[0].whole_machine, "the pack has chosen"


async def test_a_flipped_result_fails_the_run_and_names_its_gpu(server: Server) -> None:
    server.cuda.flip(1, "gemm_bf16*", nth=0)
    result = await ended(server.sat, "nvidia", gpus="1")
    assert (result.status, statuses(result)["gpu-stress"]) == ("FAILED", "FAILED")
    assert "gpu-stress.wrong-results" in rules(result, "Critical")
    assert blamed(result) == {f"gpus/{server.address(1)}"}
    assert "expected 0x" in step(result, "gpu-stress").reason
    assert result.resources == (f"gpu/{server.address(1)}",)


async def test_a_gpu_that_is_lost_under_load_fails_the_run_and_the_other_goes_on(server: Server) -> None:
    server.cuda.lose(1, "memory_*", nth=3)
    result = await ended(server.sat, "nvidia")
    assert (result.status, statuses(result)["gpu-stress"]) == ("FAILED", "FAILED")
    assert "gpu-stress.unusable" in rules(result, "Critical")
    assert blamed(result) == {f"gpus/{server.address(1)}"}
    verdict = server.told(result.run)[-1]
    assert isinstance(verdict, e.Verdict)
    assert {gpu.gpu: gpu.result for gpu in verdict.gpus} == {
        server.address(0): "OK",
        server.address(1): "FAILED",
    }


async def test_a_gpu_that_nvml_loses_under_load_fails_the_run(server: Server) -> None:
    running = await server.under_load()
    server.nvml.lose(0)
    result = await running
    assert (result.status, statuses(result)["gpu-stress"]) == ("FAILED", "FAILED")
    assert "gpu-stress.lost" in rules(result, "Critical")
    assert blamed(result) == {f"gpus/{server.address(0)}"}


async def test_an_xid_in_the_kernel_log_alone_fails_the_run(server: Server) -> None:
    running = await server.under_load()
    await server.log_xid(1, 94)
    result = await running
    assert (result.status, statuses(result)["gpu-stress"]) == ("FAILED", "FAILED")
    assert "gpu-stress.xid" in rules(result, "Critical")
    assert blamed(result) == {f"gpus/{server.address(1)}"}
