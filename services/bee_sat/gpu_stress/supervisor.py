"""One worker process as its parent sees it: what it says, when it was last heard, and how it ended."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bee_bus.documents.base import to_json
from bee_machine import ToolMissing
from bee_machine.talker import Talker, talking
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import AnyEvent, Ending, WorkerEnded
from bee_sat.gpu_stress.plan import LATE_SECONDS, START_SECONDS
from bee_sat.gpu_stress.tasks import AnyTask, Discover, Discovered, read_discovered

Say = Callable[[AnyEvent], None]

_LOOK_SECONDS = 0.05
# From being told to end to being killed; all of it has to be over within a second.
_GRACE_SECONDS = 0.5
# A worker that has said its last word has only memory to give back; without persistence mode the driver stops
# its GPU then, one after the other.
_LEAVE_SECONDS = 60.0

_Phase = tuple[str, int, str, str | None]
_OF_WORKERS = (
    e.Hello,
    e.Opening,
    e.PhaseStarted,
    e.PhaseProgress,
    e.PhaseEnded,
    e.Wrong,
    e.Unusable,
    e.Farewell,
)


def worker_command() -> tuple[str, ...]:
    # -P: the folder that one happens to be in holds no module of ours.
    return (sys.executable, "-P", "-m", "bee_sat.gpu_stress.worker")


def worker_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, with the packages that we were started with: an installed program finds them by itself alone.

    Kernels are loaded, and compiled where there is PTX alone, while a worker starts, which has its own
    patience: left to the driver it would be in the midst of a phase (CUDA 12.2 and later).
    """
    packages = os.pathsep.join(path for path in sys.path if path)
    ours = {"PYTHONPATH": packages, "PYTHONNOUSERSITE": "1", "CUDA_MODULE_LOADING": "EAGER"}
    return {**os.environ, **ours, **more}


@dataclass(frozen=True)
class Rules:
    """``own``: GPUs of which it may speak, the one that answers for it first."""

    own: tuple[str, ...]
    hang_seconds: float
    peers: bool = False


class Supervisor:
    """Runs one worker to its end, whatever that is."""

    def __init__(self, rules: Rules, say: Say, stop: asyncio.Event) -> None:
        self._rules = rules
        self._say = say
        self._stop = stop
        self._heard_at = 0.0
        self._allowed_seconds = START_SECONDS
        self._late_at: float | None = None
        self._phase = ""
        self._doing = e.STARTING
        self._at = self._rules.own[0]
        self._bad = ""
        self._unusable: e.Unusable | None = None
        self._farewell = False
        self._open: _Phase | None = None
        self._begun: set[_Phase] = set()

    async def run(
        self, task: AnyTask, environment: Mapping[str, str], descriptors: Sequence[int] = ()
    ) -> WorkerEnded:
        """Start it, hear it, end it; what became of it, which has also been said."""
        ended = await self._run(task, environment, descriptors)
        self._say(ended)
        return ended

    async def _run(
        self, task: AnyTask, environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> WorkerEnded:
        self._heard_at = time.monotonic()
        try:
            async with talking(
                worker_command(),
                on_line=self._hear,
                line_limit_bytes=e.LINE_LIMIT_BYTES,
                environment=worker_environment(environment),
                descriptors=descriptors,
                said=to_json(task) + b"\n",
            ) as talker:
                return await self._watch(talker)
        except ToolMissing as error:
            return self._ended("errored", str(error), fault=False)

    async def _watch(self, talker: Talker) -> WorkerEnded:
        ended = asyncio.ensure_future(talker.ended())
        try:
            while not ended.done():
                if self._stop.is_set():
                    return await self._end_now(talker, ended)
                if (hung := self._hung()) is not None:
                    talker.kill()
                    return self._ended("hung", hung)
                if self._bad or talker.flooded:
                    talker.kill()
                    return self._ended("broken", self._bad or "a line without an end")
                await asyncio.wait([ended], timeout=_LOOK_SECONDS)
            return self._judge(talker, ended.result())
        finally:
            ended.cancel()

    def _hung(self) -> str | None:
        now = time.monotonic()
        silent = now - self._heard_at
        if silent > self._allowed_seconds:
            return f"it said nothing for {silent:.0f} s"
        if self._late_at is not None and now > self._late_at:
            return f"it did not end {LATE_SECONDS:.0f} s after its time"
        return None

    async def _end_now(self, talker: Talker, ended: "asyncio.Future[int]") -> WorkerEnded:
        talker.terminate()
        await asyncio.wait([ended], timeout=_GRACE_SECONDS)
        talker.kill()
        if ended.done() and self._farewell:
            return self._judge(talker, ended.result())
        return self._ended("aborted", "told to end")

    def _judge(self, talker: Talker, status: int) -> WorkerEnded:
        """How one ended that nobody ended."""
        if self._bad or talker.flooded:
            return self._ended("broken", self._bad or "a line without an end", status)
        if talker.rest:
            return self._ended("died", f"its last line was cut off, {_status(status)}", status)
        if self._unusable is not None:
            told = self._unusable
            return self._ended("errored", told.reason, status, fault=told.fault, next_step=told.next_step)
        if self._farewell and status == 0:
            return self._ended("completed", "", status)
        when = "after its last word" if self._farewell else "before its work was done"
        why = talker.complaint.splitlines()[-1:] or [""]
        return self._ended("died", f"{_status(status)} {when}{f': {why[0]}' if why[0] else ''}", status)

    def _ended(
        self,
        ending: Ending,
        message: str,
        status: int | None = None,
        *,
        fault: bool = True,
        next_step: str = "",
    ) -> WorkerEnded:
        doing = f"{self._phase}: {self._doing}" if self._phase else self._doing
        gpu = self._open[2] if self._open else self._at
        return WorkerEnded(
            gpu=self._unusable.gpu if self._unusable else gpu,
            ending=ending,
            message=message,
            doing="" if ending == "completed" else doing,
            exit_code=status,
            fault=fault,
            next_step=next_step,
            peers=self._rules.peers,
        )

    def _hear(self, line: bytes) -> None:
        if self._bad:
            return
        self._heard_at = time.monotonic()
        try:
            event = e.read(line)
        except e.BadLine as error:
            self._bad = str(error)
            return
        if not isinstance(event, _OF_WORKERS) or event.gpu not in self._rules.own or self._farewell:
            self._bad = f"a line that is not its own: {type(event).__name__}"
            return
        if not self._in_order(event):
            self._bad = f"a phase that it did not begin or had ended before: {type(event).__name__}"
            return
        self._note(event)
        self._say(event)

    def _in_order(self, event: AnyEvent) -> bool:
        """Each phase is begun once and ended once, and everything in it said between."""
        if isinstance(event, e.PhaseStarted | e.PhaseProgress | e.PhaseEnded):
            this = (event.phase, event.round, event.gpu, event.peer)
            if isinstance(event, e.PhaseStarted):
                begins = self._open is None and this not in self._begun
                self._open = this
                self._begun.add(this)
                return begins
            if self._open != this:
                return False
            if isinstance(event, e.PhaseEnded):
                self._open = None
        return True

    def _note(self, event: AnyEvent) -> None:
        match event:
            case e.Hello():
                self._doing = ""
                self._allowed_seconds = self._rules.hang_seconds
            case e.Opening():
                self._at, self._doing = event.gpu, "being opened"
            case e.PhaseStarted():
                self._at = self._rules.own[0]
                self._allowed_seconds = self._rules.hang_seconds
                self._phase = f"{event.phase} with {event.peer}" if event.peer else event.phase
                self._doing = e.STARTING
                self._late_at = time.monotonic() + event.seconds + LATE_SECONDS
            case e.PhaseProgress():
                self._doing = event.doing
            case e.PhaseEnded():
                self._late_at = None
                self._doing = "between phases"
            case e.Unusable():
                self._unusable = event
            case e.Farewell():
                self._farewell = True
                self._allowed_seconds = _LEAVE_SECONDS
                self._phase, self._doing = "", "leaving"
            case _:
                pass


def _status(status: int) -> str:
    if status >= 0:
        return f"it ended with exit code {status}"
    try:
        return f"{signal.Signals(-status).name} ended it"
    except ValueError:
        return f"signal {-status} ended it"


async def discover(environment: Mapping[str, str], stop: asyncio.Event) -> Discovered:
    """The GPUs that CUDA shows, asked in a process of its own: a sick GPU can hang the driver's start."""
    heard: list[bytes] = []
    try:
        async with talking(
            worker_command(),
            on_line=heard.append,
            line_limit_bytes=e.LINE_LIMIT_BYTES,
            environment=worker_environment(environment),
            said=to_json(Discover()) + b"\n",
        ) as talker:
            ended, stopped = asyncio.ensure_future(talker.ended()), asyncio.ensure_future(stop.wait())
            await asyncio.wait([ended, stopped], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not ended.done():
                ended.cancel()
                why = (
                    "told to end" if stop.is_set() else f"the driver did not start within {START_SECONDS:g} s"
                )
                return Discovered(problem=why, next_step="Look in the kernel log for Xid errors.")
            status, complaint = ended.result(), talker.complaint
    except ToolMissing as error:
        return Discovered(problem=str(error))
    try:
        (line,) = heard
        return read_discovered(line)
    except (ValueError, msgspec.MsgspecError):
        last = complaint.splitlines()[-1:] or ["it said nothing"]
        return Discovered(problem=f"looking for GPUs failed: {_status(status)}: {last[0]}")
