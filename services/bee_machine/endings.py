"""Work that is done to its end, whoever gives up on it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """The work's result. Who waits here may be cancelled, once or many times: that is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled = await outlast(task)
    if cancelled is not None and (task.cancelled() or task.exception() is None):
        raise cancelled
    return task.result()


async def outlast(task: "asyncio.Task[Any]") -> asyncio.CancelledError | None:
    """Return when the task has ended, however often the waiting was cancelled; the last time it was."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
