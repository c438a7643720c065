"""Ticks: all GPUs looked at side by side, at a steady pace, for as long as somebody watches.

A tick does not wait for a GPU that is slow: its sample comes with the next one. The pace is that of the
monotonic clock, so one late tick does not move those after it.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial

from bee_bus.documents.gpus import SampledGpu
from bee_gpu.card import Card
from bee_gpu.convoy import Convoy
from bee_gpu.devices import DriverGone, Look, Unavailable
from bee_gpu.devices.files import FileDevice
from bee_gpu.devices.nvidia import LOOK_SECONDS, NvidiaDevice
from bee_gpu.fleet import Fleet
from bee_gpu.listener import Listener

log = logging.getLogger(__name__)

OnSamples = Callable[[int, Sequence[SampledGpu]], None]

FOLLOW_SECONDS = 5.0
DISTURBED_SECONDS = 1.0  # after something has happened: the verdict on the bus must not lag behind
REFRESH_SECONDS = 60.0  # PCI and who the GPUs are, which stay while the driver does
SEARCH_SECONDS = 2.0  # while the driver is away
COUNTERS_SECONDS = 0.95  # error counters move seldom: about once a second is soon enough
PATIENCE_OF_INTERVAL = 0.5
PATIENCE_MAX_SECONDS = 0.5


class Sampler:
    """``pace`` sets the interval, 0 to stop. ``missed`` counts ticks whose time passed without them."""

    def __init__(self, fleet: Fleet, on_samples: OnSamples, on_failure: Callable[[], None]) -> None:
        self.ticks = 0
        self.missed = 0
        self._fleet = fleet
        self._on_samples = on_samples
        self._on_failure = on_failure
        self._interval = 0.0
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[bool] | None = None
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._counted = 0.0
        self._refreshed = self._followed = 0.0  # monotonic
        self._slow: asyncio.Task[None] | None = None
        self._listener = Listener(fleet)
        self._convoy: Convoy[Look] = Convoy("NVML looks")

    def pace(self, interval_seconds: float) -> None:
        """Change how often is sampled; from 0 on, and to 0, it starts and ends."""
        if interval_seconds == self._interval:
            return
        self._interval = interval_seconds
        if self._task is None and interval_seconds:
            self._task = asyncio.create_task(self._run(), name="sampler")
            self._task.add_done_callback(self._ended)
        elif self._wake is not None:
            _set(self._wake, True)

    async def stop(self) -> None:
        self.pace(0)
        if self._task is not None:
            await self._task
        self._convoy.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener.start()
        self._refreshed = self._followed = -math.inf
        try:
            due = loop.time()
            while self._interval:
                await self.tick()
                self._look_around(loop.time())
                interval = self._interval
                due += interval
                late = loop.time() - due
                if late > 0 and interval:
                    passed = int(late / interval) + 1
                    self.missed += passed
                    due += passed * interval
                if await self._sleep_until(due):
                    due = loop.time()  # the pace has changed: it counts from now
        finally:
            self._listener.stop()
            for look in self._looks.values():
                look.cancel()
            self._looks.clear()
            self._task = None

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A watch that is silent must not look like one where nothing happens."""
        if not task.cancelled() and (error := task.exception()):
            log.error("sampling has failed: %s", error, exc_info=error)
            self._on_failure()

    async def _sleep_until(self, due: float) -> bool:
        """Whether the pace was changed meanwhile."""
        loop = asyncio.get_running_loop()
        wake: asyncio.Future[bool] = loop.create_future()
        self._wake = wake
        timer = loop.call_at(due, _set, wake, False)
        try:
            return await wake
        finally:
            timer.cancel()
            self._wake = None

    async def tick(self) -> None:
        """Look at all GPUs now, and tell."""
        now = time.time()
        counters = not 0 <= now - self._counted < COUNTERS_SECONDS
        if counters:
            self._counted = now
        cards = list(self._fleet.cards.values())
        patience = min(self._interval * PATIENCE_OF_INTERVAL, PATIENCE_MAX_SECONDS)
        fresh = await self._look_by_nvml(cards, counters, patience)
        fresh |= await self._look_by_files(cards, now, counters, patience)
        self.ticks += 1
        samples = [
            card.sampled() if card.id in fresh else SampledGpu(gpu=card.id, condition=card.condition)
            for card in cards
        ]
        self._on_samples(round(now * 1e6), samples)

    async def _look_by_nvml(self, cards: list[Card], counters: bool, patience: float) -> set[str]:
        """The GPUs that have answered, among those behind NVML."""
        if not self._fleet.session.is_open:
            return set()
        behind = {card.id: card for card in cards if isinstance(card.device, NvidiaDevice)}
        jobs = {
            gpu_id: partial(card.device.look_blocking, counters)
            for gpu_id, card in behind.items()
            if isinstance(card.device, NvidiaDevice)
        }
        outcomes = await self._convoy.run(jobs, patience)
        for gpu_id, card in behind.items():
            outcome = outcomes.get(gpu_id)
            if isinstance(outcome, Look):
                self._fleet.report(card.take(outcome, self._interval))
            elif outcome is not None:
                await self._failed(card, outcome.error)
            elif (seconds := self._convoy.stuck_seconds(gpu_id)) > LOOK_SECONDS:
                trouble = f"a look at it has not come back for {seconds:.0f} s"
                self._fleet.report(card.become("not-answering", trouble))
        return {gpu_id for gpu_id, outcome in outcomes.items() if isinstance(outcome, Look)}

    async def _failed(self, card: Card, error: Exception) -> None:
        if isinstance(error, Unavailable):
            self._fleet.report(card.become(error.condition, str(error)))
        elif isinstance(error, DriverGone):
            await self._fleet.driver_gone(str(error))
        else:
            raise error

    async def _look_by_files(
        self, cards: list[Card], now: float, counters: bool, patience: float
    ) -> set[str]:
        """The same for those whose driver shows files, which tell nothing new more than once a second."""
        behind = {card.id: card for card in cards if isinstance(card.device, FileDevice)}
        for gpu_id, card in behind.items():
            if gpu_id not in self._looks and self._wanted(card, now):
                look = self._fleet.look(card, counters=counters, interval_seconds=self._interval)
                self._looks[gpu_id] = asyncio.create_task(look)
        if self._looks:
            await asyncio.wait(self._looks.values(), timeout=patience)
        for gpu_id in [gpu_id for gpu_id, task in self._looks.items() if task.done()]:
            self._looks.pop(gpu_id).result()
        return set(behind) - set(self._looks)

    def _pause(self, searching: bool) -> float:
        if self._fleet.disturbed:
            return DISTURBED_SECONDS
        return SEARCH_SECONDS if searching else FOLLOW_SECONDS

    def _wanted(self, card: Card, now: float) -> bool:
        if card.device is None:
            return False
        sample = card.sample
        return sample is None or not 0 <= now - sample.unix_seconds < card.device.shortest_seconds

    def _look_around(self, now: float) -> None:
        """Every few seconds at all that moves slowly, beside the ticks."""
        if self._slow is not None and not self._slow.done():
            return
        if self._slow is not None:
            self._slow.result()
            self._slow = None
        searching = self._fleet.inventory.state not in ("ready", "no-gpu")
        if now >= self._refreshed + REFRESH_SECONDS:
            self._refreshed = self._followed = now
            self._slow = asyncio.create_task(self._fleet.refresh())
        elif now >= self._followed + self._pause(searching):
            self._followed = now
            self._slow = asyncio.create_task(self._fleet.follow())


def _set(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)
