"""What is told to all who look: each event is encoded once, and the same bytes go to every stream.

A stream is a place in a ring of the last events, so that a slow reader costs nothing: when it has fallen
behind it gets the newest state of each topic, and what only happens once as long as the ring has it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

RING_EVENTS = 300
# So far behind a stream still gets every event; further behind, of each topic's states the newest alone.
LAG_EVENTS = 64
STREAMS_MAX = 200
# Of one address, so that no other is kept out by it; people behind one proxy still have room.
STREAMS_MAX_OF_ONE = 100


class TooManyStreams(Exception):
    """There are as many streams as there may be, in all or of one address."""


class Event(NamedTuple):
    """``frame``: as it is sent. ``is_state``: a later event of the topic says all of it anew."""

    number: int
    topic: str
    frame: bytes
    is_state: bool


class Hub:
    """Topics to numbered events.

    Numbers begin with the time, so that one of an earlier life of this program is older than any of this.
    """

    def __init__(
        self,
        *,
        ring_events: int = RING_EVENTS,
        streams_max: int = STREAMS_MAX,
        streams_max_of_one: int = STREAMS_MAX_OF_ONE,
    ) -> None:
        self.number = time.time_ns() // 1_000_000  # of the newest event
        self._ring: deque[Event] = deque(maxlen=ring_events)
        self._states: dict[str, Event] = {}
        self._streams: set[Stream] = set()
        self._streams_max = streams_max
        self._streams_max_of_one = streams_max_of_one

    @property
    def streams(self) -> int:
        """How many there are now."""
        return len(self._streams)

    def publish(self, topic: str, payload: bytes, *, is_state: bool = True) -> None:
        """Tell all streams. ``payload``: JSON on one line. A state that is what it was is not told again."""
        body = b"event: %b\ndata: %b\n\n" % (topic.encode("ascii"), payload)
        before = self._states.get(topic)
        if is_state and before is not None and before.frame.endswith(b"\n" + body):
            return
        self.number += 1
        event = Event(self.number, topic, b"id: %d\n%b" % (self.number, body), is_state)
        self._ring.append(event)
        if is_state:
            self._states[topic] = event
        for stream in self._streams:
            stream.wake()

    def forget(self, topic: str) -> None:
        """Who comes later is told nothing of this topic until there is something new."""
        self._states.pop(topic, None)

    def stream(self, last_event_id: str = "", *, client: str = "") -> Stream:
        """A stream that goes on after that event, or begins with the state of every topic.

        ``client``: whose it is. Raises TooManyStreams. Its ``close`` ends it.
        """
        own = sum(stream.client == client for stream in self._streams)
        if len(self._streams) >= self._streams_max or own >= self._streams_max_of_one:
            raise TooManyStreams
        known = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 20 else None
        # A number that was not given yet is of a time when the clock was ahead.
        stream = Stream(self, known if known is not None and known <= self.number else None, client)
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        self._streams.discard(stream)

    def since(self, number: int | None, *, all_states: bool) -> bytes:
        """What a stream that has sent the events up to this number is to send, to know what there is.

        ``all_states``: each state that there was, as far as the ring has them; else only the newest are sent
        when there are many. None: it has sent nothing; what happened before it came is not news to it.
        """
        if number is None:
            return _frames(self._states.values()) + b"id: %d\n\n" % self.number
        missed: list[Event] = []
        for event in reversed(self._ring):
            if event.number <= number:
                break
            missed.append(event)
        whole = len(missed) == self.number - number
        if whole and (all_states or len(missed) <= LAG_EVENTS):
            return b"".join([event.frame for event in reversed(missed)])
        once = [event for event in missed if not event.is_state]
        return _frames([*once, *(event for event in self._states.values() if event.number > number)])


class Stream:
    """One reader's way through the events."""

    def __init__(self, hub: Hub, number: int | None, client: str) -> None:
        self.client = client
        self._hub = hub
        self._number = number
        self._resumes = True
        self.closed = False
        self._news = asyncio.Event()
        self._news.set()

    def wake(self) -> None:
        self._news.set()

    async def next(self, silence_seconds: float) -> bytes:
        """What is to be sent next, as soon as there is something; nothing after so long a silence."""
        try:
            async with asyncio.timeout(silence_seconds):
                await self._news.wait()
        except TimeoutError:
            return b""
        self._news.clear()
        if self.closed:
            return b""
        frames = self._hub.since(self._number, all_states=self._resumes)
        self._number, self._resumes = self._hub.number, False
        return frames

    def close(self) -> None:
        """Nothing more is wanted."""
        self.closed = True
        self._hub.leave(self)
        self.wake()


def _frames(events: Iterable[Event]) -> bytes:
    return b"".join([event.frame for event in sorted(events, key=lambda event: event.number)])
