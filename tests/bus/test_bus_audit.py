"""org.bee.Audit1 itself on a private bus, with a real polkitd: root, group bee, and everybody else."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bee_bus import errors, names
from bee_bus.client import AuditClient, JobClient
from lab.bus.private import OPERATOR_UID, STRANGER_UID, LabBus, audit_service, bad_polkit

MakeBus = Callable[..., LabBus]

QUICK = {"sections": "cpus"}


@pytest.fixture
def bus(make_bus: MakeBus) -> LabBus:
    return make_bus(services={names.AUDIT.bus_name: audit_service()})


@pytest.mark.parametrize("uid", [0, OPERATOR_UID], ids=["root", "group bee"])
async def test_who_may_runs_an_audit_and_gets_its_snapshot(bus: LabBus, uid: int) -> None:
    async with bus.client(uid) as client:
        run = await AuditClient(client).run(QUICK)
        end = await run.finished(deadline_seconds=60)
        assert end["ErrorMessage"] == ""
        assert end["OwnerUid"] == uid
        snapshot = json.loads(await run.get_snapshot())
        assert snapshot["sections"] == ["cpus"]
        assert snapshot["hardware"]["summary"]["verdict"] == end["Verdict"]
        state = await run.run_properties()
        assert state["Sections"] == ["cpus"]
        assert state["Collectors"]["cpus"] in ("ok", "partial", "absent")


async def test_a_stranger_may_read_but_neither_audit_nor_capture(bus: LabBus) -> None:
    async with bus.client(STRANGER_UID) as client:
        audit = AuditClient(client)
        for refused in (audit.run, audit.capture):
            with pytest.raises(errors.InteractiveAuthorizationRequired):
                await refused()
        with pytest.raises(errors.NotFound, match="has not been audited"):
            await audit.get_snapshot()
        assert (await audit.properties())["Verdict"] == "Unknown"
        assert await audit.objects() == {}


async def test_a_stranger_watches_an_audit_but_gets_no_file_of_it(bus: LabBus) -> None:
    async with bus.client() as root, bus.client(STRANGER_UID) as stranger:
        run = await AuditClient(root).run(QUICK)
        watched = JobClient(stranger, names.AUDIT.bus_name, run.path)
        assert (await watched.finished(deadline_seconds=60))["State"] == "finished"
        with pytest.raises(errors.InteractiveAuthorizationRequired):
            await stranger.connection.ask(
                names.AUDIT.bus_name, run.path, names.AUDIT_RUN_INTERFACE, "OpenArtifact", "s", ["capture"]
            )


async def test_an_option_that_does_not_exist_is_named_before_anybody_is_asked(make_bus: MakeBus) -> None:
    bus = make_bus(services={names.AUDIT.bus_name: audit_service()}, polkit=bad_polkit("hang"))
    async with bus.client(STRANGER_UID) as client:
        audit = AuditClient(client)
        with pytest.raises(errors.InvalidOption, match="colour"):
            await audit.run({"colour": "red"})
        with pytest.raises(errors.InvalidOption, match="attic"):
            await audit.run({"sections": "cpus,attic"})
        with pytest.raises(errors.InvalidOption):
            await audit.capture({"sections": "cpus"})


async def test_a_whole_audit_is_the_current_snapshot_in_the_file_and_on_the_bus(bus: LabBus) -> None:
    async with bus.client() as client:
        audit = AuditClient(client)
        run = await audit.run()
        end = await run.finished(deadline_seconds=120)
        assert end["ErrorMessage"] == ""
        text = await audit.get_snapshot()
        assert text == await run.get_snapshot()
        properties = await audit.properties()
        written = await asyncio.to_thread(Path(properties["SnapshotPath"]).read_text)
        assert json.loads(written) == json.loads(text)
        summary = json.loads(text)["hardware"]["summary"]
        assert properties["Verdict"] == summary["verdict"] == end["Verdict"]
        assert properties["FailureCount"] == summary["failure_count"]
        assert properties["AuditedAt"] > 0
        components = [path for path in await audit.objects() if "/component/" in path]
        assert components


async def test_part_of_an_audit_does_not_become_the_current_snapshot(bus: LabBus) -> None:
    async with bus.client() as client:
        audit = AuditClient(client)
        await (await audit.run(QUICK)).finished(deadline_seconds=60)
        with pytest.raises(errors.NotFound):
            await audit.get_snapshot()


async def test_two_who_ask_for_the_same_audit_share_it(bus: LabBus) -> None:
    async with bus.client() as first, bus.client(OPERATOR_UID) as second:
        runs = await asyncio.gather(AuditClient(first).run(), AuditClient(second).run())
        assert runs[0].path == runs[1].path


async def test_a_capture_leaves_as_a_file(bus: LabBus) -> None:
    async with bus.client() as client:
        run = await AuditClient(client).capture()
        with pytest.raises(errors.Busy):
            await AuditClient(client).capture()
        end = await run.finished(deadline_seconds=120)
        assert end["ErrorMessage"] == ""
        assert (await run.run_properties())["Artifacts"] == ["capture"]
        for _ in range(2):
            with await run.open_artifact("capture") as file:
                assert len(await asyncio.to_thread(file.read)) > 100
        with pytest.raises(errors.NotFound):
            await run.open_artifact("../../etc/shadow")
