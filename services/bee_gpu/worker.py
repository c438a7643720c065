"""NVML in threads: one for each GPU, one for the library, one for its events.

Any call into the driver can hang, for seconds or for ever, and a thread that hangs cannot be stopped. So
each GPU has a thread of its own, a call has a deadline, and a GPU whose call passes it is marked: whoever
asks then is told at once, until the call comes back. Threads are daemons: one that never comes back does not
keep the process from ending.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class NotAnswering(Exception):
    """A call did not come back within its deadline. ``since_monotonic`` is when it was made."""

    def __init__(self, who: str, doing: str, since_monotonic: float) -> None:
        seconds = time.monotonic() - since_monotonic
        super().__init__(f"{who} does not answer: {doing} has not come back for {seconds:.1f} s")
        self.who = who
        self.doing = doing
        self.since_monotonic = since_monotonic


class Closed(Exception):
    """The worker takes no more work."""


class _Request(Generic[T]):
    __slots__ = ("asked_monotonic", "doing", "done", "run", "watchdog")

    def __init__(self, run: Callable[[], T], doing: str, done: "asyncio.Future[T]") -> None:
        self.run = run
        self.doing = doing
        self.done = done
        self.asked_monotonic = time.monotonic()
        self.watchdog: asyncio.TimerHandle | None = None


class Worker:
    """A thread that does one thing after another. Everything but the work itself happens on the event loop.

    ``changed`` is called on the loop when the worker stops answering, and when it answers again.
    """

    def __init__(self, name: str, *, changed: Callable[["Worker"], None] | None = None) -> None:
        self.name = name
        self._changed = changed
        self._waiting: deque[_Request[Any]] = deque()  # not begun; the first goes to the thread
        self._running: _Request[Any] | None = None
        self._stuck = False
        self._closed = False
        self._inbox: SimpleQueue[_Request[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def answering(self) -> bool:
        return not self._stuck

    @property
    def trouble(self) -> NotAnswering | None:
        """What it is stuck in, as of now."""
        if not self._stuck or self._running is None:
            return None
        return NotAnswering(self.name, self._running.doing, self._running.asked_monotonic)

    async def ask(self, function: Callable[..., T], *arguments: Any, deadline_seconds: float) -> T:
        """``function(*arguments)`` in the thread; its result or its exception.

        Raises NotAnswering after ``deadline_seconds``, or at once while an earlier call hangs. The deadline
        includes waiting for calls that were asked before. A caller who is cancelled leaves the call running.
        """
        if self._closed:
            raise Closed(f"{self.name} is closed")
        if trouble := self.trouble:
            raise trouble
        loop = asyncio.get_running_loop()
        self._loop = loop
        doing = getattr(function, "__name__", str(function))
        request: _Request[T] = _Request(lambda: function(*arguments), doing, loop.create_future())
        request.watchdog = loop.call_later(deadline_seconds, self._overdue, request)
        self._waiting.append(request)
        self._next()
        return await request.done

    def close(self) -> None:
        """No more work. What runs is left to end by itself; what waits is told."""
        self._closed = True
        for request in self._waiting:
            self._fail(request, Closed(f"{self.name} is closed"))
        self._waiting.clear()
        self._inbox.put(None)

    def _next(self) -> None:
        while self._running is None and self._waiting:
            request = self._waiting.popleft()
            if request.done.done():  # cancelled, or overdue, before its turn
                self._forget_watchdog(request)
                continue
            self._running = request
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
                self._thread.start()
            self._inbox.put(request)

    def _overdue(self, request: _Request[Any]) -> None:
        """On the loop, at a request's deadline: it still runs, or still waits for its turn."""
        running = self._running
        if running is None or (request is not running and request.done.done()):
            return
        self._fail(request, NotAnswering(self.name, running.doing, running.asked_monotonic))
        if request is not running or self._stuck:
            return
        self._stuck = True
        for waiting in self._waiting:
            self._fail(waiting, NotAnswering(self.name, running.doing, running.asked_monotonic))
        self._waiting.clear()
        self._tell()

    def _finished(self, request: _Request[Any], result: object, failure: BaseException | None) -> None:
        """On the loop, when a call has come back, in time or long after."""
        self._forget_watchdog(request)
        self._running = None
        if not request.done.done():
            if failure is None:
                request.done.set_result(result)
            else:
                request.done.set_exception(failure)
        if self._stuck:
            self._stuck = False
            self._tell()
        self._next()

    def _fail(self, request: _Request[Any], error: Exception) -> None:
        self._forget_watchdog(request)
        if not request.done.done():
            request.done.set_exception(error)

    def _forget_watchdog(self, request: _Request[Any]) -> None:
        if request.watchdog is not None:
            request.watchdog.cancel()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed(self)

    def _work(self) -> None:
        while (request := self._inbox.get()) is not None:
            result: object = None
            failure: BaseException | None = None
            try:
                result = request.run()
            except BaseException as error:  # noqa: BLE001 - handed on whole to the task that waits
                failure = error
            loop = self._loop
            assert loop is not None
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits any more
                loop.call_soon_threadsafe(self._finished, request, result, failure)
            del request, result, failure
