"""A whole run: find the GPUs, load each in a process of its own, watch them, and judge."""

import asyncio
import itertools
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bee_bus.version import VERSION
from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.arguments import Options
from bee_sat.gpu_stress.events import AnyEvent, PlannedPhase, StressGpu, Verdict
from bee_sat.gpu_stress.floors import Floors
from bee_sat.gpu_stress.plan import PEER, Plan, make_plan
from bee_sat.gpu_stress.selection import Selection, in_pci_order, worker_environment
from bee_sat.gpu_stress.story import Story
from bee_sat.gpu_stress.supervisor import Rules, Supervisor
from bee_sat.gpu_stress.tasks import CopyPairs, LoadGpu, Pair
from bee_sat.gpu_stress.verdict import judge_story

Say = Callable[[AnyEvent], None]

_CACHE = "CUDA_CACHE_PATH"  # CUDA C++ Programming Guide, "CUDA Environment Variables"
_PEER_WORKERS = 4
_CHANGES = 5  # of what a GPU does, told at once in each phase
_LINES = 1800  # of one kind and one GPU, in a long run
_SLACK_SECONDS = 0.1
_CANCEL_SECONDS = 0.2  # for a conversation on the bus to end; the other side may hang


@dataclass(frozen=True)
class Order:
    """What is to be run."""

    options: Options
    selection: Selection
    floors: Floors
    driver_version: str | None = None


@dataclass
class _Told:
    """What was said last of one GPU. ``changes``: how often it has begun something else in this phase."""

    phase: tuple[str, int, str | None]
    doing: str
    at: float
    changes: int = 0


class Pace:
    """How often something is said that repeats itself, so that a day's lines can be kept and read."""

    def __init__(self, seconds: float) -> None:
        self.interval_seconds = max(1.0, seconds / _LINES)
        self._told: dict[str, _Told] = {}

    def due(self, event: e.PhaseProgress) -> bool:
        """Whether to say it: now and then, and when a GPU begins another phase, and its work in it."""
        phase = (event.phase, event.round, event.peer)
        told = self._told.get(event.gpu)
        if told is None or told.phase != phase:
            self._told[event.gpu] = _Told(phase, event.doing, event.steady_seconds)
            return True
        if event.steady_seconds - told.at < self.interval_seconds - _SLACK_SECONDS:
            if event.doing == told.doing or told.changes >= _CHANGES:
                return False
            told.changes += 1
        told.doing, told.at = event.doing, event.steady_seconds
        return True


async def run(
    order: Order, say: Say, stop: asyncio.Event, stopped: Callable[[], e.Stopped | None]
) -> Verdict:
    """Load the GPUs until the plan is done or ``stop`` is set; everything is said, the verdict last.

    ``stopped``: what stopped it, if anything did.
    """
    story = Story()
    pace = Pace(order.options.seconds)

    def tell(event: AnyEvent) -> None:
        story.take(event)
        if not isinstance(event, e.PhaseProgress) or pace.due(event):
            say(event)

    plan = make_plan(order.selection.gpus, order.options.seconds, order.options.phases)
    tell(_started(order, plan))
    if order.options.telemetry:
        # The bus is not needed without it, nor all that comes with it.
        from bee_sat.gpu_stress.telemetry import Witness

        ids = [gpu.id for gpu in order.selection.gpus]
        witness = Witness(tell, ids, interval_seconds=pace.interval_seconds)
        await _unless_stopped(witness.begin(), stop)
        await _load(order, plan, tell, stop)
        await _unless_stopped(witness.end(), stop)
    else:
        await _load(order, plan, tell, stop)
    if (ended_by := stopped()) is not None:
        tell(ended_by)
    verdict = judge_story(story, order.floors)
    say(verdict)
    return verdict


def _started(order: Order, plan: Plan) -> e.RunStarted:
    options, selection = order.options, order.selection
    return e.RunStarted(
        format=e.FORMAT,
        version=VERSION,
        seconds=options.seconds,
        gpus=selection.gpus,
        plan=plan.phases,
        size_mb=options.size_mb or None,
        whole_machine=selection.whole_machine,
        with_telemetry=options.telemetry,
        injections=tuple(f"{fault}@{gpu}" for gpu, faults in selection.faults.items() for fault in faults),
        lost=selection.lost,
        driver_version=order.driver_version,
    )


async def _load(order: Order, plan: Plan, tell: Say, stop: asyncio.Event) -> None:
    gpus = order.selection.gpus
    with _compiled_once(), tempfile.TemporaryFile() as turns:
        ends = await asyncio.gather(
            *(_load_one(order, gpu, plan.of(gpu.id), turns.fileno(), tell, stop) for gpu in gpus)
        )
        if plan.peers:
            well = [gpu for gpu, ended in zip(gpus, ends, strict=True) if ended.ending == "completed"]
            await _copy_pairs(order, well, plan, tell, stop)


@contextmanager
def _compiled_once() -> Iterator[None]:
    """Where the driver keeps what it made of PTX: a service has no home, where it would do so by itself."""
    if _CACHE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="bee-gpu-stress-", ignore_cleanup_errors=True) as folder:
        os.environ[_CACHE] = folder
        try:
            yield
        finally:
            del os.environ[_CACHE]


async def _load_one(
    order: Order,
    gpu: StressGpu,
    planned: tuple[PlannedPhase, ...],
    turns: int,
    tell: Say,
    stop: asyncio.Event,
) -> e.WorkerEnded:
    task = LoadGpu(
        gpu=gpu,
        plan=planned,
        size_mb=order.options.size_mb or None,
        faults=order.selection.faults.get(gpu.id, ()),
        turns=turns,
    )
    supervisor = Supervisor(Rules((gpu.id,), order.options.hang_seconds), tell, stop)
    return await supervisor.run(task, _environment([gpu]), [turns])


async def _copy_pairs(
    order: Order, gpus: list[StressGpu], plan: Plan, tell: Say, stop: asyncio.Event
) -> None:
    """All pairs of the GPUs that did well; after a pair that ended its worker, another takes up the rest.

    Not for ever: where pair after pair hangs, enough of them are named, and the verdict is awaited.
    """
    promised = {planned.gpu: planned for planned in plan.peers}
    if len(order.selection.gpus) == 1:
        reason = "there is one GPU, and no pair"
        (gpu,) = order.selection.gpus
        tell(e.PhaseEnded(gpu=gpu.id, phase=PEER, outcome=e.NotSupported(reason=reason)))
        return
    couples = list(itertools.combinations([gpu.id for gpu in gpus], 2))
    left = [
        Pair(one=one, other=other, planned=_pair_plan(promised[one], len(couples))) for one, other in couples
    ]
    for _ in range(_PEER_WORKERS):
        if not left or stop.is_set():
            return
        done: set[tuple[str, str | None]] = set()
        broken: set[str] = set()

        def hear(
            event: AnyEvent, done: set[tuple[str, str | None]] = done, broken: set[str] = broken
        ) -> None:
            if isinstance(event, e.PhaseStarted):
                done.add((event.gpu, event.peer))
            if isinstance(event, e.Unusable):
                broken.add(event.gpu)
            tell(event)

        ids = {gpu for pair in left for gpu in (pair.one, pair.other)}
        seen = tuple(gpu for gpu in gpus if gpu.id in ids)
        task = CopyPairs(
            gpus=seen,
            pairs=tuple(left),
            size_mb=order.options.size_mb or None,
            faults={gpu: faults for gpu, faults in order.selection.faults.items() if gpu in ids},
        )
        rules = Rules(tuple(gpu.id for gpu in seen), order.options.hang_seconds, peers=True)
        ended = await Supervisor(rules, hear, stop).run(task, _environment(seen))
        if ended.ending == "completed" or not (done or broken):
            return
        left = [
            pair
            for pair in left
            if (pair.one, pair.other) not in done and not broken & {pair.one, pair.other}
        ]


def _pair_plan(planned: PlannedPhase, pairs: int) -> PlannedPhase:
    return PlannedPhase(
        gpu=planned.gpu, phase=PEER, round=planned.round, seconds=round(planned.seconds / pairs, 3)
    )


def _environment(gpus: Sequence[StressGpu]) -> Mapping[str, str]:
    return {**in_pci_order(os.environ), **worker_environment(gpus, os.environ)}


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Do it, but not longer than the run is wanted."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_SECONDS)
    elif (error := task.exception()) is not None:
        raise error
