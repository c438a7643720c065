"""What goes on beside the screen: tasks that nobody loses, what the person waits for, and the first fault."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from bee_bus.errors import BeeError, in_words
from bee_tui.model import Trouble

T = TypeVar("T")

BUSY_SECONDS = 0.1  # work that takes longer shows that it works


class Work:
    """``changed``: is called when what is waited for has changed. ``explain``: tells what went wrong.

    ``failed``: is called after a fault of the menu's own, which is `fault` then: the first one.
    """

    def __init__(
        self,
        *,
        changed: Callable[[], None],
        explain: Callable[[str, str], None],
        failed: Callable[[], None],
    ) -> None:
        self.fault: BaseException | None = None
        self._changed = changed
        self._explain = explain
        self._failed = failed
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waited_for: list[str] = []

    @property
    def doing(self) -> str:
        """What is waited for; empty when nothing is."""
        return self._waited_for[-1] if self._waited_for else ""

    def do(self, coroutine: Coroutine[Any, Any, T], doing: str) -> asyncio.Task[T | None]:
        """Do something that takes time. It shows after a moment; what goes wrong is said, never raised."""
        return self.spawn(self._do(coroutine, doing), doing)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """A task that is kept, ends with the menu, and whose fault is not lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop's handler of what nobody caught."""
        error = context.get("exception")
        self._take_fault(error if error is not None else RuntimeError(context["message"]))

    async def end(self) -> None:
        """End all of it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _do(self, coroutine: Coroutine[Any, Any, T], doing: str) -> T | None:
        shown = asyncio.get_running_loop().call_later(BUSY_SECONDS, self._wait_for, doing)
        try:
            return await coroutine
        except BeeError as error:
            self._explain(doing, f"{in_words(error)}.\n\n{error.hint}")
        except Trouble as error:
            self._explain(doing, str(error))
        finally:
            shown.cancel()
            if doing in self._waited_for:
                self._waited_for.remove(doing)
                self._changed()
        return None

    def _wait_for(self, doing: str) -> None:
        self._waited_for.append(doing)
        self._changed()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._take_fault(error)

    def _take_fault(self, error: BaseException) -> None:
        if self.fault is None:
            self.fault = error
        self._failed()
