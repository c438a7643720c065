"""The GPU service as a witness: what it knew before and after, and what it sees meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

import msgspec

from bee_bus.client import Bus
from bee_bus.documents.gpus import GpuEvent, GpuInventory, GpuTick, InventoryGpu
from bee_bus.errors import BeeError
from bee_bus.gpu_client import GpuClient
from bee_sat.gpu_stress.events import AnyEvent, GpuLook, Happened, Looked, Sample, Telemetry

Say = Callable[[AnyEvent], None]

_INTERVAL_MS = 1000
_NVIDIA = "NVIDIA"
# One more tick, for what happened while the load ended.
_SETTLE_SECONDS = 1.2


class Witness:
    """``begin`` before the load, ``end`` after it. What goes wrong is said, and never stops the load."""

    def __init__(self, say: Say, gpus: Iterable[str], *, interval_seconds: float) -> None:
        """``interval_seconds``: between samples of one GPU that are said. It is watched once a second."""
        self._say = say
        self._gpus = frozenset(gpus)
        self._interval_seconds = interval_seconds
        self._next_at = 0.0
        self._bus: Bus | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failed = False

    async def begin(self) -> None:
        try:
            self._bus = await Bus().__aenter__()
            await self._look("before")
        except BeeError as error:
            self._fail(f"org.bee.Gpu1: {error}")
            return
        started = asyncio.get_running_loop().create_future()
        self._watching = asyncio.create_task(self._watch(self._bus, started))
        await asyncio.wait([started, self._watching], return_when=asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        if self._watching is not None:
            if not self._failed:
                await asyncio.wait([self._watching], timeout=_SETTLE_SECONDS)
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._bus is None:
            return
        try:
            if not self._failed:
                await self._look("after")
        except BeeError as error:
            self._fail(f"org.bee.Gpu1: {error}")
        finally:
            await self._bus.__aexit__()

    async def _watch(self, bus: Bus, started: "asyncio.Future[None]") -> None:
        try:
            async with GpuClient(bus).watching(interval_ms=_INTERVAL_MS) as watch:
                self._say(Telemetry(watching=True))
                started.set_result(None)
                async for news in watch:
                    self.take(news)
        except BeeError as error:
            self._fail(f"org.bee.Gpu1: {error}")

    def take(self, news: GpuTick | GpuEvent) -> None:
        """What the service has told; not all of it is said."""
        if isinstance(news, GpuEvent):
            if news.gpu == "" or news.gpu in self._gpus:
                self._say(Happened(news=news, unix_seconds=news.unix_seconds))
            return
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + self._interval_seconds - _INTERVAL_MS / 2000
        for each in news.gpus:
            if each.gpu in self._gpus:
                self._say(
                    Sample(
                        gpu=each.gpu,
                        condition=each.condition,
                        sample=each.sample,
                        unix_seconds=news.unix_seconds,
                    )
                )

    async def _look(self, when: Literal["before", "after"]) -> None:
        assert self._bus is not None
        text = await GpuClient(self._bus).get_inventory()
        try:
            inventory = msgspec.json.decode(text, type=GpuInventory)
        except msgspec.MsgspecError as error:
            self._fail(f"org.bee.Gpu1 answers in another format: {error}")
            return
        self._say(
            Looked(
                when=when,
                gpus=tuple(_look_at(gpu, inventory) for gpu in inventory.gpus if gpu.vendor == _NVIDIA),
                driver_version=inventory.driver_version,
            )
        )

    def _fail(self, reason: str) -> None:
        self._failed = True
        self._say(Telemetry(watching=False, reason=reason))


def _look_at(gpu: InventoryGpu, inventory: GpuInventory) -> GpuLook:
    state, identity = gpu.state, gpu.identity
    return GpuLook(
        gpu=gpu.id,
        name=gpu.name,
        condition=gpu.condition,
        trouble=gpu.trouble,
        counters=state.counters if state else None,
        mig_enabled=state.mig_enabled if state else None,
        power_limit_enforced_watts=state.power_limit_enforced_watts if state else None,
        power_limit_default_watts=identity.power_limit_default_watts if identity else None,
        xids={
            str(xid.number): xid.count
            for xid in inventory.xids
            if xid.gpu == gpu.id and xid.severity != "Info"
        },
        findings=tuple(one for one in inventory.findings if one.component == f"gpus/{gpu.id}"),
    )
