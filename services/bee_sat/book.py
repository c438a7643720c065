"""The book of one run: its folder while the run lives, with its records, its artifacts and its lock."""

import errno
import fcntl
import logging
import math
import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from bee_bus.documents.sat import SatResult
from bee_machine.threads import in_thread
from bee_sat.layout import (
    FILE_MODE,
    FOLDER_MODE,
    NEW_PREFIX,
    RECORDS,
    RESERVE,
    artifact_names,
    is_artifact_name,
    is_run_name,
    open_plain,
)
from bee_sat.records import Measured, Record, RunEnded, StepEnded, to_line
from bee_sat.writer import BookError, BookFull, Writer, book_error

__all__ = ["ArtifactRefused", "Book", "BookError", "BookFull"]

log = logging.getLogger(__name__)

RESERVE_BYTES = 1 << 20
LOCK_PATIENCE_SECONDS = 1.0  # somebody who lists runs tries the locks for a moment
ARTIFACT_LIMIT = 2000
RECORDS_LIMIT_BYTES = 32 << 20


class ArtifactRefused(ValueError):
    """The artifact cannot be made: its name is not plain, or taken, or the run has too many."""


class Book:
    """A run's folder, open for writing.

    ``append``, ``open_artifact`` and ``artifacts`` return at once. ``create``, ``reopen``, ``sync``,
    ``finish`` and ``close`` wait for the disk: call them in a thread. ``settle`` is ``sync`` for the event
    loop.

    When the disk is full or broken, what comes next raises BookError, again and again: the runner ends the
    run then, calls ``give_up_reserve`` and writes how it ended. Nothing that was appended is lost by that.
    """

    def __init__(self, folder: Path, records: int) -> None:
        """See `create` and `reopen`. ``records``: the descriptor of the locked file."""
        self.folder = folder
        self.run = folder.name
        self._synced: dict[str, tuple[int, int]] = {}
        # The folder of all runs may be as new as this one, so the folder that holds it counts as well.
        self._unsynced_folders: tuple[Path, ...] = (folder, folder.parent, folder.parent.parent)
        self._writer = Writer(records, self._sync_folder, folder.name)

    @classmethod
    def create(cls, directory: Path, run: str) -> "Book":
        """A new folder in ``directory`` for a run of that name, locked. Raises BookError.

        Quick, as somebody waits for the run to start: the first sync takes the folder itself to the disk.
        """
        if not is_run_name(run):
            raise BookError(f"{run!r} is no name for a run")
        # Made under a hidden name: whoever looks for dead runs never sees one that is not locked yet.
        folder, made = directory / run, directory / (NEW_PREFIX + run)
        try:
            directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            if folder.exists():
                raise BookError(f"there is a run {run} in {directory} already")
            if made.is_dir():
                shutil.rmtree(made)
            made.mkdir()
            made.chmod(FOLDER_MODE)
            records = _open_records(made / RECORDS, os.O_CREAT | os.O_EXCL)
            try:
                _reserve(made / RESERVE)
                made.rename(folder)
            except OSError:
                os.close(records)
                raise
        except OSError as error:
            shutil.rmtree(made, ignore_errors=True)
            raise book_error(error, f"{folder} cannot be made") from error
        return cls(folder, records)

    @classmethod
    def reopen(cls, folder: Path) -> "Book":
        """The book of a run that nobody writes any more. Raises BookError when somebody does."""
        try:
            records = _open_records(folder / RECORDS, os.O_CREAT, patience_seconds=LOCK_PATIENCE_SECONDS)
        except BlockingIOError as error:
            raise BookError(f"the run {folder.name} is under way") from error
        except OSError as error:
            raise book_error(error, f"the records of {folder.name} cannot be opened") from error
        try:
            _end_last_line(records)
        except OSError as error:
            os.close(records)
            raise book_error(error, f"the records of {folder.name} cannot be written") from error
        return cls(folder, records)

    def append(self, record: Record, *, sync: bool = False) -> None:
        """Put a record after the others; with ``sync`` wait until it is on disk (in a thread).

        Raises BookError when the disk has not taken earlier ones, ValueError for a measurement that is no
        number (NaN, infinite): that is a fault of the step, never a reading.
        """
        if isinstance(record, Measured) and not math.isfinite(record.measurement.value):
            raise ValueError(f"{record.measurement.name} is {record.measurement.value}: that is no reading")
        if self._writer.appended_bytes > RECORDS_LIMIT_BYTES and not isinstance(record, StepEnded | RunEnded):
            raise BookError(f"the run has written more than {RECORDS_LIMIT_BYTES >> 20} MiB of records")
        self._writer.append(to_line(record))
        if sync:
            self._writer.sync()

    def sync(self) -> None:
        """Return when all records and artifacts so far are on disk, with their folder. Raises BookError, also
        for a disk that hangs.
        """
        self._writer.sync()

    async def settle(self) -> None:
        """`sync`, awaited."""
        await in_thread(self.sync)

    def open_artifact(self, name: str) -> BinaryIO:
        """A new file of the run, for writing; the caller closes it. Raises ArtifactRefused and BookError."""
        if not is_artifact_name(name):
            raise ArtifactRefused(f"{name!r} is no name for a file of a run: letters, digits and _.+- only")
        if len(self.artifacts()) >= ARTIFACT_LIMIT:
            raise ArtifactRefused(f"{name}: the run has {ARTIFACT_LIMIT} files already")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.folder / name, flags, FILE_MODE)
        except FileExistsError as error:
            raise ArtifactRefused(f"there is a file {name} in the run already") from error
        except OSError as error:
            raise book_error(error, f"{name} cannot be made") from error
        os.fchmod(descriptor, FILE_MODE)
        return os.fdopen(descriptor, "wb")

    def artifacts(self) -> tuple[str, ...]:
        """The names of the files that there are, those too that a program wrote by itself."""
        return tuple(artifact_names(self.folder))

    def give_up_reserve(self) -> None:
        """Make room on a full disk, and try again what could not be written."""
        with suppress(OSError):
            (self.folder / RESERVE).unlink(missing_ok=True)
        self._writer.retry()

    def finish(self, ended: RunEnded) -> SatResult:
        """Write how the run ended, judge it, write result.json, summary.txt and the archive, and close.

        Gives up the reserve by itself. Raises BookError when not even that helps: the run is then found as
        interrupted later.
        """
        from bee_sat.ending import write_ending

        try:
            self._with_reserve(lambda: self.append(ended))
            self._with_reserve(self.sync)
            self.give_up_reserve()
            return write_ending(self.folder)
        except OSError as error:
            raise book_error(error, f"the result of run {self.run} cannot be written") from error
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the folder. A run that has not ended can be recovered from then on."""
        self._writer.close()

    def _with_reserve(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BookError as error:
            log.warning("%s; the reserve is given up", error)
            self.give_up_reserve()
            write()

    def _sync_folder(self) -> None:
        """The artifacts that have changed since the last time, and the folder."""
        for name in self.artifacts():
            path = self.folder / name
            try:
                state = path.lstat()
                if self._synced.get(name) == (state.st_size, state.st_mtime_ns):
                    continue
                descriptor = open_plain(path)
            except FileNotFoundError:
                continue  # a program's own temporary file
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._synced[name] = (state.st_size, state.st_mtime_ns)
        for folder in self._unsynced_folders:
            _sync_folder(folder)
        self._unsynced_folders = (self.folder,)


def _open_records(path: Path, flags: int, *, patience_seconds: float = 0.0) -> int:
    """The records, locked. Raises BlockingIOError when another book has them."""
    flags |= os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is not a plain file")
        deadline = time.monotonic() + patience_seconds
        while not _lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EWOULDBLOCK, f"{path.name} is locked")
            time.sleep(0.01)
        os.fchmod(descriptor, FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_under_way(folder: Path) -> bool:
    """Whether a book of this run is open, in this process or another. Raises OSError without records."""
    descriptor = open_plain(folder / RECORDS)
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_last_line(records: int) -> None:
    """What a dying machine left of a line stays there, as a line that is none."""
    size_bytes = os.fstat(records).st_size
    if size_bytes and os.pread(records, 1, size_bytes - 1) != b"\n":
        os.write(records, b"\n")


def _reserve(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
