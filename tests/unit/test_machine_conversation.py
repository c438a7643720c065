"""Many questions to one device in one go: on a live machine, in a fake one, in a capture."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bee_machine import ControlError, Machine, Question, trip
from bee_machine.answers import Manifest
from bee_machine.archive import Archive
from bee_machine.controls import OPERATIONS
from bee_machine.live import LiveMachine
from bee_machine.recording import RecordingMachine
from bee_machine.replay import ReplayMachine
from lab.machine import FakeMachine

DEVICE = "/dev/parrot0"
MANIFEST = Manifest(bee_version="1", host_name="rack7", captured_at="2026-11-22T10:00:00+00:00")


class Parrot:
    """A device that says what it is told, refuses "no", and does not come back from "hang" until let go."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.threads: list[int] = []
        self.hangs = threading.Event()
        self.let_go = threading.Event()

    def say(self, device: str, request: bytes, deadline_seconds: float = 0) -> bytes:
        assert device == DEVICE
        self.heard.append(request)
        self.threads.append(threading.get_ident())
        if request == b"hang":
            self.hangs.set()
            assert self.let_go.wait(10)
        if request == b"no":
            raise ControlError(errno.EACCES, f"{DEVICE}: Permission denied")
        return request.upper()


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parrot]:
    parrot = Parrot()
    monkeypatch.setitem(OPERATIONS, "parrot", parrot.say)
    yield parrot
    parrot.let_go.set()


def fake(parrot: Parrot) -> Machine:
    return FakeMachine(controls={"parrot": parrot.say})


def live(parrot: Parrot) -> Machine:
    return LiveMachine()


async def told(*words: bytes, pause_seconds: float = 0.0) -> list[bytes | int | None]:
    """The answers, and the errors' numbers in their place; each asked when the one before has come."""
    found: list[bytes | int | None] = []
    for word in words:
        try:
            found.append(await Question("parrot", word, 0.05, pause_seconds))
        except OSError as error:
            found.append(error.errno)
    return found


@pytest.mark.parametrize("machine", [fake, live])
async def test_each_question_gets_its_answer_and_one_that_fails_its_error(
    parrot: Parrot, machine: Callable[[Parrot], Machine]
) -> None:
    answers = await machine(parrot).converse(DEVICE, told(b"one", b"no", b"two"))

    assert answers == [b"ONE", errno.EACCES, b"TWO"]
    assert parrot.heard == [b"one", b"no", b"two"]


@pytest.mark.parametrize("machine", [fake, live])
async def test_a_pause_comes_before_its_question(
    parrot: Parrot, machine: Callable[[Parrot], Machine]
) -> None:
    started = time.monotonic()

    await machine(parrot).converse(DEVICE, told(b"one", b"two", pause_seconds=0.03))

    assert time.monotonic() - started >= 0.06


@pytest.mark.parametrize("machine", [fake, live])
async def test_what_the_conversation_raises_is_raised(
    parrot: Parrot, machine: Callable[[Parrot], Machine]
) -> None:
    async def gives_up() -> None:
        raise LookupError((await Question("parrot", b"why")).decode())

    with pytest.raises(LookupError, match="WHY"):
        await machine(parrot).converse(DEVICE, gives_up())


@pytest.mark.parametrize("machine", [fake, live])
async def test_a_conversation_may_ask_nothing(parrot: Parrot, machine: Callable[[Parrot], Machine]) -> None:
    assert await machine(parrot).converse(DEVICE, told()) == []


async def test_a_live_machine_changes_threads_once(parrot: Parrot) -> None:
    await LiveMachine().converse(DEVICE, told(*(bytes((number,)) for number in range(200))))

    assert len(set(parrot.threads)) == 1
    assert threading.get_ident() not in parrot.threads


async def test_a_question_that_hangs_in_the_kernel_fails_and_the_others_are_asked(
    parrot: Parrot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trip, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(trip, "_WATCH_SECONDS", 0.01)

    answers = await LiveMachine().converse(DEVICE, told(b"one", b"hang", b"two", b"hang", b"three"))

    assert answers == [b"ONE", errno.ETIMEDOUT, b"TWO", errno.ETIMEDOUT, b"THREE"]
    first, hanging, second, *_ = parrot.threads
    assert first == hanging != second, "the thread that hangs is left to its question"
    parrot.let_go.set()
    await asyncio.sleep(0.05)
    assert parrot.heard == [b"one", b"hang", b"two", b"hang", b"three"], "what comes back late asks no more"


async def test_nothing_more_is_asked_when_nobody_waits_any_more(parrot: Parrot) -> None:
    waiting = asyncio.ensure_future(LiveMachine().converse(DEVICE, told(b"one", b"hang", b"two")))
    assert await asyncio.to_thread(parrot.hangs.wait, 5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    parrot.let_go.set()
    await asyncio.sleep(0.05)

    assert parrot.heard == [b"one", b"hang"]


async def test_a_capture_holds_its_questions_one_by_one(parrot: Parrot) -> None:
    together, apart = Archive(MANIFEST), Archive(MANIFEST)
    answers = await RecordingMachine(fake(parrot), together).converse(DEVICE, told(b"one", b"no", b"two"))
    alone = RecordingMachine(fake(parrot), apart)
    for word in (b"one", b"two"):
        await alone.control(DEVICE, "parrot", word)
    with pytest.raises(ControlError):
        await alone.control(DEVICE, "parrot", b"no")

    assert together.answers.controls[::2] == apart.answers.controls[:2]
    assert together.answers.controls[1] == apart.answers.controls[2]
    assert await ReplayMachine(together).converse(DEVICE, told(b"one", b"no", b"two")) == answers
    assert await ReplayMachine(apart).converse(DEVICE, told(b"one", b"no", b"two")) == answers


async def test_a_capture_cut_off_in_a_conversation_replays_as_far_as_it_went() -> None:
    async def never(*arguments: object, **more: object) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    machine, archive = (
        FakeMachine(controls={"parrot": lambda device, request: request.upper()}),
        Archive(MANIFEST),
    )
    recording = RecordingMachine(machine, archive)

    async def cut_off() -> list[bytes]:
        first = await Question("parrot", b"one")
        machine.control = never  # type: ignore[method-assign]
        return [first, await Question("parrot", b"two")]

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await recording.converse(DEVICE, cut_off())

    replayed = await ReplayMachine(archive).converse(DEVICE, told(b"one", b"two"))
    assert replayed == [b"ONE", None], "the second question hung then: a timeout now"
