"""What a run writes into its book, and what becomes of it when the disk takes no more."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from bee_bus.documents.sat import SatResult
from bee_machine.threads import in_thread
from bee_sat.book import Book, BookError
from bee_sat.records import Record, RunEnded

log = logging.getLogger(__name__)


def now() -> str:
    """RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def steady() -> float:
    """Seconds by a clock that nobody sets, the same for all processes until the machine is started anew."""
    return round(time.monotonic(), 3)


class Ledger:
    """The book's records. Nobody who writes one has to know of the disk: ``on_failure`` is called once when
    it takes no more, and what is appended from then on is kept for the end of the run.
    """

    def __init__(self, book: Book, on_failure: Callable[[], None]) -> None:
        self.book = book
        self.failure: BookError | None = None
        self._on_failure = on_failure
        self._unwritten: list[Record] = []

    def append(self, record: Record) -> None:
        """Raises ValueError for a measurement that is no number."""
        if self._unwritten:
            self._unwritten.append(record)
            return
        try:
            self.book.append(record)
        except BookError as error:
            self._unwritten.append(record)
            self.fail(error)

    async def settle(self) -> None:
        """Return when all that was written so far is on the disk, or the disk has failed."""
        try:
            await self.book.settle()
        except BookError as error:
            self.fail(error)

    def fail(self, error: BookError) -> None:
        """The disk has failed."""
        if self.failure is None:
            log.error("%s", error)
            self.failure = error
            self._on_failure()

    async def finish(self, ended: RunEnded) -> SatResult:
        """Write all the rest and the result. Raises BookError when that cannot be."""
        return await in_thread(self._finish, ended)

    def _finish(self, ended: RunEnded) -> SatResult:
        if self._unwritten:
            self.book.give_up_reserve()
        with suppress(BookError):  # `Book.finish` says the same
            for record in self._unwritten:
                with suppress(ValueError):
                    self.book.append(record)
        return self.book.finish(ended)
