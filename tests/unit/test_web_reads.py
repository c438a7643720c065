"""Questions of visitors to the services: once at a time, however many ask, and bounded."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bee_bus.errors import BeeError, Internal, NotFound, SpawnFailed
from bee_bus.names import SAT, Service
from bee_bus.sat_client import SatClient
from bee_web import reads as module
from bee_web.reads import ANSWERS_MAX, AT_ONCE_MAX, Reads


class OpenDoor:
    """A way to a bus on which nobody is asked."""

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Any]:
        yield None


class Witness:
    def __init__(self) -> None:
        self.seen: list[tuple[Service, BeeError | None]] = []

    def answered(self, service: Service, error: BeeError | None) -> None:
        self.seen.append((service, error))


class FakeSat:
    """Answers of a service in the place of the real client's, when they are let go."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.go = asyncio.Event()
        self.go.set()
        self.error: BeeError | None = None
        self.text = "[]"
        patch.setattr(SatClient, "list_runs", lambda _: self._answer("runs"))
        patch.setattr(SatClient, "get_result", lambda _, run: self._answer(run))

    async def _answer(self, what: str) -> str:
        self.asked.append(what)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return self.text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass."""
    now = [1000.0]
    monkeypatch.setattr("bee_web.reads.time.monotonic", lambda: now[0])

    def go_on(seconds: float) -> None:
        now[0] += seconds

    return go_on


@pytest.fixture
def reads() -> Reads:
    return Reads(OpenDoor())  # type: ignore[arg-type]


async def test_many_who_ask_at_once_are_one_question(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    sat = FakeSat(monkeypatch)
    sat.go.clear()
    asking = [asyncio.create_task(reads.runs()) for _ in range(50)]
    await asyncio.sleep(0.01)
    sat.go.set()
    assert await asyncio.gather(*asking) == [()] * 50
    assert sat.asked == ["runs"]


async def test_an_answer_is_fresh_for_a_second(
    reads: Reads, monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    sat = FakeSat(monkeypatch)
    await reads.runs()
    clock(0.9)
    await reads.runs()
    assert sat.asked == ["runs"]
    clock(0.2)
    await reads.runs()
    assert sat.asked == ["runs", "runs"]


async def test_the_list_of_runs_is_kept_while_it_is_followed(
    reads: Reads, monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    sat = FakeSat(monkeypatch)
    reads.keep_runs(followed=True)
    await reads.runs()
    clock(200)
    await reads.runs()
    assert sat.asked == ["runs"], "a service that is asleep is not woken for what has not changed"
    reads.forget_runs()
    await reads.runs()
    assert sat.asked == ["runs", "runs"]
    reads.keep_runs(followed=False)
    await reads.runs()
    clock(1.1)
    await reads.runs()
    assert len(sat.asked) == 4


async def test_an_error_is_kept_for_a_second_also_where_an_answer_would_be_kept_for_long(
    reads: Reads, monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    sat = FakeSat(monkeypatch)
    reads.witness = witness = Witness()
    reads.keep_runs(followed=True)
    sat.error = SpawnFailed("it fell")
    for _ in range(3):
        with pytest.raises(SpawnFailed):
            await reads.runs()
    assert sat.asked == ["runs"]
    clock(1.1)
    sat.error = NotFound("no such run")
    with pytest.raises(NotFound):
        await reads.result("x")
    sat.error = None
    assert await reads.runs() == ()
    assert [(service, type(error)) for service, error in witness.seen] == [
        (SAT, SpawnFailed),
        (SAT, NotFound),
        (SAT, type(None)),
    ]


async def test_who_goes_away_takes_no_answer_from_the_others(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    sat = FakeSat(monkeypatch)
    sat.go.clear()
    impatient, patient = asyncio.create_task(reads.runs()), asyncio.create_task(reads.runs())
    await asyncio.sleep(0.01)
    impatient.cancel()
    sat.go.set()
    assert await patient == ()
    assert sat.asked == ["runs"]


async def test_different_questions_are_bounded_at_once_and_in_memory(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    sat = FakeSat(monkeypatch)
    sat.go.clear()
    asking = [asyncio.create_task(reads.result_text(f"run{number}")) for number in range(100)]
    await asyncio.sleep(0.01)
    sat.go.set()
    await asyncio.gather(*asking)
    assert sat.most_at_once == AT_ONCE_MAX
    assert len(reads._kept) <= ANSWERS_MAX


async def test_a_large_answer_is_given_and_not_kept(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    sat = FakeSat(monkeypatch)
    sat.text = '"' + "x" * module.ANSWER_BYTES_MAX + '"'
    assert await reads.result_text("big") == sat.text
    await asyncio.sleep(0)
    assert not reads._kept


async def test_an_answer_of_another_version_has_a_name(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    sat = FakeSat(monkeypatch)
    sat.text = '[{"runs": "are called otherwise"}]'
    with pytest.raises(Internal, match="another version"):
        await reads.runs()
