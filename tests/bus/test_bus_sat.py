"""org.bee.Sat1 on a private bus: runs of every pack from start to archive, and what can be read of them."""

import csv
import json
import os
import re
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bee_bus import errors
from bee_bus.documents.sat import Completed, SatPack, SatResult
from bee_bus.sat_client import SatClient
from lab import smartctl
from lab.bus.private import GROUPS, LOAD_UID, OPERATOR_UID, STRANGER_UID
from lab.disks import DiskShelf
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.sat.driving import ended, held, listed, loading, result_at_end, result_of, statuses, step

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]


def two_disks(sat: SatMachine) -> None:
    sat.tools.add_disk("sda", smartctl.hdd())
    sat.tools.add_disk(
        "nvme0", smartctl.nvme(nvme_self_test_log={"current_self_test_operation": {"value": 0}})
    )


# From start to archive.


async def test_the_cpu_pack_loads_every_core_as_a_user_without_rights(sat: SatMachine) -> None:
    result = await ended(sat, "cpu", duration="4")

    assert (result.status, result.reason, result.findings) == ("OK", "", ())
    assert statuses(result) == {"cpu": "OK", "matrix": "OK", "vecmath": "OK"}
    assert [look.when for look in result.looks] == ["before", "after"]
    calls = sat.tools.calls("stress-ng")
    assert [call["words"][:2] for call in calls] == [["--cpu", "2"], ["--matrix", "2"], ["--vecmath", "2"]]
    assert {(call["uid"], call["nice"]) for call in calls} == {(LOAD_UID, 10)}
    cpu = step(result, "cpu")
    assert (cpu.exit_code, cpu.output) == (0, "cpu.txt")
    assert cpu.command == ("stress-ng", *calls[0]["words"])
    assert "successful run completed" in (sat.runs / result.run / "cpu.txt").read_text()


async def test_the_memory_pack_goes_over_nearly_all_that_is_free(sat: SatMachine) -> None:
    result = await ended(sat, "memory", size_mb="100", passes="2")

    assert (result.status, result.reason) == ("OK", "")
    sizes = [call["words"] for call in sat.tools.calls("memtester")]
    assert sizes == [["50M", "2"], ["50M", "2"]], "one process for each core"
    (sweep,) = sat.tools.calls("stressapptest")
    assert sweep["words"] == ["-M", "1792", "-s", "1"], "2 GiB are free, 256 MiB stay for the system"
    measured = {one.name: one.value for one in step(result, "stressapptest").measurements}
    assert measured["tested_memory"] == 1792


async def test_the_storage_pack_follows_every_disks_own_test(make_sat: MakeSat) -> None:
    shelf = DiskShelf()
    shelf.sata("sda", None)
    shelf.nvme(0, None)
    sat = make_sat(disks=shelf)
    two_disks(sat)

    result = await ended(sat, "storage")

    assert statuses(result) == {"nvme0": "OK", "sda": "OK"}
    assert result.status == "OK", result.reason
    asked = [call["words"] for call in sat.tools.calls("smartctl")]
    assert asked.count(["-t", "short", "/dev/sda"]) == 1
    assert {words[0] for words in asked} == {"-t", "-x"}, "read, and told to test itself; nothing else"
    (started,) = sat.tools.calls("nvme")
    assert started["words"] == ["device-self-test", "/dev/nvme0", "-n", "0xffffffff", "-s", "1"]


async def test_the_nvidia_pack_loads_the_gpus_that_were_selected_and_keeps_their_telemetry(
    make_sat: MakeSat,
) -> None:
    with FakeNvml("h100", count=3) as fake:
        sat = make_sat(fake=fake)
        sat.tools.behave(bee_gpu_stress="takes its time")

        result = await ended(sat, "nvidia", gpus="0,2")

        assert result.status == "OK", result.reason
        assert result.resources == tuple(f"gpu/{fake.pci_address(slot)}" for slot in (0, 2))
        (load,) = sat.tools.calls("bee-gpu-stress")
        chosen = f"{fake.value(0, 'uuid')},{fake.value(2, 'uuid')}"
        assert load["cuda_visible_devices"] == chosen
        folder = sat.runs / result.run
        rows = list(csv.DictReader((folder / "gpu-metrics.csv").open()))
        assert {row["gpu"] for row in rows} == {"0", "2"}
        assert len(rows) >= 2 * 7, "once a second, each"
        assert all(float(row["power_watts"]) > 0 for row in rows)
        page = (folder / "gpu-metrics.html").read_text()
        assert "<svg" in page
        assert not re.findall(r"<script|<link|src=|href=.[^#]|@import|url\(", page), (
            "it is read without a network"
        )
        assert "GPU 2" in (folder / "gpu-metrics-term.txt").read_text()
        assert (folder / "nvidia-bug-report.log.gz").exists()


async def test_everything_is_in_the_archive_and_says_the_same_word(sat: SatMachine) -> None:
    result = await ended(sat, "cpu")

    summary = sat.summary(result.run)
    assert summary["overall_status"] == result.status == "OK"
    assert {name: word for name, word in summary.items() if name.endswith("_status")} == {
        "overall_status": "OK",
        "cpu_status": "OK",
        "matrix_status": "OK",
        "vecmath_status": "OK",
    }
    async with sat.bus.client() as bus:
        client = SatClient(bus)
        names = await client.list_artifacts(result.run)
        with await client.open_artifact(result.run, "archive") as file, tarfile.open(fileobj=file) as archive:
            packed = {Path(name).name for name in archive.getnames() if Path(name).name != result.run}
            member = archive.extractfile(f"{result.run}/result.json")
            assert member is not None
            assert msgspec.json.decode(member.read(), type=SatResult) == result
        assert packed == set(names) - {"archive"}
        (run,) = await listed(bus)
        assert (run.run, run.status, run.job) == (result.run, "OK", None)
        assert run.archive == str(sat.runs / f"{result.run}.tar.gz")
    assert {"records.jsonl", "kernel-log.txt", "look-before-audit.json", "look-after-audit.json"} <= packed


async def test_recomputing_gives_the_same_document(sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="fails")
    result = await ended(sat, "cpu")
    async with sat.bus.client() as bus:
        client = SatClient(bus)
        text = await client.get_result(result.run)
        assert await client.recompute(result.run) == text
        assert (sat.runs / result.run / "result.json").read_text() == text
        # The verdict is that of the records, whatever somebody has written beside them.
        (sat.runs / result.run / "result.json").write_text(text.replace("FAILED", "OK"))
        assert await client.recompute(result.run) == text


async def test_a_run_is_exported_for_other_programs(sat: SatMachine) -> None:
    result = await ended(sat, "cpu")
    async with sat.bus.client() as bus:
        client = SatClient(bus)
        with await client.export(result.run, "junit") as file:
            suite = ElementTree.fromstring(file.read())
            assert (suite.get("tests"), suite.get("failures")) == ("4", "0"), "each step, and the verdict"
        with await client.export(result.run, "ocp") as file:
            lines = [json.loads(line) for line in file]
        assert "schemaVersion" in lines[0]
        assert lines[-1]["testRunArtifact"]["testRunEnd"]["result"] == "PASS"


# While it goes on.


async def test_a_run_is_followed_step_by_step(sat: SatMachine) -> None:
    seen: list[tuple[str, ...]] = []

    def changed(run: Mapping[str, Any]) -> None:
        now = tuple(status for _, status, _, _ in run["Steps"])
        if now and (not seen or seen[-1] != now):
            seen.append(now)

    async with held(sat, "cpu") as (bus, run), run.following_steps(changed):
        so_far = await result_of(bus, run.run)
        assert (so_far.status, so_far.steps[0].status) == ("RUNNING", "RUNNING")
        (entry,) = await listed(bus)
        assert (entry.status, entry.finished_at) == ("RUNNING", None)
        properties = await SatClient(bus).properties()
        assert (properties["Active"], properties["Held"]) == ([run.run], {"cpu": run.run})
        with pytest.raises(errors.NotSupported, match="under way"):
            await SatClient(bus).export(run.run, "junit")
        assert "cpu.txt" in await SatClient(bus).list_artifacts(run.run)
        sat.tools.let_go()
        await result_at_end(run)
        properties = await SatClient(bus).properties()
        assert (properties["Active"], properties["Held"]) == ([], {})
    assert seen[0] == ("running", "waiting", "waiting")
    assert ("OK", "running", "waiting") in seen
    assert seen[-1] == ("OK", "OK", "OK")


async def test_a_run_goes_on_without_the_client_that_started_it(sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="waits")
    async with sat.bus.client() as starter:
        name = (await SatClient(starter).start("cpu", {"duration": "1"})).run
        await loading(sat, "cpu")
    async with sat.bus.client() as other:
        (run,) = await listed(other)
        assert (run.run, run.status) == (name, "RUNNING")
        sat.tools.let_go()
        result = await result_at_end(await SatClient(other).attach(name))
    assert result.status == "OK"


# Typed by hand.


def busctl(sat: SatMachine, *words: str, uid: int = 0) -> "subprocess.CompletedProcess[str]":
    command = ["busctl", f"--address={sat.bus.address}", "--json=short", *words]
    groups = GROUPS.get(uid, [])
    return subprocess.run(
        command,
        user=uid,
        group=uid,
        extra_groups=groups,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_busctl_starts_a_run_and_reads_its_result(sat: SatMachine) -> None:
    where = ("org.bee.Sat1", "/org/bee/Sat1", "org.bee.Sat1")
    started = busctl(sat, "call", *where, "Start", "sa{ss}", "cpu", "1", "duration", "1")
    (path,) = json.loads(started.stdout)["data"]
    async with sat.bus.client() as bus:
        await result_at_end(await SatClient(bus).attach(path.rpartition("/")[2]))
    verdict = busctl(sat, "get-property", "org.bee.Sat1", path, "org.bee.Job1", "Verdict")
    assert json.loads(verdict.stdout)["data"] == "OK"
    read = busctl(sat, "call", "org.bee.Sat1", path, "org.bee.Sat1.Run", "GetResult")
    (text,) = json.loads(read.stdout)["data"]
    assert json.loads(text)["status"] == "OK"


def test_busctl_is_told_what_is_allowed(sat: SatMachine) -> None:
    where = ("org.bee.Sat1", "/org/bee/Sat1", "org.bee.Sat1")
    refused = busctl(sat, "call", *where, "Start", "sa{ss}", "gpu", "0")
    assert refused.returncode != 0
    assert "packs: memory, storage, cpu, nvidia" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_busctl_is_refused_to_a_stranger_and_allowed_to_an_operator(sat: SatMachine) -> None:
    start = (
        "call",
        "org.bee.Sat1",
        "/org/bee/Sat1",
        "org.bee.Sat1",
        "Start",
        "sa{ss}",
        "cpu",
        "1",
        "duration",
        "1",
    )
    refused = busctl(sat, *start, uid=STRANGER_UID)
    assert refused.returncode != 0 and refused.stdout == ""
    assert "org.bee.sat.run needs a password" in refused.stderr
    allowed = busctl(sat, *start, uid=OPERATOR_UID)
    (path,) = json.loads(allowed.stdout)["data"]
    cancelled = busctl(sat, "call", "org.bee.Sat1", path, "org.bee.Job1", "Cancel", uid=STRANGER_UID)
    assert cancelled.returncode != 0
    cancelled = busctl(sat, "call", "org.bee.Sat1", path, "org.bee.Job1", "Cancel", uid=OPERATOR_UID)
    assert cancelled.returncode == 0, cancelled.stderr
    async with sat.bus.client() as bus:
        run = path.rpartition("/")[2]
        assert (await result_at_end(await SatClient(bus).attach(run))).status == "ABORTED"


# What there is.


async def test_packs_say_what_they_prove_and_take(sat: SatMachine) -> None:
    async with sat.bus.client() as bus:
        packs = msgspec.json.decode(await SatClient(bus).get_packs(), type=list[SatPack])
        properties = await SatClient(bus).properties()
    assert [pack.name for pack in packs] == ["memory", "storage", "cpu", "nvidia"] == properties["Packs"]
    assert all(pack.title and pack.summary and pack.steps for pack in packs)
    variables = {option.environment for pack in packs for option in pack.options} - {None}
    assert variables == {
        "BEE_GPU_STRESS_SECONDS",
        "BEE_GPU_STRESS_SIZE_MB",
        "BEE_MEMTESTER_SIZE_MB",
        "BEE_MEMTESTER_PASSES",
    }


async def test_a_measurement_of_a_step_is_kept_with_its_unit(sat: SatMachine) -> None:
    result = await ended(sat, "cpu")
    (rate,) = [one for one in step(result, "cpu").measurements if one.name == "operations_rate"]
    assert (rate.value, rate.unit) == (636.55, "bogo operations/s")
    assert isinstance(step(result, "cpu").outcome, Completed)
