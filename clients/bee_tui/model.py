"""The base of view models, and their way to the services.

A model is followed while its screen is on show. What goes wrong on the way becomes `trouble`, a sentence for
the screen, and the model tries again until it is left: a service that restarts is back by itself.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from bee_bus.errors import BeeError, in_words
from bee_bus.following import while_connected

if TYPE_CHECKING:
    from bee_bus.client import Bus

RETRY_SECONDS = 2.0
# So often at most a model tells its screen of changes: an 80×24 terminal is read by people.
CHANGES_SECONDS = 0.2

Listener = Callable[[], None]


class Trouble(Exception):
    """A model cannot know what it is to show; the message is for people."""


class Live(ABC):
    """What a screen shows, kept up to date while it is on top.

    ``trouble``: why what is shown is old or missing; empty when all is well.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._told_at = 0.0

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called after changes, until what is returned is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def start(self) -> None:
        """Begin to follow; harmless when it does already."""
        if self._task is None:
            self._task = asyncio.create_task(self.live(), name=type(self).__name__)
            self._task.add_done_callback(_confess)

    def stop(self) -> None:
        """Follow no more; it may be started again at once."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def stopped(self) -> None:
        """Return when everything that was stopped has ended, its place on the bus included."""
        self.stop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def changed(self) -> None:
        """Tell the screen: at once, and many changes in a row as one."""
        if self._telling is None:
            wait = max(0.0, self._told_at + CHANGES_SECONDS - time.monotonic())
            self._telling = asyncio.get_running_loop().call_later(wait, self._tell)

    def well(self) -> None:
        """What is shown is what is: the trouble is over."""
        self._set_trouble("")

    @abstractmethod
    async def live(self) -> None:
        """Keep up until cancelled, with `changed` after every change."""

    def _set_trouble(self, words: str) -> None:
        if words != self.trouble:
            self.trouble = words
            self.changed()

    def _tell(self) -> None:
        self._telling = None
        self._told_at = time.monotonic()
        for listener in list(self._listeners):
            listener()


class Model(Live):
    """One that follows the services over the bus."""

    def __init__(self, address: str | None = None) -> None:
        """``address``: of the bus; by default the system bus."""
        super().__init__()
        self._address = address

    def bus(self, *, interactive: bool = False) -> "Bus":
        """A connection for an ``async with``."""
        from bee_bus.client import Bus  # the first screen is painted before this is loaded

        return Bus(self._address, interactive=interactive)

    @abstractmethod
    async def follow(self, bus: "Bus") -> None:
        """Keep up with the services until cancelled, with `changed` after every change.

        Raises BeeError or Trouble when it cannot; it is called anew after a while. Returning means the same
        without a trouble: there is nothing to wait for at the moment. `well` says that it can again.
        """

    async def live(self) -> None:
        while True:
            try:
                async with self.bus() as bus:
                    await while_connected(bus, self.follow(bus))
                    self.well()
            except BeeError as error:
                self._set_trouble(in_words(error))
            except Trouble as error:
                self._set_trouble(str(error))
            await asyncio.sleep(RETRY_SECONDS)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Several things at once, until one of them fails: its error is raised, and the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


def _confess(task: "asyncio.Task[None]") -> None:
    """A fault of ours in a model ends the menu in order, rather than leave a screen that is silently old."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler(
            {"message": f"a fault in {task.get_name()}", "exception": error}
        )
