"""The GPUs, live, while somebody looks: the lease on their telemetry is held for streams alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from bee_bus import gpu_values
from bee_bus.client import Bus
from bee_bus.connection import Match
from bee_bus.documents.findings import Verdict
from bee_bus.documents.gpu import GpuSample
from bee_bus.documents.gpus import GpuEvent, GpuHealth, GpuInventory, GpuTick, InventoryGpu, SampledGpu
from bee_bus.following import until_first
from bee_bus.gpu_client import GpuClient
from bee_bus.names import GPU, PROPERTIES
from bee_web.documents import GpuNow, GpusNow
from bee_web.door import Door
from bee_web.live.follower import Follower
from bee_web.live.hub import Hub
from bee_web.reads import Reads

TOPIC, EVENT_TOPIC = "gpus", "gpu-event"
INTERVAL_MS = 1000
EVENTS_MAX = 200
# How often at most everything is looked at, when news come faster than that; and how often at least.
LOOK_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 30.0
LOOK_FOR_GPUS_SECONDS = 300.0  # where there are none
_TELLING = {"Verdict", "Findings", "State", "GpuCount", "PciGpuCount"}


class Gpus(Follower):
    """What is known while ``wanted`` is set.

    ``now``: the last second, None when nobody has looked. ``events``: the oldest first.
    ``inventory`` and ``health``: of the last look, None until there was one.
    """

    def __init__(self, door: Door, hub: Hub, reads: Reads) -> None:
        super().__init__(door)
        self.wanted = asyncio.Event()
        self.unwanted = asyncio.Event()
        self.unwanted.set()
        self.events: deque[GpuEvent] = deque(maxlen=EVENTS_MAX)
        self.now: GpusNow | None = None
        self.inventory: GpuInventory | None = None
        self.health: GpuHealth | None = None
        self._hub = hub
        self._reads = reads
        self._tick: GpuTick | None = None

    def want(self, wanted: bool) -> None:
        """Whether there is anybody who looks."""
        if wanted:
            self.wanted.set()
            self.unwanted.clear()
        else:
            self.wanted.clear()
            self.unwanted.set()

    def lost(self, words: str) -> None:
        self._forget()
        if self.wanted.is_set():
            self._tell(GpusNow(gpus=(), trouble=words))

    async def follow(self, bus: Bus) -> None:
        while True:
            await self.wanted.wait()
            await until_first(self._look_and_watch(bus), self._until_unwanted())
            self._forget()

    async def _until_unwanted(self) -> None:
        await self.unwanted.wait()

    def _forget(self) -> None:
        self.now = self.inventory = self.health = self._tick = None
        self._hub.forget(TOPIC)

    async def _look_and_watch(self, bus: Bus) -> None:
        stale, present = asyncio.Event(), asyncio.Event()
        stale.set()

        def changed(message: Any) -> None:
            if _TELLING & set(message.body[1]):
                stale.set()

        match = Match(
            sender=GPU.bus_name, path_namespace=GPU.path, interface=PROPERTIES, member="PropertiesChanged"
        )
        async with bus.connection.subscription(match, changed):
            await until_first(self._keep_looking(stale, present), self._keep_watching(bus, stale, present))

    async def _keep_looking(self, stale: asyncio.Event, present: asyncio.Event) -> None:
        """Look at everything now, when something has changed, and now and then."""
        while True:
            seconds = (
                LOOK_FOR_GPUS_SECONDS if self.inventory and not self.inventory.gpus else LOOK_AGAIN_SECONDS
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stale.wait()
            stale.clear()
            self._reads.forget("inventory", "health")
            inventory, health = await self._reads.inventory(), await self._reads.health()
            self._take_events(health.events, news=self.inventory is not None)
            self.inventory, self.health = inventory, health
            if inventory.gpus:
                present.set()
            self._show()
            await asyncio.sleep(LOOK_SECONDS)

    async def _keep_watching(self, bus: Bus, stale: asyncio.Event, present: asyncio.Event) -> None:
        """Samples once a second, as soon as there are GPUs; for a machine without, nothing is kept awake."""
        await present.wait()
        async with GpuClient(bus).watching(interval_ms=INTERVAL_MS) as watch:
            async for news in watch:
                if isinstance(news, GpuTick):
                    self._tick = news
                    self._show()
                else:
                    self._take_events((news,), news=True)
                    stale.set()

    def _take_events(self, events: tuple[GpuEvent, ...], *, news: bool) -> None:
        """Those that are not known yet; ``news``: they happened while somebody looked."""
        known = {_key(event) for event in self.events}
        for event in events:
            if _key(event) not in known:
                self.events.append(event)
                if news:
                    self._hub.publish(EVENT_TOPIC, msgspec.json.encode(event), is_state=False)

    def _show(self) -> None:
        if self.inventory is None or self.health is None:
            return
        facts = {gpu.id: gpu for gpu in self.inventory.gpus}
        verdicts = self.health.verdicts
        sampled = self._tick.gpus if self._tick else ()
        self._tell(
            GpusNow(
                state=self.inventory.state,
                verdict=_whole(self.inventory, sampled),
                unix_seconds=self._tick.unix_seconds if self._tick else None,
                gpus=tuple(gpu_now(one, facts.get(one.gpu), verdicts) for one in sampled),
            )
        )

    def _tell(self, now: GpusNow) -> None:
        self.now = now
        self._hub.publish(TOPIC, msgspec.json.encode(now))


def gpu_now(one: SampledGpu, facts: InventoryGpu | None, verdicts: Mapping[str, Verdict]) -> GpuNow:
    """One GPU as it is shown; its verdict is Unknown in another condition than at the last look."""
    sample = one.sample or GpuSample(unix_seconds=0)
    identity, state = (facts.identity, facts.state) if facts else (None, None)
    judged = facts is not None and facts.condition == one.condition
    return GpuNow(
        gpu=one.gpu,
        condition=one.condition,
        index=identity.index if identity else None,
        verdict=verdicts.get(one.gpu, "Unknown") if judged else "Unknown",
        temperature_celsius=sample.temperature_celsius,
        memory_temperature_celsius=sample.memory_temperature_celsius,
        utilization_gpu_percent=sample.utilization_gpu_percent,
        utilization_memory_percent=sample.utilization_memory_percent,
        power_watts=gpu_values.power(sample),
        power_limit_watts=state.power_limit_enforced_watts if state else None,
        clock_sm_mhz=sample.clock_sm_mhz if sample.clock_sm_mhz is not None else sample.clock_graphics_mhz,
        clock_memory_mhz=sample.clock_memory_mhz,
        memory_used_bytes=sample.memory_used_bytes,
        memory_total_bytes=identity.memory_total_bytes if identity else None,
        reasons=tuple(gpu_values.reasons(sample)),
    )


def _whole(inventory: GpuInventory, sampled: tuple[SampledGpu, ...]) -> Verdict:
    """Of all of them together; not OK while one of them may not be."""
    conditions = {gpu.id: gpu.condition for gpu in inventory.gpus}
    same = all(conditions.get(one.gpu) == one.condition for one in sampled)
    return inventory.verdict if same or inventory.verdict != "OK" else "Unknown"


def _key(event: GpuEvent) -> tuple[Any, ...]:
    return event.unix_seconds, event.gpu, event.kind, event.message
