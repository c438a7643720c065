"""Jobs on the bus: their life, who may end them, and what a client sees of it."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bee_bus import errors
from bee_bus.client import Bus, JobClient
from lab.bus.private import OPERATOR_UID, STRANGER_UID, LabBus, call, lab_service, once_there
from lab.bus.service import BUS_NAME, PATH

MakeBus = Callable[..., LabBus]


async def start(client: Bus, seconds: float, outcome: str = "OK") -> JobClient:
    reply = await call(client, "Start", "ds", seconds, outcome)
    return JobClient(client, reply.sender, reply.body[0])


async def test_a_job_lives_from_running_to_finished_and_tells_every_step(bus: LabBus) -> None:
    seen: list[Mapping[str, Any]] = []
    async with bus.client(OPERATOR_UID) as client:
        job = await start(client, 0.5)
        assert re.fullmatch(rf"{PATH}/job/\d{{8}}T\d{{6}}_\d{{3}}", job.path)
        end = await job.finished(on_change=seen.append)
    assert {each["State"] for each in seen[:-1]} == {"running"}
    assert [each["Step"] for each in seen[-5:]] == [f"step {step}" for step in (6, 7, 8, 9, 9)]
    progress = [each["Progress"] for each in seen]
    assert progress == sorted(progress)
    assert all(each["Verdict"] == "" for each in seen[:-1])
    assert end["Verdict"] == "OK"
    assert (end["Progress"], end["ProgressValid"]) == (1.0, True)
    assert (end["ErrorName"], end["ErrorMessage"]) == ("", "")
    assert end["OwnerUid"] == OPERATOR_UID
    assert end["Kind"] == "lab"
    assert end["CreatedAt"] <= end["StartedAt"] < end["FinishedAt"]
    assert end["Cancelable"] is False


async def test_a_job_goes_on_when_its_client_leaves_and_another_finds_it(bus: LabBus) -> None:
    async with bus.client() as client:
        path = (await start(client, 0.6)).path
    async with bus.client() as other:
        end = await JobClient(other, BUS_NAME, path).finished()
        assert end["Verdict"] == "OK"


async def test_a_job_that_ended_before_anybody_looked_is_seen_as_ended(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await start(client, 0.0)
        await asyncio.sleep(0.2)
        assert (await job.finished(deadline_seconds=5))["Verdict"] == "OK"


async def test_a_finished_job_leaves_the_bus_after_its_while(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await start(client, 0.0)
        await job.finished()
        assert (await job.properties())["State"] == "finished"
        await asyncio.sleep(2.3)
        with pytest.raises(errors.UnknownObject):
            await job.properties()


async def test_jobs_of_the_same_second_have_names_of_the_same_width(bus: LabBus) -> None:
    async with bus.client() as client:
        paths = [(await start(client, 0.0)).path for _ in range(12)]
    assert paths == sorted(set(paths))
    assert len({len(path) for path in paths}) == 1


async def test_the_owner_may_cancel_without_being_a_member_of_anything(bus: LabBus) -> None:
    async with bus.client(STRANGER_UID) as owner:
        job = await start(owner, 60)
        await job.cancel()
        end = await job.finished(deadline_seconds=5)
    assert end["Verdict"] == "Unknown"
    assert end["ErrorName"] == "org.bee.Error.Cancelled"
    assert end["ErrorMessage"] == f"user {STRANGER_UID} cancelled it"


async def test_a_stranger_may_not_cancel_what_is_not_his(bus: LabBus) -> None:
    async with bus.client() as owner, bus.client(STRANGER_UID) as stranger:
        job = await start(owner, 60)
        with pytest.raises(errors.InteractiveAuthorizationRequired):
            await JobClient(stranger, BUS_NAME, job.path).cancel()
        assert (await job.properties())["State"] == "running"


async def test_a_member_of_group_bee_may_cancel_anybodys(bus: LabBus) -> None:
    async with bus.client() as owner, bus.client(OPERATOR_UID) as operator:
        job = await start(owner, 60)
        await JobClient(operator, BUS_NAME, job.path).cancel()
        assert (await job.finished(deadline_seconds=5))["ErrorMessage"] == f"user {OPERATOR_UID} cancelled it"


async def test_what_cannot_be_cancelled_says_so(bus: LabBus) -> None:
    async with bus.client() as client:
        stubborn = await start(client, 0.3, "stubborn")
        assert (await stubborn.properties())["Cancelable"] is False
        with pytest.raises(errors.NotSupported, match="cannot be cancelled"):
            await stubborn.cancel()
        assert (await stubborn.finished())["Verdict"] == "stubborn"
        with pytest.raises(errors.NotSupported, match="already finished"):
            await stubborn.cancel()


async def test_a_job_that_fails_ends_with_a_name_and_never_with_ok(bus: LabBus) -> None:
    bus.expect("Traceback")
    bus.expect("failed")
    async with bus.client() as client:
        end = await (await start(client, 0.0, "org.bee.Error.Busy")).finished()
        assert (end["ErrorName"], end["ErrorMessage"]) == ("org.bee.Error.Busy", "told to fail")
        assert end["Verdict"] == "Unknown"
        end = await (await start(client, 0.0, "crash")).finished()
        assert end["ErrorName"] == "org.bee.Error.Internal"
        assert "secret" not in end["ErrorMessage"]
        assert end["Verdict"] == "Unknown"
    assert bus.log().count("ZeroDivisionError: secret insides") == 1


async def test_a_service_that_dies_mid_job_is_noticed_at_once(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await start(client, 0.3, "die")
        with pytest.raises(errors.ServiceGone, match="before the job did"):
            await asyncio.wait_for(job.finished(), 5)


async def test_a_job_of_a_service_that_has_died_is_not_looked_for_in_its_successor(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await start(client, 0.0, "die")
        await asyncio.sleep(0.3)
        await call(client, "Echo", "sd", "a new process", 0.0)
        with pytest.raises(errors.ServiceGone):
            await asyncio.wait_for(job.finished(), 5)


async def test_who_follows_a_job_when_the_service_is_stopped_sees_its_end(make_bus: MakeBus) -> None:
    bus = make_bus(services={})
    service = bus.process(lab_service())
    async with bus.client() as client:
        reply = await once_there(client, "Start", "ds", 60.0, "OK")
        following = asyncio.create_task(JobClient(client, reply.sender, reply.body[0]).finished())
        await asyncio.sleep(0.2)
        service.terminate()
        end = await asyncio.wait_for(following, 5)
    assert end["ErrorName"] == "org.bee.Error.Cancelled"
    assert end["ErrorMessage"] == "the service was told to stop"
    assert service.wait(5) == 0


async def test_a_client_does_not_wait_longer_than_it_wants(bus: LabBus) -> None:
    async with bus.client() as client:
        job = await start(client, 60)
        with pytest.raises(errors.NoReply):
            await job.finished(deadline_seconds=0.2)
        assert (await job.properties())["State"] == "running"
