"""How runs end before their time: told to, with the service, with the disk; nothing of them is left."""

import asyncio
import os
import shutil
import signal
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bee_bus.client import Bus
from bee_bus.errors import NotSupported
from bee_bus.names import DBUS, DBUS_PATH
from bee_bus.sat_client import SatClient
from lab import smartctl
from lab.bus.private import eventually, pid_of
from lab.disks import DiskShelf
from lab.nvml import FakeNvml
from lab.sat import SAT, SatMachine, mount_small
from lab.sat.driving import ended, held, listed, result_at_end, result_of, statuses, step

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]
CHILDREN = 3  # what "leaves children" leaves, the last of them an orphan


async def owned(bus: Bus) -> bool:
    reply = await bus.connection.ask(DBUS, DBUS_PATH, DBUS, "NameHasOwner", "s", [SAT])
    return bool(reply.body[0])


# Cancelled.


@pytest.mark.parametrize("pack", ["cpu", "memory"])
async def test_a_cancelled_run_leaves_no_process_after_two_seconds(sat: SatMachine, pack: str) -> None:
    sat.tools.behave(stress_ng="leaves children", memtester="leaves children")
    async with sat.bus.client() as bus:
        run = await SatClient(bus).start(pack, {"duration": "60"})
        loads = 1 if pack == "cpu" else 2
        await eventually(lambda: sat.tools.children() == CHILDREN * loads, 30)
        assert len(sat.tools.processes()) >= (CHILDREN + 1) * loads
        told = time.monotonic()
        await run.cancel()
        await eventually(lambda: not sat.tools.processes(), 2)
        result = await result_at_end(run)
    assert time.monotonic() - told < 3
    assert (result.status, set(statuses(result).values())) == ("ABORTED", {"ABORTED"})
    assert all(one.reason.startswith("its turn never came") for one in result.steps[1:])
    assert sat.summary(result.run)["overall_status"] == "ABORTED"
    with tarfile.open(sat.runs / f"{result.run}.tar.gz") as archive:
        assert f"{result.run}/summary.txt" in archive.getnames()


async def test_a_cancelled_gpu_load_lets_its_gpus_go_and_keeps_what_was_measured(make_sat: MakeSat) -> None:
    with FakeNvml("h100", count=2) as fake:
        sat = make_sat(fake=fake)
        sat.tools.behave(bee_gpu_stress="leaves children")
        async with sat.bus.client() as bus:
            run = await SatClient(bus).start("nvidia", {"duration": "600"})
            await eventually(lambda: sat.tools.children() == CHILDREN, 30)
            await eventually(lambda: b"\n0" in _read(sat.runs / run.run / "gpu-metrics.csv"))
            await run.cancel()
            await eventually(lambda: not sat.tools.processes(), 2)
            result = await result_at_end(run)
            assert (await SatClient(bus).properties())["Held"] == {}
        assert statuses(result) == {
            "nvidia-smi": "OK",
            "gpu-stress": "ABORTED",
            "nvidia-bug-report": "ABORTED",
        }
        assert (sat.runs / result.run / "gpu-metrics.html").exists()


@pytest.mark.parametrize("moment", ["while it starts", "while it runs"])
async def test_a_cancelled_self_test_is_ended_in_the_disk(make_sat: MakeSat, moment: str) -> None:
    shelf = DiskShelf()
    shelf.sata("sda", None)
    sat = make_sat(disks=shelf)
    sat.tools.add_disk("sda", smartctl.hdd())
    sat.tools.behave(smartctl="sda hangs" if moment == "while it runs" else "sda hangs, hangs when it starts")
    testing = sat.tools.folder / "disks/sda.test"
    async with sat.bus.client() as bus:
        run = await SatClient(bus).start("storage")
        await eventually(testing.exists, 30)
        if moment == "while it runs":
            await eventually(lambda: ["-x", "-j", "/dev/sda"] in _words_after_start(sat), 30)
        await run.cancel()
        result = await result_at_end(run)
    assert statuses(result) == {"sda": "ABORTED"}
    assert sat.tools.calls("smartctl")[-1]["words"] == ["-X", "/dev/sda"]
    assert not testing.exists(), "the drive tests no more"


async def test_children_left_by_a_tool_that_has_ended_are_ended_too(sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="leaves children and ends")
    result = await ended(sat, "cpu")
    assert sat.tools.children() == CHILDREN * 3
    assert sat.tools.processes() == []
    assert set(statuses(result).values()) == {"FAILED"}, "it has said nothing"


async def test_who_cancels_twice_and_in_the_first_look_gets_the_same_end(sat: SatMachine) -> None:
    async with sat.bus.client() as bus:
        run = await SatClient(bus).start("cpu", {"duration": "60"})
        await run.cancel()
        await run.cancel()
        result = await result_at_end(run)
    assert (result.status, result.steps) == ("ABORTED", ())
    assert sat.tools.calls("stress-ng") == []


# The service ends under it.


async def test_a_killed_service_leaves_no_process_and_its_run_is_found_as_interrupted(
    sat: SatMachine,
) -> None:
    sat.bus.expect("was interrupted")
    async with sat.bus.client() as bus:
        before = await ended(sat, "cpu")
        sat.tools.behave(memtester="leaves children")
        name = (await SatClient(bus).start("memory", {"duration": "60"})).run
        await eventually(lambda: sat.tools.children() == CHILDREN * 2, 30)
        os.kill(await pid_of(bus, SAT), signal.SIGKILL)
        await eventually(lambda: not sat.tools.processes(), 2)

        async def recovered() -> bool:
            return (await listed(bus))[0].archive is not None

        await eventually(recovered)  # the first call starts the service again
        runs = {run.run: run.status for run in await listed(bus)}
        assert runs == {before.run: "OK", name: "INTERRUPTED"}
        result = await result_of(bus, name)
        assert (result.status, result.reason) == ("INTERRUPTED", "the service was ended or killed")
        assert set(statuses(result).values()) == {"INTERRUPTED"}
        assert {look.artifact for look in result.looks} == {"look-before-audit.json"}
        assert step(result, "memtester").command[0] == "memtester"
        assert await SatClient(bus).recompute(name) == await SatClient(bus).get_result(name)
        assert sat.summary(name)["overall_status"] == "INTERRUPTED"
        with (
            await SatClient(bus).open_artifact(name, "archive") as file,
            tarfile.open(fileobj=file) as packed,
        ):
            assert {f"{name}/records.jsonl", f"{name}/look-before-audit.json"} <= set(packed.getnames())
        sat.tools.behave(memtester="works")
        assert (await ended(sat, "memory")).status == "OK", "nothing is held any more"


async def test_a_run_that_ended_with_its_service_keeps_its_name_to_itself(sat: SatMachine) -> None:
    """The job that completes it is on the bus under another name, though all is over within a second."""
    sat.bus.expect("was interrupted")
    async with sat.bus.client() as bus:
        name = (await SatClient(bus).start("cpu", {"duration": "60"})).run
        await eventually(lambda: (sat.runs / name / "records.jsonl").stat().st_size > 0)
        os.kill(await pid_of(bus, SAT), signal.SIGKILL)
        await eventually(lambda: not sat.tools.processes(), 2)

        async def gone() -> bool:
            return not await owned(bus)

        await eventually(gone)  # until the bus knows, a call goes to who was killed
        now = datetime.now(UTC)
        for seconds in range(30):  # such a run in every second in which the next life may start
            same = sat.runs / (now + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S_001")
            if not same.exists():
                shutil.copytree(sat.runs / name, same)
        runs = {run.run: run.status for run in await listed(bus)}
        assert set(runs.values()) == {"INTERRUPTED"} and len(runs) >= 30
        jobs = [path for path in await SatClient(bus).objects() if "/job/" in path]
        assert len(jobs) == 1
        assert jobs[0].rpartition("/")[2] not in runs


async def test_a_service_that_is_told_to_stop_ends_its_runs_first(sat: SatMachine) -> None:
    async with held(sat, "cpu") as (bus, run):
        os.kill(await pid_of(bus, SAT), signal.SIGTERM)

        async def gone() -> bool:
            return not await owned(bus)

        await eventually(gone, 10)
        assert sat.tools.processes() == []
        assert sat.summary(run.run)["overall_status"] == "INTERRUPTED", "written before it left"
        result = await result_of(bus, run.run)
        assert (result.status, result.reason) == ("INTERRUPTED", "the service was told to stop")
        assert statuses(result) == {"cpu": "INTERRUPTED", "matrix": "INTERRUPTED", "vecmath": "INTERRUPTED"}


async def test_an_idle_service_leaves_and_one_with_a_run_stays(make_sat: MakeSat) -> None:
    sat = make_sat(idle_seconds=0.3)
    async with sat.bus.client() as bus:
        assert await listed(bus) == []

        async def gone() -> bool:
            return not await owned(bus)

        await eventually(gone)
    async with held(sat, "cpu") as (bus, run):
        process = await pid_of(bus, SAT)
        await asyncio.sleep(1.5)
        assert await pid_of(bus, SAT) == process
        sat.tools.let_go()
        assert (await result_at_end(run)).status == "OK"


# The disk.


async def test_a_full_disk_fails_the_run_with_its_reason_and_the_service_goes_on(sat: SatMachine) -> None:
    sat.bus.expect("no space is left")
    sat.bus.expect("No space left on device")
    async with sat.bus.client() as bus:
        await listed(bus)
        process = await pid_of(bus, SAT)
        sat.runs.mkdir(parents=True)
        mount_small(process, sat.runs, "6m")
        seen = Path(f"/proc/{process}/root{sat.runs}")
        sat.tools.behave(stress_ng="prints a gigabyte")
        run = await SatClient(bus).start("cpu", {"duration": "1"})
        result = await result_at_end(run)

        assert result.status == "FAILED"
        assert "no space" in result.reason.lower(), result.reason
        assert step(result, "cpu").status == "FAILED"
        assert (seen / run.run / "summary.txt").read_text().count("FAILED") >= 2
        assert await SatClient(bus).recompute(run.run) == await SatClient(bus).get_result(run.run)
        assert sat.tools.processes() == []
        (seen / "filler").write_bytes(bytes(shutil.disk_usage(seen).free))
        with pytest.raises(NotSupported, match="no space is left"):
            await SatClient(bus).start("memory", {"duration": "1"})
        (seen / "filler").unlink()
        (seen / run.run / "cpu.txt").unlink()
        sat.tools.behave(stress_ng="works")
        assert (await ended(sat, "cpu")).status == "OK"
        assert await pid_of(bus, SAT) == process


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _words_after_start(sat: SatMachine) -> list[list[str]]:
    words = [call["words"] for call in sat.tools.calls("smartctl")]
    return words[words.index(["-t", "short", "/dev/sda"]) :]
