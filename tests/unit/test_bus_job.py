"""The job itself, without a bus: queued, running, finished, and never OK by accident."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bee_bus import errors
from bee_bus.job import Job


def job(work: Callable[[Job], Awaitable[str]], *, cancelable: bool = True) -> Job:
    return Job("lab", work, job_id="20261122T143259_001", owner_uid=1000, cancelable=cancelable)


async def sound(_: Job) -> str:
    return "OK"


async def endless(_: Job) -> str:
    await asyncio.sleep(60)
    return "OK"


async def test_a_job_runs_once_from_queued_to_finished() -> None:
    states: list[str] = []
    one = job(sound)
    one.on_change = lambda: states.append(one.state)
    assert (one.state, one.verdict, one.started_at) == ("queued", "", None)
    one.start()
    await one.ended()
    assert states == ["running", "finished"]
    assert (one.verdict, one.error) == ("OK", None)
    assert one.started_at is not None
    assert one.finished_at is not None
    assert one.created_at <= one.started_at <= one.finished_at
    with pytest.raises(RuntimeError, match="started before"):
        one.start()


async def test_progress_stays_between_nothing_and_all() -> None:
    seen: list[float | None] = []

    async def work(me: Job) -> str:
        for progress in (-1.0, 0.5, 7.0):
            me.report(progress=progress)
            seen.append(me.progress)
        return "Warning"

    one = job(work)
    one.start()
    await one.ended()
    assert seen == [0.0, 0.5, 1.0]
    assert one.verdict == "Warning"


async def test_a_job_that_knows_no_progress_claims_none_at_its_end() -> None:
    one = job(sound)
    one.start()
    await one.ended()
    assert one.progress is None


async def test_a_cancelled_job_is_not_ok_and_says_who_did_it() -> None:
    one = job(endless)
    one.start()
    await asyncio.sleep(0)
    one.cancel("user 7 cancelled it")
    await one.ended()
    assert one.verdict == "Unknown"
    assert isinstance(one.error, errors.Cancelled)
    assert one.error.message == "user 7 cancelled it"


async def test_a_job_cancelled_while_it_was_queued_never_runs() -> None:
    one = job(sound)
    one.cancel()
    await one.ended()
    one.start()
    assert (one.state, one.verdict) == ("finished", "Unknown")
    assert one.started_at is None


async def test_a_job_cancelled_as_it_starts_has_begun_and_ends() -> None:
    begun: list[str] = []

    async def tidy(one: Job) -> str:
        begun.append(one.id)
        try:
            return await endless(one)
        finally:
            begun.append("put in order")

    one = job(tidy)
    one.start()
    one.cancel()
    async with asyncio.timeout(5):
        await one.ended()
    assert (one.state, one.verdict, begun[1:]) == ("finished", "Unknown", ["put in order"])


async def test_a_job_that_finished_in_the_moment_of_its_cancelling_keeps_its_result() -> None:
    async def stubborn(_: Job) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "Critical"
        return "OK"

    one = job(stubborn)
    one.start()
    await asyncio.sleep(0)
    one.cancel()
    await one.ended()
    assert (one.verdict, one.error) == ("Critical", None)


async def test_what_cannot_be_cancelled_still_ends_with_the_service() -> None:
    one = job(endless, cancelable=False)
    one.start()
    await asyncio.sleep(0)
    with pytest.raises(errors.NotSupported):
        one.cancel()
    await asyncio.wait_for(one.stop("the service was told to stop"), 5)
    assert one.error is not None
    assert one.error.message == "the service was told to stop"


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (errors.Busy("taken"), errors.Busy),
        (ValueError("insides"), errors.Internal),
        (OSError(5, "x"), errors.Internal),
    ],
)
async def test_a_job_that_fails_has_a_name_for_it_and_no_verdict(
    failure: Exception, error: type[errors.BeeError], caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_: Job) -> str:
        raise failure

    one = job(failing)
    one.start()
    await one.ended()
    assert isinstance(one.error, error)
    assert "insides" not in one.error.message
    assert one.verdict == "Unknown"
    assert len(caplog.records) == (1 if error is errors.Internal else 0)
