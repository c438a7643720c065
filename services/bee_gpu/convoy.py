"""One thread that looks at all GPUs in turn, and leaves one behind that does not come back.

To hand each GPU's look to a thread of its own costs several times what the look costs. Here one thread
takes all of them; when it gets stuck in one, it is left to that GPU alone, and a new thread goes on with the
others. So there is at most one thread more than GPUs that hang.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

# A look takes a millisecond; one that takes this long holds up the others.
STUCK_SECONDS = 0.025


class Failed(Exception):
    """In place of a result: ``error`` is what the look raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Round(Generic[T]):
    """One look at each of some GPUs. The thread writes; the loop reads what is finished."""

    def __init__(self, jobs: Mapping[str, Callable[[], T]], loop: asyncio.AbstractEventLoop) -> None:
        self.jobs = list(jobs.items())
        self.outcomes: dict[str, T | Failed] = {}
        self.current: str | None = None  # what the thread is at
        self.since = 0.0  # and since when, monotonic: set before it
        self.loop = loop
        self.done = False
        self._waiting: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Until it is done, but no longer."""
        waiting = self._waiting = self.loop.create_future()
        timer = self.loop.call_later(seconds, _wake, waiting)
        try:
            await waiting
        finally:
            timer.cancel()

    def finish(self) -> None:
        """On the loop: the thread has been at all of them."""
        self.done = True
        if self._waiting is not None:
            _wake(self._waiting)


class Convoy(Generic[T]):
    """Used from the event loop only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line: _Line[T] | None = None
        self._round: _Round[T] | None = None
        self._stuck: dict[str, float] = {}  # since when, monotonic
        self._late: dict[str, T | Failed] = {}

    def stuck_seconds(self, key: str) -> float:
        """How long the look at this one has not come back; 0 for one that does."""
        since = self._stuck.get(key)
        return 0.0 if since is None else time.monotonic() - since

    async def run(
        self, jobs: Mapping[str, Callable[[], T]], patience_seconds: float
    ) -> dict[str, T | Failed]:
        """The outcomes that came within the patience, by key, late ones of earlier rounds among them.

        What is missing still runs; it is not begun a second time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_seconds
        found: dict[str, T | Failed] = {}
        if self._round is not None:  # still under way from before: no second one beside it
            jobs = {key: job for key, job in jobs.items() if key not in dict(self._round.jobs)}
            await self._follow(self._round, end, found)
        waiting = {key: job for key, job in jobs.items() if key not in self._stuck}
        if self._round is None and waiting:
            self._start(_Round(waiting, loop))
        while self._round is not None and loop.time() < end:
            await self._follow(self._round, end, found)
        found.update(self._late)
        self._late.clear()
        return found

    def close(self) -> None:
        if self._line is not None:
            self._line.leave()
            self._line = None

    async def _follow(self, this: _Round[T], end: float, found: dict[str, T | Failed]) -> None:
        """Until the round is done, is out of patience, or has been split because one in it is stuck."""
        loop = asyncio.get_running_loop()
        while not this.done:
            left = end - loop.time()
            if left <= 0:
                return
            stuck_in = STUCK_SECONDS - (time.monotonic() - this.since) if this.current else STUCK_SECONDS
            await this.wait(max(min(left, stuck_in), 0.001))
            current, since = this.current, this.since
            if not this.done and current and time.monotonic() - since >= STUCK_SECONDS:
                self._split(this, current, found)
                return
        self._round = None
        found.update(this.outcomes)

    def _split(self, this: _Round[T], stuck: str, found: dict[str, T | Failed]) -> None:
        """Leave the thread to the one that it is stuck in, and take a new one for the rest."""
        assert self._line is not None
        self._line.leave()
        self._line = None
        self._round = None
        found.update(this.outcomes)
        if stuck not in this.outcomes:  # it came back in this very moment
            self._stuck[stuck] = time.monotonic()
        rest = {key: job for key, job in this.jobs if key not in this.outcomes and key != stuck}
        if rest:
            self._start(_Round(rest, this.loop))

    def _start(self, this: _Round[T]) -> None:
        if self._line is None:
            self._line = _Line(self._name, self._came_late)
        self._round = this
        self._line.inbox.put(this)

    def _came_late(self, key: str, outcome: T | Failed) -> None:
        """On the loop: the one that a thread was left to has come back."""
        if self._stuck.pop(key, None) is not None:
            self._late[key] = outcome


class _Line(Generic[T]):
    """The thread. ``leave``: it ends after what it does now, whose outcome it hands in late."""

    def __init__(self, name: str, came_late: Callable[[str, T | Failed], None]) -> None:
        self.inbox: SimpleQueue[_Round[T] | None] = SimpleQueue()
        self._left = False
        self._lock = threading.Lock()
        self._came_late = came_late
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def leave(self) -> None:
        with self._lock:
            self._left = True
        self.inbox.put(None)

    def _work(self) -> None:
        while (this := self.inbox.get()) is not None:
            for key, job in this.jobs:
                this.since = time.monotonic()
                this.current = key
                outcome = _outcome(job)
                with self._lock:
                    if self._left:
                        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                            this.loop.call_soon_threadsafe(self._came_late, key, outcome)
                        return
                    this.outcomes[key] = outcome
                    this.current = None
            with contextlib.suppress(RuntimeError):
                this.loop.call_soon_threadsafe(this.finish)
            del this


def _outcome(job: Callable[[], T]) -> T | Failed:
    try:
        return job()
    except Exception as error:  # noqa: BLE001 - handed on whole to the task that waits
        return Failed(error)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
