"""Workers that misbehave: each is ended, and called what it is."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from bee_bus.documents.base import to_json
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress import supervisor
from bee_sat.gpu_stress.events import AnyEvent, PlannedPhase, WorkerEnded
from bee_sat.gpu_stress.supervisor import Rules, Supervisor, discover
from bee_sat.gpu_stress.tasks import LoadGpu, read_task
from lab.stress import done, gpu

ONE, OTHER = gpu(0), gpu(1)

HELLO = e.Hello(gpu=ONE.id, pid=1, memory_total_bytes=1, memory_free_bytes=1, kernels="sm_90a")
STARTED = e.PhaseStarted(gpu=ONE.id, phase="memory", seconds=1)
PROGRESS = e.PhaseProgress(gpu=ONE.id, phase="memory", doing="pass 3: filling", elapsed_seconds=1)
ENDED = e.PhaseEnded(gpu=ONE.id, phase="memory", outcome=done("memory"))
FAREWELL = e.Farewell(gpu=ONE.id)

# What a bad worker may need: ``say`` writes lines as they are.
_PRELUDE = """
import os, signal, sys, time
def say(*lines):
    for line in lines:
        os.write(1, line)
"""


class Lab:
    """A worker that is a few lines of Python, and what its parent made of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._script = folder / "worker.py"
        self.said: list[AnyEvent] = []
        self.stop = asyncio.Event()
        monkeypatch.setattr(supervisor, "worker_command", lambda: (sys.executable, str(self._script)))

    async def run(
        self, script: str, *, hang_seconds: float = 20.0, rules: Rules | None = None
    ) -> WorkerEnded:
        self._script.write_text(_PRELUDE + script)
        worker = Supervisor(rules or Rules((ONE.id,), hang_seconds), self.said.append, self.stop)
        planned = PlannedPhase(gpu=ONE.id, phase="memory", seconds=1)
        async with asyncio.timeout(30):
            ended = await worker.run(LoadGpu(gpu=ONE, plan=(planned,)), {})
        assert self.said[-1] is ended
        return ended

    async def discover(self, script: str) -> str:
        self._script.write_text(_PRELUDE + script)
        return (await discover({}, self.stop)).problem


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def lines(*events: AnyEvent) -> str:
    """Python that says these."""
    return f"say({', '.join(repr(e.line(event)) for event in events)})\n"


async def test_one_that_keeps_its_word_is_completed(lab: Lab) -> None:
    ended = await lab.run(lines(HELLO, STARTED, PROGRESS, ENDED, FAREWELL))
    assert (ended.ending, ended.exit_code, ended.doing) == ("completed", 0, "")
    assert [type(event) for event in lab.said[:-1]] == [
        e.Hello,
        e.PhaseStarted,
        e.PhaseProgress,
        e.PhaseEnded,
        e.Farewell,
    ]


@pytest.mark.parametrize(
    ("script", "ending", "said"),
    [
        ("", "died", "exit code 0 before its work was done"),
        (lines(HELLO, STARTED), "died", "exit code 0 before its work was done"),
        (lines(HELLO, STARTED) + "sys.exit(1)", "died", "exit code 1"),
        (lines(HELLO, FAREWELL) + "sys.exit(1)", "died", "exit code 1 after its last word"),
        (lines(HELLO) + "os.kill(os.getpid(), signal.SIGSEGV)", "died", "SIGSEGV"),
        (lines(HELLO) + "raise OSError('no such luck')", "died", "no such luck"),
        (lines(HELLO, STARTED) + f"say({e.line(FAREWELL)[:-1]!r})", "died", "cut off"),
        (lines(HELLO, STARTED) + f"say({e.line(PROGRESS)[:40]!r})", "died", "cut off"),
        (lines(HELLO) + "say(b'hello there\\n'); time.sleep(60)", "broken", "not an event"),
        (lines(HELLO) + "say(b'\\n'); time.sleep(60)", "broken", "not an event"),
        (lines(HELLO) + "say(b'x' * 3_000_000); time.sleep(60)", "broken", "without an end"),
        (lines(e.Farewell(gpu=OTHER.id)), "broken", "not its own"),
        (lines(e.Verdict(result="OK", summary="trust me")), "broken", "not its own"),
        (lines(e.Telemetry(watching=True), FAREWELL), "broken", "not its own"),
        (lines(HELLO, FAREWELL, PROGRESS), "broken", "not its own"),
        (lines(HELLO, ENDED), "broken", "did not begin"),
        (lines(HELLO, STARTED, ENDED, ENDED), "broken", "had ended before"),
        (lines(HELLO, STARTED, ENDED, STARTED), "broken", "had ended before"),
        (lines(HELLO, STARTED, STARTED), "broken", "had ended before"),
    ],
)
async def test_one_that_does_not_is_called_what_it_is(lab: Lab, script: str, ending: str, said: str) -> None:
    ended = await lab.run(script)
    assert ended.ending == ending
    assert said in ended.message


@pytest.mark.parametrize("fault", [True, False])
async def test_one_that_cannot_use_its_gpu_says_why(lab: Lab, fault: bool) -> None:
    unusable = e.Unusable(gpu=ONE.id, reason="it is gone", fault=fault, next_step="look for it", code=46)
    ended = await lab.run(lines(unusable) + "sys.exit(1)")
    assert (ended.ending, ended.message, ended.fault) == ("errored", "it is gone", fault)
    assert ended.next_step == "look for it"


async def test_one_that_is_silent_is_killed_and_named_with_what_it_did(lab: Lab) -> None:
    began = time.monotonic()
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + lines(HELLO, STARTED, PROGRESS)
    ended = await lab.run(script + "time.sleep(60)", hang_seconds=0.5)
    assert ended.ending == "hung"
    assert ended.doing == "memory: pass 3: filling"
    assert "it said nothing" in ended.message
    assert time.monotonic() - began < 10


async def test_one_that_talks_and_does_not_end_is_late(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LATE_SECONDS", 0.5)
    script = lines(HELLO, STARTED) + f"while True:\n    {lines(PROGRESS)}    time.sleep(0.1)\n"
    ended = await lab.run(script)
    assert ended.ending == "hung"
    assert "did not end" in ended.message


async def test_one_that_never_begins_hangs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_SECONDS", 0.5)
    ended = await lab.run("time.sleep(60)")
    assert (ended.ending, ended.doing) == ("hung", "starting")


@pytest.mark.parametrize(
    ("script", "gpu_id", "doing", "nobody"),
    [
        ("", ONE.id, "starting", True),
        (lines(e.Opening(gpu=ONE.id)), ONE.id, "being opened", False),
        (lines(e.Opening(gpu=ONE.id), e.Opening(gpu=OTHER.id)), OTHER.id, "being opened", False),
    ],
)
async def test_the_gpu_at_which_the_worker_of_all_pairs_hangs_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, script: str, gpu_id: str, doing: str, nobody: bool
) -> None:
    monkeypatch.setattr(supervisor, "START_SECONDS", 0.5)
    rules = Rules((ONE.id, OTHER.id), 0.1, peers=True)
    ended = await lab.run(script + "time.sleep(60)", rules=rules)
    assert (ended.ending, ended.gpu, ended.doing, ended.blames_nobody) == ("hung", gpu_id, doing, nobody)


async def test_each_gpu_of_all_pairs_has_the_time_to_start(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver compiles the kernels anew for each of many GPUs, all of them take long."""
    monkeypatch.setattr(supervisor, "START_SECONDS", 2.0)
    slow = "time.sleep(1.2)\n".join(lines(e.Opening(gpu=one.id)) for one in (ONE, OTHER, ONE))
    rules = Rules((ONE.id, OTHER.id), 0.1, peers=True)
    assert (await lab.run(slow + lines(FAREWELL), rules=rules)).ending == "completed"


async def test_one_that_is_told_to_end_and_does_not_is_killed(lab: Lab) -> None:
    asyncio.get_running_loop().call_later(1.0, lab.stop.set)
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + lines(HELLO) + "time.sleep(60)"
    ended = await lab.run(script)
    assert ended.ending == "aborted"


async def test_a_task_of_a_week_is_read_whole() -> None:
    plan = tuple(PlannedPhase(gpu=ONE.id, phase="memory", seconds=1, round=number) for number in range(5000))
    task = read_task(to_json(LoadGpu(gpu=ONE, plan=plan)))
    assert isinstance(task, LoadGpu)
    assert task.plan == plan


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "it said nothing"),
        ("sys.exit('no luck')", "no luck"),
        ("say(b'{}\\n{}\\n')", "it said nothing"),
        ("say(b'[1]\\n')", "it said nothing"),
        ("os.kill(os.getpid(), signal.SIGBUS)", "SIGBUS"),
    ],
)
async def test_looking_for_gpus_that_fails_is_no_empty_machine(lab: Lab, script: str, said: str) -> None:
    assert said in await lab.discover(script)


async def test_looking_for_gpus_has_a_deadline(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_SECONDS", 0.5)
    assert "did not start within" in await lab.discover("time.sleep(60)")
