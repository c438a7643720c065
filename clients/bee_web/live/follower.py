"""The base of what follows a service: it goes on when the service restarts, and when the bus does."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from bee_bus.client import Bus
from bee_bus.errors import BeeError, in_words
from bee_bus.following import while_connected
from bee_web.door import Door

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


class Follower(ABC):
    """Runs for as long as the web does."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @abstractmethod
    async def follow(self, bus: Bus) -> None:
        """Keep up until cancelled. Raises BeeError when it cannot; it is called anew after a while."""

    @abstractmethod
    def lost(self, words: str) -> None:
        """What was known is no longer so; why, in a sentence."""

    async def run(self) -> None:
        while True:
            try:
                async with self._door.bus() as bus:
                    await while_connected(bus, self.follow(bus))
            except BeeError as error:
                self.lost(in_words(error))
            except Exception:
                # The border of a follower: the page goes on without it, and the log has the rest.
                log.exception("%s failed", type(self).__name__)
                self.lost("a fault in bee itself: its log (journalctl -u bee-web) has more")
            await asyncio.sleep(RETRY_SECONDS)
