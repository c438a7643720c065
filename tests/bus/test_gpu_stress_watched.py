"""Stress runs with org.bee.Gpu1 as a witness: the real service, on a machine whose GPUs can be broken."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bee_bus.gpu_client import GpuClient
from bee_sat.gpu_stress import events as e
from lab.bus.private import pid_of
from lab.cuda import FakeCuda
from lab.gpus import BUS_NAME, GpuMachine, gpu_machine
from lab.nvml import FakeNvml
from lab.stress_runs import SMALL, Ended, Started, run_with


@dataclass
class Server:
    """One machine, as NVML, PCI and CUDA show it."""

    nvml: FakeNvml
    cuda: FakeCuda
    machine: GpuMachine

    async def run(self, *words: str) -> Ended:
        """A few seconds of copying within the GPUs' memory, watched."""
        words = (*SMALL, "--phases", "bandwidth", *words)
        more = {"DBUS_SYSTEM_BUS_ADDRESS": self.machine.bus.address}
        return await asyncio.to_thread(run_with, self.cuda, *words, more=more)

    async def during(self, change: Callable[[], None], *words: str) -> Ended:
        """The same, and something happens in its midst."""
        running = asyncio.create_task(self.run("--seconds", "4", *words))
        await asyncio.sleep(3)
        change()
        return await running


Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[GpuMachine] = []
    with ExitStack() as stack:

        def make(count: int = 2, *, shown: int | None = None) -> Server:
            nvml = stack.enter_context(FakeNvml("h100", count=count))
            models = ["lab"] * (count if shown is None else shown)
            cuda = stack.enter_context(FakeCuda(models, memory_mib=16, context_mib=1, beside=nvml))
            machine = stack.enter_context(gpu_machine(nvml, tmp_path))
            made.append(machine)
            return Server(nvml, cuda, machine)

        yield make
    for machine in made:
        sys.stdout.write(machine.bus.log())
    assert [line for machine in made for line in machine.bus.complaints()] == []


async def test_a_healthy_machine_is_ok_and_its_power_is_told(make: Make) -> None:
    server = make()
    server.nvml.load(0, 1.0)
    server.nvml.load(1, 1.0)
    ended = await server.run("--seconds", "4")
    assert ended.code == 0, ended.verdict.summary
    assert sum(isinstance(event, e.Sample) for event in ended.events) >= 4
    for gpu in ended.verdict.gpus:
        assert gpu.power_limit_watts == 700
        assert gpu.power_share is not None
        assert 0.8 < gpu.power_share <= 1.05


async def test_an_xid_under_load_fails(make: Make) -> None:
    server = make()
    ended = await server.during(lambda: server.nvml.xid(1, 48))
    assert ended.code == 2
    assert "xid" in ended.at(server.nvml.pci_address(1))
    assert ended.at(server.nvml.pci_address(0)) == set()


async def test_uncorrectable_errors_that_the_load_brought_fail(make: Make) -> None:
    server = make()
    ended = await server.during(lambda: server.nvml.ecc(0, uncorrected=2))
    assert ended.code == 2
    assert "ecc-uncorrected" in ended.at(server.nvml.pci_address(0))


async def test_errors_from_before_the_load_do_not_fail(make: Make) -> None:
    server = make()
    server.nvml.ecc(0, uncorrected=2)
    server.nvml.remap(1, uncorrected=3)
    ended = await server.run()
    assert ended.code == 0, ended.verdict.summary


async def test_a_gpu_whose_nvlinks_were_down_before_is_not_ok(make: Make) -> None:
    server = make()
    for link in range(18):
        server.nvml.nvlink_down(1, link)
    ended = await server.run()
    assert ended.code == 2
    assert ended.rules == {("gpus.nvlink-down", f"gpus/{server.nvml.pci_address(1)}"): "Critical"}


async def test_a_row_that_is_remapped_under_load_fails(make: Make) -> None:
    server = make()
    ended = await server.during(lambda: server.nvml.remap(1, uncorrected=1, pending=True))
    assert ended.code == 2
    assert "rows-remapped" in ended.at(server.nvml.pci_address(1))


async def test_a_gpu_that_nvml_loses_fails(make: Make) -> None:
    server = make()
    ended = await server.during(lambda: server.nvml.lose(1))
    assert ended.code == 2
    assert "lost" in ended.at(server.nvml.pci_address(1))


async def test_a_slowdown_by_the_hardware_fails_when_it_lasts(make: Make) -> None:
    server = make()
    ended = await server.during(lambda: server.nvml.throttle(0, "hw_thermal"))
    assert ended.code == 2
    assert "slowed-hw-thermal" in ended.at(server.nvml.pci_address(0))
    (report,) = (gpu for gpu in ended.verdict.gpus if gpu.gpu == server.nvml.pci_address(0))
    assert [each.reason for each in report.throttled] == ["hw-thermal"]


async def test_a_gpu_that_cuda_does_not_show_is_missing(make: Make) -> None:
    server = make(3, shown=2)
    ended = await server.run()
    assert ended.code == 2
    assert ended.rules == {("missing", f"gpus/{server.nvml.pci_address(2)}"): "Critical"}
    ended = await server.run("--gpus", "0,1")
    assert ended.code == 0, "whoever chooses knows what is left out"


async def test_a_service_that_ends_under_load_is_no_witness(make: Make) -> None:
    server = make()
    async with server.machine.bus.client() as bus:
        await GpuClient(bus).properties()  # which starts it
        service = await pid_of(bus, BUS_NAME)
        ended = await server.during(lambda: os.kill(service, signal.SIGKILL))
    assert (ended.code, ended.verdict.result) == (3, "UNKNOWN")
    assert ("not-watched", "gpus") in ended.rules


async def test_a_signal_ends_it_within_a_second_also_when_the_service_hangs(make: Make) -> None:
    server = make(1)
    words = ("--seconds", "600", "--phases", "bandwidth")
    async with server.machine.bus.client() as bus:
        await GpuClient(bus).properties()  # which starts it
        service = await pid_of(bus, BUS_NAME)
    with Started(server.cuda, *words, bus=server.machine.bus.address) as started:
        await asyncio.to_thread(started.until, e.Sample)
        os.kill(service, signal.SIGSTOP)
        try:
            code, seconds = await asyncio.to_thread(started.tell, signal.SIGTERM)
        finally:
            os.kill(service, signal.SIGCONT)
    assert (code, started.workers) == (143, [])
    assert seconds < 1.5, "a second, and some for a busy machine"
