"""Who moves data over PCIe: all workers at once, or one alone, by locks on a file that all have open.

The kernel gives back the locks of a process that dies, so one that hangs holds up the others only until it is
killed (fcntl(2), advisory record locking).
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.01
# Whoever wants the road passes the gate first. One that wants it alone keeps the gate shut meanwhile, so that
# nobody new comes before it.
_GATE, _ROAD = 0, 1


class Turns:
    """``descriptor``: of the file; None for a worker that is alone. ``waiting`` is called meanwhile."""

    def __init__(self, descriptor: int | None, waiting: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._waiting = waiting

    @contextmanager
    def together(self) -> Iterator[None]:
        """With others who want the same."""
        with self._held(_GATE, fcntl.LOCK_EX):
            self._take(_ROAD, fcntl.LOCK_SH)
        try:
            yield
        finally:
            self._give(_ROAD)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else is there."""
        with self._held(_GATE, fcntl.LOCK_EX), self._held(_ROAD, fcntl.LOCK_EX):
            yield

    @contextmanager
    def _held(self, place: int, kind: int) -> Iterator[None]:
        self._take(place, kind)
        try:
            yield
        finally:
            self._give(place)

    def _take(self, place: int, kind: int) -> None:
        while self._descriptor is not None:
            try:
                fcntl.lockf(self._descriptor, kind | fcntl.LOCK_NB, 1, place)
                return
            except (BlockingIOError, PermissionError):  # POSIX lets it be either
                self._waiting()
                time.sleep(_LOOK_SECONDS)

    def _give(self, place: int) -> None:
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)
