"""What the services do, as it happens: facts in memory for the pages, events for who looks on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bee_web.door import Door
from bee_web.live.audit import Audit
from bee_web.live.gpus import Gpus
from bee_web.live.hub import Hub
from bee_web.live.runs import Runs
from bee_web.live.services import Services
from bee_web.reads import Reads
from bee_web.snapshot import SnapshotFile

# A page that is loaded again, or a phone between two cells, comes back within this time.
LINGER_SECONDS = 10.0


class Live:
    """``start`` and ``stop`` it with the web. None of it keeps a service awake while nobody looks."""

    def __init__(self, door: Door, reads: Reads, snapshot: SnapshotFile, hub: Hub) -> None:
        self.services = Services(door, hub)
        self.audit = Audit(door, hub, snapshot)
        self.runs = Runs(door, hub, reads)
        self.gpus = Gpus(door, hub, reads)
        reads.witness = self.services
        self._lookers = 0
        self._looking: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for follower in (self.services, self.audit, self.runs, self.gpus):
            self._tasks.append(asyncio.create_task(follower.run(), name=type(follower).__name__))

    async def stop(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        self._nobody_looks()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Somebody looks on, for as long as the block lasts."""
        self._lookers += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self._looking is None:
            self.gpus.want(True)
            self._looking = asyncio.create_task(self.audit.keep_looking())
        try:
            yield
        finally:
            self._lookers -= 1
            if not self._lookers:
                self._leaving = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._nobody_looks)

    def _nobody_looks(self) -> None:
        self._leaving = None
        self.gpus.want(False)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
