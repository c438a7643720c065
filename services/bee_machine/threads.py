"""Blocking reads off the event loop, in threads that nobody has to wait for.

asyncio's own executor has few threads and joins them at exit: a handful of reads that hang in the kernel
would starve the rest and then keep the service from ending. Here each blocking call has a daemon thread,
kept for the next call when it ends.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

IDLE_SECONDS = 5.0  # how long a thread without work stays


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)``, run in a thread; its result or its exception.

    When the waiting task is cancelled the call is abandoned, not stopped: it ends by itself, or never.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    _workers.start(lambda: _run(function, arguments, loop, done))
    return await done


def _run(
    function: Callable[..., T],
    arguments: tuple[Any, ...],
    loop: asyncio.AbstractEventLoop,
    done: "asyncio.Future[T]",
) -> None:
    result: T | None = None
    failure: BaseException | None = None
    try:
        result = function(*arguments)
    except BaseException as error:  # noqa: BLE001 - handed on whole to the task that waits
        failure = error
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits any more
        loop.call_soon_threadsafe(_settle, done, result, failure)


def _settle(done: "asyncio.Future[Any]", result: object, failure: BaseException | None) -> None:
    if done.cancelled():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(result)


class _Workers:
    """Threads on demand: a call never waits for another call to end."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0  # threads that wait for a call, less the calls that wait for them

    def start(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._calls.put(call)
            self._free -= 1
            if self._free >= 0:
                return
            self._free += 1
        threading.Thread(target=self._work, name="bee-read", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._free <= 0:
                        continue  # a call was promised to this thread in this very moment
                    self._free -= 1
                return
            call()
            del call
            with self._lock:
                self._free += 1


_workers = _Workers()
