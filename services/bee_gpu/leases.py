"""Who watches, and how often: a lease for each client, which ends with Unwatch or when it leaves the bus."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack

from bee_bus import errors
from bee_bus.host import Host

log = logging.getLogger(__name__)

SHORTEST_MS, LONGEST_MS = 100, 60_000
LEASES_MAX = 256


class Leases:
    """``changed`` is called whenever who watches, or how often, has changed."""

    def __init__(self, host: Host, changed: Callable[[], None]) -> None:
        self._host = host
        self._changed = changed
        self._intervals: dict[str, int] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._held = ExitStack()

    def __len__(self) -> int:
        return len(self._intervals)

    @property
    def interval_ms(self) -> int:
        """The shortest that anybody wants; 0 when nobody watches."""
        return min(self._intervals.values(), default=0)

    def take(self, client: str, interval_ms: int) -> int:
        """The lease of one client, new or changed. The interval that it gets, which others may shorten.

        Raises InvalidOption, and Busy when too many watch.
        """
        check_interval(interval_ms)
        if client not in self._intervals:
            if len(self._intervals) >= LEASES_MAX:
                raise errors.Busy(f"{LEASES_MAX} clients watch already")
            if not self._intervals:
                self._held.enter_context(self._host.inhibit("watched"))
            follower = asyncio.create_task(self._follow(client), name=f"lease of {client}")
            self._followers[client] = follower
        self._intervals[client] = interval_ms
        self._changed()
        return self.interval_ms

    def give_back(self, client: str) -> None:
        """End the lease of a client; one that has none has nothing to give."""
        if self._intervals.pop(client, None) is None:
            return
        follower = self._followers.pop(client)
        if follower is not asyncio.current_task():
            follower.cancel()
        if not self._intervals:
            self._held.close()
        self._changed()

    async def _follow(self, client: str) -> None:
        """End the lease when the client leaves the bus, or when it cannot be followed."""
        try:
            async with self._host.connection.name_watch(client) as watch:
                await watch.lost(client)
        except errors.BeeError as error:
            log.warning("%s cannot be followed, its watch ends: %s", client, error)
        self.give_back(client)


def check_interval(interval_ms: int) -> None:
    if not SHORTEST_MS <= interval_ms <= LONGEST_MS:
        raise errors.InvalidOption(
            f"interval_ms is {SHORTEST_MS} to {LONGEST_MS} milliseconds, not {interval_ms}"
        )
