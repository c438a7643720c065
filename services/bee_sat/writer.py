"""Lines to a file by a thread of its own, in their order: a disk that hangs must not hang who writes them."""

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress

PENDING_LIMIT_BYTES = 16 << 20
SYNC_DEADLINE_SECONDS = 60.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


class BookError(Exception):
    """The run cannot be recorded, and has to end; the message says why."""


class BookFull(BookError):
    """No space is left. After `Book.give_up_reserve` the end of the run can be written."""


class Writer:
    """Appends to ``descriptor``, which is its own from then on.

    The first failure stands until `retry`; what was appended and not written waits for that.
    """

    def __init__(self, descriptor: int, sync_rest: Callable[[], None], name: str) -> None:
        """``sync_rest``: what else a sync takes to the disk; called by the thread, raises OSError."""
        self.appended_bytes = self._size_bytes = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self._sync_rest = sync_rest
        self._name = name
        self._changed = threading.Condition()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._syncs_wanted = 0
        self._syncs_done = 0
        self._failure: BookError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"bee-book {name}", daemon=True)
        self._thread.start()

    def append(self, line: bytes) -> None:
        """Raises BookError when the disk did not take earlier lines, or takes none for too long."""
        with self._changed:
            self._check()
            if self._pending_bytes > PENDING_LIMIT_BYTES:
                raise self._fail(BookError(f"the disk takes no records: {self._pending_bytes} bytes wait"))
            self._pending.append(line)
            self._pending_bytes += len(line)
            self.appended_bytes += len(line)
            self._changed.notify_all()

    def sync(self) -> None:
        """Return when all lines so far are on the disk. Raises BookError, also for a disk that hangs."""
        with self._changed:
            self._check()
            self._syncs_wanted += 1
            ticket = self._syncs_wanted
            self._changed.notify_all()
            in_time = self._changed.wait_for(
                lambda: self._syncs_done >= ticket or self._failure is not None, SYNC_DEADLINE_SECONDS
            )
            if not in_time:
                raise self._fail(
                    BookError(f"the disk did not take the records within {SYNC_DEADLINE_SECONDS:g} s")
                )
            if self._syncs_done < ticket:
                self._check()

    def retry(self) -> None:
        """Forget the failure, and try again what could not be written."""
        with self._changed:
            self._failure = None
            self._changed.notify_all()

    def close(self) -> None:
        """Write what waits, if the disk takes it, and close the file."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        # A thread that hangs in the kernel keeps the file open until it comes back.
        self._thread.join(SYNC_DEADLINE_SECONDS)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise BookError(f"the records of run {self._name} are closed")

    def _fail(self, failure: BookError) -> BookError:
        self._failure = failure
        self._changed.notify_all()
        return failure

    def _work(self) -> None:
        try:
            while (work := self._next()) is not None:
                lines, ticket = work
                try:
                    for line in lines:
                        self._write(line)
                    if ticket > self._syncs_done:
                        os.fsync(self._descriptor)
                        self._sync_rest()
                except OSError as error:
                    with self._changed:
                        self._fail(book_error(error, f"run {self._name} cannot be recorded"))
                else:
                    with self._changed:
                        self._syncs_done = ticket
                        self._changed.notify_all()
        finally:
            os.close(self._descriptor)

    def _next(self) -> tuple[list[bytes], int] | None:
        """The lines that wait and the last sync that was asked for; None at the end."""

        def is_work() -> bool:
            return self._failure is None and bool(self._pending or self._syncs_wanted > self._syncs_done)

        with self._changed:
            self._changed.wait_for(lambda: self._closing or is_work())
            return (list(self._pending), self._syncs_wanted) if is_work() else None

    def _write(self, line: bytes) -> None:
        """All of the line, or nothing of it."""
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size_bytes)
            raise
        self._size_bytes += len(line)
        with self._changed:
            self._pending.pop(0)
            self._pending_bytes -= len(line)


def book_error(error: OSError, what: str) -> BookError:
    """The BookError for what the disk said."""
    if error.errno in _FULL:
        return BookFull(f"{what}: no space is left on the disk")
    return BookError(f"{what}: {error.strerror or error}")
