"""The connections that are open, and which of them have to go so that others can be served.

Whoever sends nothing or takes nothing holds a place and memory. When places run short, the connection that
has waited longest for its next request goes, or else one that hardly takes its answer. What takes nothing
goes after a while in any case, and at once when all that waits is too much memory.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from bee_web.login.attempts import who

MANY = 1024
PER_CLIENT = 256
SWEEP_SECONDS = 5.0
STALL_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 1024
WAITING_BYTES_MAX = 128 * 1024 * 1024
LOOK_SECONDS = 0.25  # so soon after the last time requests may have what waits counted again


class Stream(Protocol):
    """What of tornado's stream is used here."""

    def writing(self) -> bool: ...

    def closed(self) -> bool: ...

    def close(self) -> None: ...


@dataclass
class Guest:
    """A connection. ``waiting_since``: None while a request of its is answered; else monotonic.

    ``slow_since``: since when it has hardly taken anything of what waits for it.
    """

    stream: Stream
    client: str
    waiting_since: float | None
    slow_since: float | None = None
    taken_bytes: int = 0


class Connections:
    """All connections, the oldest first. ``taken`` and ``left``: of a stream, how many bytes of answers have
    been taken so far, and how many wait to be.
    """

    def __init__(
        self,
        taken: Callable[[Stream], int],
        left: Callable[[Stream], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._taken = taken
        self._left = left
        self._clock = clock
        self._guests: dict[Stream, Guest] = {}
        self.last_request = clock()
        self._looked = clock()

    def __len__(self) -> int:
        return len(self._guests)

    @property
    def busy(self) -> int:
        """How many requests are being answered."""
        return sum(guest.waiting_since is None for guest in self._guests.values())

    def admit(self, stream: Stream, address: str) -> bool:
        """Whether a new connection may stay; another may have had to go for it."""
        client = who(address)
        own = [guest for guest in self._guests.values() if guest.client == client]
        if len(own) >= PER_CLIENT and not self._make_room(own):
            return False
        if len(self._guests) >= MANY and not self._make_room(self._guests.values()):
            return False
        self._guests[stream] = Guest(stream, client, waiting_since=self._clock())
        return True

    def waits(self, stream: Stream) -> None:
        """Its last request has been answered."""
        if guest := self._guests.get(stream):
            guest.waiting_since = self._clock()

    def asks(self, stream: Stream) -> None:
        """A request has come by it."""
        self.last_request = self._clock()
        if guest := self._guests.get(stream):
            guest.waiting_since = None
        if self.last_request >= self._looked + LOOK_SECONDS:
            self._relieve()

    def gone(self, stream: Stream) -> None:
        if self._guests.pop(stream, None) is not None:
            self.last_request = self._clock()

    def sweep(self) -> None:
        """Close what does not take its answers. To be called every SWEEP_SECONDS."""
        for guest in list(self._guests.values()):
            if self._stalls(guest):
                self._close(guest)
        self._relieve()

    def _relieve(self) -> None:
        """Close those for whom the most waits, as long as it is too much in all."""
        self._looked = self._clock()
        waiting = {stream: self._left(stream) for stream in self._guests}
        total = sum(waiting.values())
        for stream in sorted(waiting, key=lambda each: waiting[each], reverse=True):
            if total <= WAITING_BYTES_MAX:
                break
            total -= waiting[stream]
            self._close(self._guests[stream])

    def _stalls(self, guest: Guest) -> bool:
        taken, before = self._taken(guest.stream), guest.taken_bytes
        guest.taken_bytes = taken
        if not guest.stream.writing() or taken - before > SLOWEST_BYTES_PER_SECOND * SWEEP_SECONDS:
            guest.slow_since = None
            return False
        if guest.slow_since is None:
            guest.slow_since = self._clock()
        return self._clock() - guest.slow_since >= STALL_SECONDS

    def _make_room(self, guests: Iterable[Guest]) -> bool:
        guests = list(guests)
        idle = [(guest.waiting_since, guest) for guest in guests if guest.waiting_since is not None]
        slow = [(guest.slow_since, guest) for guest in guests if guest.slow_since is not None]
        if not (idle or slow):
            return False
        self._close(min(idle or slow, key=lambda each: each[0])[1])
        return True

    def _close(self, guest: Guest) -> None:
        self._guests.pop(guest.stream, None)
        guest.stream.close()
