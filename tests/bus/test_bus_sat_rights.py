"""Who may do what with acceptance runs, who holds what, and what is no option, no run and no file."""

import asyncio
import os
from collections.abc import Callable

import pytest

from bee_bus import errors
from bee_bus.errors import AccessDenied, Busy, InvalidOption, NotFound, NotSupported
from bee_bus.sat_client import SatClient, SatRunClient
from lab.bus.private import OPERATOR_UID, STRANGER_UID
from lab.disks import DiskShelf
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.sat.driving import ended, held, listed, result_at_end, watched

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]
DENIED = (AccessDenied, errors.InteractiveAuthorizationRequired)


# Rights.


async def test_a_stranger_may_look_and_neither_start_nor_cancel_nor_read_files(sat: SatMachine) -> None:
    async with held(sat, "cpu") as (_, run), sat.bus.client(STRANGER_UID) as bus:
        client = SatClient(bus)
        assert [entry.run for entry in await listed(bus)] == [run.run]
        assert '"RUNNING"' in await client.get_result(run.run)
        with pytest.raises(DENIED):
            await client.start("memory", {"duration": "1"})
        with pytest.raises(DENIED):
            await (await client.attach(run.run)).cancel()
        for name in ("cpu.txt", "records.jsonl", "archive", "nothing"):
            with pytest.raises(DENIED):
                await client.open_artifact(run.run, name)
        with pytest.raises(DENIED):
            await client.export(run.run, "junit")
        assert sat.tools.calls("memtester") == []
        sat.tools.let_go()
        assert (await result_at_end(run)).status == "OK"


async def test_bad_options_are_named_before_rights_are_asked_for(sat: SatMachine) -> None:
    async with sat.bus.client(STRANGER_UID) as bus:
        with pytest.raises(InvalidOption, match="packs: memory"):
            await SatClient(bus).start("none")


async def test_an_operator_may_run_read_and_cancel_what_root_has_started(sat: SatMachine) -> None:
    async with held(sat, "cpu") as (_, run), sat.bus.client(OPERATOR_UID) as bus:
        client = SatClient(bus)
        with await client.open_artifact(run.run, "records.jsonl") as file:
            assert b"run-started" in file.read()
        found = await client.attach(run.run)
        await found.cancel()
        assert (await result_at_end(found)).status == "ABORTED"


async def test_who_has_started_a_run_stands_in_its_result(sat: SatMachine) -> None:
    async with sat.bus.client(OPERATOR_UID) as bus:
        run = await SatClient(bus).start("cpu", {"duration": "1"})
        assert (await run.properties())["OwnerUid"] == OPERATOR_UID
        assert (await result_at_end(run)).owner_uid == OPERATOR_UID


# One run per resource.


async def test_what_is_held_is_busy_and_who_holds_it_is_named(sat: SatMachine) -> None:
    async with held(sat, "cpu") as (_, run), sat.bus.client(OPERATOR_UID) as other:
        with pytest.raises(Busy, match=f"cpu by run {run.run}"):
            await SatClient(other).start("cpu", {"duration": "1"})
        assert len(await listed(other)) == 1, "what was refused has left nothing"
        memory = await SatClient(other).start("memory", {"duration": "1"})
        assert (await result_at_end(memory)).status == "OK", "the memory is another resource"
        sat.tools.let_go()
        await result_at_end(run)
        sat.tools.behave(stress_ng="works")
        again = await SatClient(other).start("cpu", {"duration": "1"})
        assert (await result_at_end(again)).status == "OK"


async def test_of_many_that_start_at_once_one_gets_it(sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="waits")
    async with sat.bus.client() as bus:
        client = SatClient(bus)
        starts = [client.start("cpu", {"duration": "1"}) for _ in range(20)]
        told = await asyncio.gather(*starts, return_exceptions=True)
        runs = [one for one in told if isinstance(one, SatRunClient)]
        assert len(runs) == 1
        assert sum(isinstance(one, Busy) for one in told) == 19
        assert [entry.run for entry in await listed(bus)] == [runs[0].run]
        sat.tools.let_go()
        assert (await result_at_end(runs[0])).status == "OK"


async def test_gpus_are_held_one_by_one(make_sat: MakeSat) -> None:
    with FakeNvml("h100", count=3) as fake:
        sat = make_sat(fake=fake)
        async with held(sat, "nvidia", gpus="0") as (bus, first):
            client = SatClient(bus)
            second = await client.start("nvidia", {"duration": "10", "gpus": "1"})
            with pytest.raises(Busy, match=f"gpu/{fake.pci_address(1)} by run {second.run}$"):
                await client.start("nvidia", {"duration": "10", "gpus": "1,2"})
            with pytest.raises(Busy, match=first.run):
                await client.start("nvidia")
            assert (await client.properties())["Held"] == {
                f"gpu/{fake.pci_address(0)}": first.run,
                f"gpu/{fake.pci_address(1)}": second.run,
            }
            await watched(sat, second.run)
            sat.tools.let_go()
            assert {(await result_at_end(run)).status for run in (first, second)} == {"OK"}
        visible = [call["cuda_visible_devices"] for call in sat.tools.calls("bee-gpu-stress")]
        assert visible == [fake.value(0, "uuid"), fake.value(1, "uuid")]


# Bad input.

BAD_OPTIONS = [
    ("", {}, "packs: memory, storage, cpu, nvidia"),
    ("../cpu", {}, "packs: memory, storage, cpu, nvidia"),
    ("cpu", {"durations": "1"}, "it takes: duration"),
    ("cpu", {"duration": "0"}, "from 1 to 604800"),
    ("cpu", {"duration": "-1"}, "from 1 to 604800"),
    ("cpu", {"duration": "1e3"}, "from 1 to 604800"),
    ("cpu", {"duration": "\N{FULLWIDTH DIGIT FIVE}"}, "from 1 to 604800"),
    ("cpu", {"duration": ""}, "from 1 to 604800"),
    ("cpu", {"duration": "9" * 5000}, "from 1 to 604800"),
    ("memory", {"size_mb": "1793"}, "MiB up to 1792"),
    ("memory", {"size_mb": "0"}, "MiB, from 1"),
    ("memory", {"passes": "1001"}, "1 to 1000"),
    ("storage", {"disks": "/dev/sda"}, "no paths"),
    ("storage", {"disks": "../../sda"}, "no paths"),
    ("storage", {"disks": "sda,,nvme0"}, "no paths"),
    ("storage", {"disks": "sdz"}, "it takes: sda"),
    ("storage", {"disks": "sda", "self_test": "quick"}, "short or extended"),
    ("nvidia", {"gpus": "7"}, "it takes: 0 "),
    ("nvidia", {"gpus": "0", "size_mb": "999999"}, "MiB up to"),
    ("nvidia", {"duration": "9"}, "from 10"),
]


async def test_bad_options_are_named_with_what_is_allowed(make_sat: MakeSat) -> None:
    shelf = DiskShelf()
    shelf.sata("sda", None)
    with FakeNvml("h100", count=1) as fake:
        sat = make_sat(fake=fake, disks=shelf)
        async with sat.bus.client() as bus:
            for pack, options, allowed in BAD_OPTIONS:
                with pytest.raises(InvalidOption, match=allowed) as refused:
                    await SatClient(bus).start(pack, options)
                assert len(str(refused.value)) < 400
            assert await listed(bus) == []
            assert (await SatClient(bus).properties())["Held"] == {}


async def test_what_the_machine_does_not_have_cannot_be_tested(sat: SatMachine) -> None:
    async with sat.bus.client() as bus:
        with pytest.raises(NotSupported, match="no NVIDIA GPU"):
            await SatClient(bus).start("nvidia")
        with pytest.raises(NotSupported, match="no disk"):
            await SatClient(bus).start("storage")
        assert await listed(bus) == []


NO_FILES = [
    "",
    ".",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    ".reserve",
    ".run.json",
    "a/b",
    "cpu.txt\n",
    "link",
    "x" * 5000,
]
NO_RUNS = ["", ".", "..", "../bee-sat", "latest", "20200101T000000_001", "x" * 5000]


async def test_names_are_no_paths(sat: SatMachine) -> None:
    result = await ended(sat, "cpu")
    (sat.runs / result.run / "link").symlink_to("/etc/passwd")
    async with sat.bus.client() as bus:
        client = SatClient(bus)
        for name in NO_FILES:
            with pytest.raises(NotFound):
                await client.open_artifact(result.run, name)
        for run in NO_RUNS:
            for ask in (client.get_result, client.recompute, client.list_artifacts):
                with pytest.raises(NotFound):
                    await ask(run)
            with pytest.raises(NotFound):
                await client.open_artifact(run, "records.jsonl")
            with pytest.raises(NotFound):
                await client.export(run, "ocp")
        for name in ("pdf", "", "junit.xml"):
            with pytest.raises(InvalidOption, match="junit, ocp"):
                await client.export(result.run, name)
        assert "link" not in await client.list_artifacts(result.run)
        assert len(await listed(bus)) == 1
