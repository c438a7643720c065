"""False verdicts that people met in other tools: each is told to a run here, which must not believe it."""

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from bee_bus.sat_client import SatClient
from lab.bus.private import eventually
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.sat.driving import ended, result_at_end, rules, statuses, step

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]


@pytest.fixture
def gpus() -> Iterator[FakeNvml]:
    with FakeNvml("h100", count=2) as fake:
        yield fake


@pytest.fixture
def gpu_server(make_sat: MakeSat, gpus: FakeNvml) -> SatMachine:
    return make_sat(fake=gpus)


# Tools: what they say is not what they have done.

CPU = {
    "does nothing": "FAILED",  # exit code 0, and not a word
    "prints garbage": "FAILED",
    "crashes": "FAILED",
    "prints a gigabyte": "FAILED",
    "fails": "FAILED",
    "loads one less": "FAILED",
    "computes nothing": "FAILED",  # no operation in all the time, called a success
}
MEMTESTER = {
    **dict.fromkeys(("does nothing", "prints garbage", "prints a gigabyte", "fails"), "FAILED"),
    **dict.fromkeys(("gets half", "locks nothing", "is killed"), "FAILED"),
}
STRESSAPPTEST = dict.fromkeys(
    ("does nothing", "prints garbage", "crashes", "fails", "copies nothing", "stops before the verdict"),
    "FAILED",
)


@pytest.mark.parametrize("manner", CPU)
async def test_stress_ng_is_believed_only_what_it_shows(sat: SatMachine, manner: str) -> None:
    sat.tools.behave(stress_ng=manner)
    result = await ended(sat, "cpu")
    assert (result.status, statuses(result)["cpu"]) == ("FAILED", CPU[manner])
    assert step(result, "cpu").reason and sat.summary(result.run)["overall_status"] == "FAILED"
    assert step(result, "cpu").output_cut == (manner == "prints a gigabyte")
    assert ("cpus.wrong-result" in rules(result, "Critical")) == (manner == "fails")
    assert (sat.runs / f"{result.run}.tar.gz").exists()


async def test_a_load_that_was_over_long_before_its_time_is_no_pass(make_sat: MakeSat) -> None:
    sat = make_sat(hurried=False)
    result = await ended(sat, "cpu", duration="60")
    assert (result.status, set(statuses(result).values())) == ("FAILED", {"FAILED"})
    assert step(result, "cpu").reason.startswith("stress-ng ended after 0 of 30 s")
    result = await ended(sat, "memory", duration="60", size_mb="32")
    assert statuses(result) == {"memtester": "OK", "stressapptest": "FAILED"}


async def test_a_wrong_result_is_not_forgotten_because_somebody_cancels(sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="fails and hangs")
    async with sat.bus.client() as bus:
        run = await SatClient(bus).start("cpu", {"duration": "1"})
        output = sat.runs / run.run / "cpu.txt"
        await eventually(lambda: output.exists() and "fail:" in output.read_text(), 30)
        await run.cancel()
        result = await result_at_end(run)
    assert (result.status, statuses(result)["matrix"]) == ("FAILED", "ABORTED")
    assert "cpus.wrong-result" in rules(result, "Critical")


@pytest.mark.parametrize("manner", MEMTESTER)
async def test_memtester_is_believed_only_what_it_shows(sat: SatMachine, manner: str) -> None:
    sat.tools.behave(memtester=manner)
    result = await ended(sat, "memory")
    assert (result.status, statuses(result)) == ("FAILED", {"memtester": "FAILED", "stressapptest": "OK"})
    assert ("memory.memtester" in rules(result, "Critical")) == (manner == "fails")


@pytest.mark.parametrize("manner", STRESSAPPTEST)
async def test_stressapptest_is_believed_only_what_it_shows(sat: SatMachine, manner: str) -> None:
    sat.tools.behave(stressapptest=manner)
    result = await ended(sat, "memory")
    assert (result.status, statuses(result)) == ("FAILED", {"memtester": "OK", "stressapptest": "FAILED"})


GPU_STRESS = {
    "does nothing": "FAILED",
    "prints garbage": "FAILED",
    "crashes": "FAILED",
    "says no verdict": "FAILED",
    "fails": "FAILED",
    "finds a NaN": "FAILED",
    "finds faults and exits with 0": "FAILED",
    "compared nothing": "FAILED",  # it says OK, and has compared no result
    "forgets a GPU": "FAILED",
    "says OK and exits with 3": "FAILED",
}


@pytest.mark.parametrize("manner", GPU_STRESS)
async def test_bee_gpu_stress_is_believed_only_what_it_shows(gpu_server: SatMachine, manner: str) -> None:
    gpu_server.tools.behave(bee_gpu_stress=manner)
    result = await ended(gpu_server, "nvidia")
    assert (result.status, statuses(result)["gpu-stress"]) == ("FAILED", GPU_STRESS[manner])
    assert step(result, "gpu-stress").reason


@pytest.mark.parametrize("manner", ["does nothing", "fails", "sees one less", "prints garbage"])
async def test_nvidia_smi_has_to_see_every_gpu(gpu_server: SatMachine, manner: str) -> None:
    gpu_server.tools.behave(nvidia_smi=manner)
    result = await ended(gpu_server, "nvidia")
    assert (result.status, statuses(result)["nvidia-smi"]) == ("FAILED", "FAILED")


async def test_a_tool_that_is_missing_is_said_and_never_ok(make_sat: MakeSat, gpus: FakeNvml) -> None:
    sat = make_sat(fake=gpus, covers={"/usr/bin/stress-ng": "", "/usr/sbin/memtester": ""})
    for name in ("stress-ng", "memtester", "nvidia-bug-report.sh"):
        sat.tools.remove(name)
    cpu, memory, nvidia = await asyncio.gather(ended(sat, "cpu"), ended(sat, "memory"), ended(sat, "nvidia"))
    assert (cpu.status, set(statuses(cpu).values())) == ("UNSUPPORTED", {"UNSUPPORTED"})
    assert step(cpu, "cpu").reason == "stress-ng is not installed"
    assert (memory.status, statuses(memory)["stressapptest"]) == ("UNSUPPORTED", "OK")
    assert sat.summary(memory.run)["memtester_reason"] == "memtester is not installed"
    # NVIDIA's bug report is no test: it is told that there is none, and the GPUs are OK.
    assert (nvidia.status, statuses(nvidia)["nvidia-bug-report"]) == ("OK", "UNSUPPORTED")
