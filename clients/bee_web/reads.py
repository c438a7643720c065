"""What is asked of the services for who only looks: each question once at a time, however many ask it.

Visitors need no login, so what they can make the services do is bounded here.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from bee_bus.client import Bus
from bee_bus.documents.gpus import GpuHealth, GpuInventory
from bee_bus.documents.sat import SatPack, SatResult, SatRun
from bee_bus.errors import BeeError, Internal
from bee_bus.gpu_client import GpuClient
from bee_bus.names import GPU, SAT, SERVICES, Service
from bee_bus.sat_client import SatClient
from bee_web.door import Door

FRESH_SECONDS = 1.0
# The list of runs changes only with the service's jobs, and who follows these says so.
FOLLOWED_SECONDS = 300.0
ANSWERS_MAX = 32
ANSWER_BYTES_MAX = 1 << 20  # a larger one is not kept once it has been given
AT_ONCE_MAX = 8  # of one service: one that hangs holds up no other

T = TypeVar("T")
Key = tuple[str, ...]


class Witness(Protocol):
    """Who is told how asking a service went."""

    def answered(self, service: Service, error: BeeError | None) -> None: ...


class _Kept(NamedTuple):
    """``asked_at``: monotonic. An error stays for a moment, too: a service is not started in a loop."""

    asking: asyncio.Task[str]
    asked_at: float
    seconds: float

    def is_fresh(self) -> bool:
        if not self.asking.done():
            return True
        failed = self.asking.cancelled() or self.asking.exception() is not None
        return time.monotonic() < self.asked_at + (FRESH_SECONDS if failed else self.seconds)


class Reads:
    """Texts are JSON as the services write it. Everything raises BeeError; NotFound for what is not there."""

    def __init__(self, door: Door) -> None:
        self.witness: Witness | None = None
        self.run_changes = 0  # how often runs have begun or ended, as far as that is followed
        self._door = door
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._at_once = {service: asyncio.Semaphore(AT_ONCE_MAX) for service in SERVICES}
        self._runs_seconds = FRESH_SECONDS

    # The GPUs.

    async def inventory_text(self) -> str:
        """Every GPU, looked at now: GpuInventory."""
        return await self._ask(GPU, ("inventory",), lambda bus: GpuClient(bus).get_inventory())

    async def inventory(self) -> GpuInventory:
        return _read(await self.inventory_text(), GpuInventory)

    async def health_text(self) -> str:
        """The verdicts, the findings and the last events: GpuHealth."""
        return await self._ask(GPU, ("health",), lambda bus: GpuClient(bus).get_health())

    async def health(self) -> GpuHealth:
        return _read(await self.health_text(), GpuHealth)

    async def history_text(self, gpu: str = "", since: int = 0, fields: Sequence[str] = ()) -> str:
        """What was sampled since then, microseconds since 1970: a list of GpuHistory."""
        key = ("history", gpu, str(since), *fields)
        return await self._ask(GPU, key, lambda bus: GpuClient(bus).get_history(gpu, since, fields))

    # Acceptance runs.

    async def runs_text(self) -> str:
        """All runs, the newest first: a list of SatRun."""
        return await self._ask(
            SAT, ("runs",), lambda bus: SatClient(bus).list_runs(), seconds=self._runs_seconds
        )

    async def runs(self) -> tuple[SatRun, ...]:
        return _read(await self.runs_text(), tuple[SatRun, ...])

    async def result_text(self, run: str) -> str:
        """SatResult, of a run under way so far."""
        return await self._ask(SAT, ("result", run), lambda bus: SatClient(bus).get_result(run))

    async def result(self, run: str) -> SatResult:
        return _read(await self.result_text(run), SatResult)

    async def artifacts_text(self, run: str) -> str:
        """The names of its files; "archive" is all of it."""

        async def names(bus: Bus) -> str:
            return msgspec.json.encode(await SatClient(bus).list_artifacts(run)).decode()

        return await self._ask(SAT, ("artifacts", run), names)

    async def artifacts(self, run: str) -> tuple[str, ...]:
        return _read(await self.artifacts_text(run), tuple[str, ...])

    async def packs_text(self) -> str:
        """What can be run: a list of SatPack."""
        return await self._ask(SAT, ("packs",), lambda bus: SatClient(bus).get_packs())

    async def packs(self) -> tuple[SatPack, ...]:
        return _read(await self.packs_text(), tuple[SatPack, ...])

    # For who follows the services.

    def keep_runs(self, *, followed: bool) -> None:
        """Ask for the list of runs anew at the next time; when it is followed, not again until told to."""
        self._runs_seconds = FOLLOWED_SECONDS if followed else FRESH_SECONDS
        self.forget_runs()

    def forget_runs(self) -> None:
        """A run has begun, or has ended."""
        self.run_changes += 1
        self.forget("runs", "result", "artifacts")

    def forget(self, *questions: str) -> None:
        """What was answered is no longer so."""
        for key in [key for key in self._kept if key[0] in questions]:
            del self._kept[key]

    async def _ask(
        self,
        service: Service,
        key: Key,
        question: Callable[[Bus], Awaitable[str]],
        *,
        seconds: float = FRESH_SECONDS,
    ) -> str:
        kept = self._kept.get(key)
        if kept is None or not kept.is_fresh():
            asking = asyncio.create_task(self._answer(service, question))
            kept = self._kept[key] = _Kept(asking, time.monotonic(), seconds)
            asking.add_done_callback(lambda task: self._end(key, task))
        self._kept.move_to_end(key)
        # Who goes away does not take the answer from the others.
        return await asyncio.shield(kept.asking)

    async def _answer(self, service: Service, question: Callable[[Bus], Awaitable[str]]) -> str:
        error: BeeError | None = None
        try:
            async with self._at_once[service], self._door.bus() as bus:
                return await question(bus)
        except BeeError as caught:
            error = caught
            raise
        finally:
            if self.witness is not None:
                self.witness.answered(service, error)

    def _end(self, key: Key, asking: asyncio.Task[str]) -> None:
        failed = asking.cancelled() or asking.exception() is not None
        too_large = not failed and len(asking.result()) > ANSWER_BYTES_MAX
        kept = self._kept.get(key)
        if kept is not None and kept.asking is asking and (asking.cancelled() or too_large):
            del self._kept[key]
        for old in [key for key, one in self._kept.items() if one.asking.done()][:-ANSWERS_MAX]:
            del self._kept[old]


def _read(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise Internal("the service is of another version of bee") from error
