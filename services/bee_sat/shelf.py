"""All runs on disk. Every method reads the disk: call them in a thread.

Nothing that stands there is trusted: a folder that somebody damaged is listed with what can be said of it,
and never hides the others. What judges and packs is loaded by the first who needs it: a start only lists.
"""

import io
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bee_bus import errors
from bee_bus.documents.sat import Interrupted, SatResult, SatRun
from bee_sat.book import Book, BookError, is_under_way
from bee_sat.layout import (
    ARCHIVE,
    ARCHIVE_SUFFIX,
    LISTING,
    NEW_PREFIX,
    RECORDS,
    RESULT,
    archive_path,
    artifact_names,
    is_artifact_name,
    is_run_name,
    open_plain,
    read_limited,
)
from bee_sat.records import DAMAGED, RunEnded, RunStarted, from_line

if TYPE_CHECKING:
    from bee_sat.evidence import Evidence

__all__ = ["ARCHIVE", "FORMATS", "Shelf"]

log = logging.getLogger(__name__)

FORMATS = ("junit", "ocp")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LISTING_LIMIT_BYTES = 64 << 10
_FIRST_LINE_LIMIT_BYTES = 256 << 10
_RESULT_LIMIT_BYTES = 256 << 20


class Shelf:
    """The runs under ``directory``, those under way too. A run that is not there: errors.NotFound."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def runs(self) -> list[SatRun]:
        """All runs, newest first. A damaged folder is listed with what can be said of it."""
        return [_listed(folder) or _unlisted(folder) for folder in sorted(self._folders(), reverse=True)]

    def unfinished(self) -> list[str]:
        """The runs that ended under an earlier life of the service, and were not completed yet. Quick."""
        return sorted(
            folder.name for folder in self._folders() if _listed(folder) is None and not _is_under_way(folder)
        )

    def recover(self) -> list[str]:
        """Complete those: record the interruption, judge, summarise, archive. Their names."""
        self._clear_up()
        completed = []
        for run in self.unfinished():
            try:
                _complete(self.directory / run)
            except (BookError, OSError) as error:
                log.error("run %s cannot be completed: %s", run, error)
            else:
                completed.append(run)
        return completed

    def result(self, run: str) -> str:
        """The run's SatResult as JSON, so far if it is under way."""
        folder = self._folder(run)
        if _listed(folder) is not None:
            with suppress(OSError, *DAMAGED):
                text = read_limited(folder / RESULT, _RESULT_LIMIT_BYTES)
                msgspec.json.decode(text, type=SatResult)
                return text.decode()
        return self.recompute(run)

    def recompute(self, run: str) -> str:
        """The same, judged anew from the records. Nothing is written."""
        from bee_sat.ending import result_json

        return result_json(self._judged(self._folder(run))).decode()

    def artifacts(self, run: str) -> list[str]:
        """The names that `open_artifact` takes."""
        folder = self._folder(run)
        names = artifact_names(folder)
        return [*names, ARCHIVE] if _is_file(archive_path(folder)) else names

    def open_artifact(self, run: str, name: str) -> io.FileIO:
        """A file of the run, for reading; "archive": all of it as .tar.gz."""
        folder = self._folder(run)
        if name != ARCHIVE and not is_artifact_name(name):
            raise errors.NotFound(f"run {run} has no artifact {name[:100]!r}")
        path = archive_path(folder) if name == ARCHIVE else folder / name
        try:
            return io.FileIO(open_plain(path), "rb")
        except OSError as error:
            raise errors.NotFound(f"run {run} has no artifact {name!r}") from error

    def export(self, run: str, format_name: str) -> io.FileIO:
        """The run in one of FORMATS, for reading. Raises InvalidOption, and NotSupported for a run that is
        under way.
        """
        if format_name not in FORMATS:
            raise errors.InvalidOption(f"there is no format {format_name!r}; formats: {', '.join(FORMATS)}")
        folder = self._folder(run)
        result = self._judged(folder)
        if result.status == "RUNNING":
            raise errors.NotSupported(f"run {run} is under way; export it when it has ended")
        file = io.FileIO(os.memfd_create(f"{run}.{format_name}"), "r+b")
        for chunk in _exported(folder, result, format_name):
            file.write(chunk)
        file.seek(0)
        return file

    def _folders(self) -> Iterator[Path]:
        try:
            with os.scandir(self.directory) as entries:
                for entry in entries:
                    if is_run_name(entry.name) and entry.is_dir(follow_symlinks=False):
                        yield Path(entry.path)
        except FileNotFoundError:
            return  # no run was ever made

    def _folder(self, run: str) -> Path:
        folder = self.directory / run
        try:
            if is_run_name(run) and stat.S_ISDIR(folder.lstat().st_mode):
                return folder
        except OSError:
            pass
        raise errors.NotFound(f"there is no run {run[:100]!r} in {self.directory}")

    def _judged(self, folder: Path) -> SatResult:
        from bee_sat.evidence import read_evidence

        # Asked before the records are read: a run that ends in between is whole in them.
        under_way = _is_under_way(folder)
        try:
            evidence = read_evidence(folder)
        except OSError as error:
            why = error.strerror or str(error)
            raise errors.NotFound(f"the records of run {folder.name} cannot be read: {why}") from error
        return evidence.judged(under_way=under_way)

    def _clear_up(self) -> None:
        """What an end in the wrong moment has left: folders half made, archives half written."""
        for left in self.directory.glob(f"{NEW_PREFIX}*"):
            if not _is_under_way(left):
                shutil.rmtree(left, ignore_errors=True)
        for run in self.unfinished():
            for left in self.directory.glob(f".{run}{ARCHIVE_SUFFIX}.*"):
                left.unlink(missing_ok=True)


def _listed(folder: Path) -> SatRun | None:
    """What the end of the run wrote for lists; None when the run is under way, or nobody completed it."""
    try:
        run = msgspec.json.decode(read_limited(folder / LISTING, _LISTING_LIMIT_BYTES), type=SatRun)
    except (OSError, *DAMAGED):
        return None
    archive = archive_path(folder)
    return msgspec.structs.replace(
        run,
        run=folder.name,
        directory=str(folder),
        archive=str(archive) if _is_file(archive) else None,
        job=None,
    )


def _unlisted(folder: Path) -> SatRun:
    started, trouble = _first_record(folder)
    under_way = _is_under_way(folder)
    return SatRun(
        run=folder.name,
        pack=started.pack if started else "",
        status="RUNNING" if under_way else "INTERRUPTED",
        reason="" if under_way else trouble or "it was cut short, and is not completed yet",
        started_at=started.at if started else "",
        owner_uid=started.owner_uid if started else 0,
        directory=str(folder),
    )


def _first_record(folder: Path) -> tuple[RunStarted | None, str]:
    """How the run began, or why that cannot be said."""
    try:
        with os.fdopen(open_plain(folder / RECORDS), "rb") as file:
            first = from_line(file.readline(_FIRST_LINE_LIMIT_BYTES))
    except OSError as error:
        return None, f"its records cannot be read: {error.strerror or error}"
    except DAMAGED:
        return None, "its records are damaged"
    return (first, "") if isinstance(first, RunStarted) else (None, "its records are damaged")


def _is_under_way(folder: Path) -> bool:
    try:
        return is_under_way(folder)
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _complete(folder: Path) -> None:
    from bee_sat.ending import write_ending
    from bee_sat.evidence import read_evidence

    book = Book.reopen(folder)
    try:
        evidence = read_evidence(folder)
        if any(isinstance(record, RunEnded) for record in evidence.records):
            write_ending(folder)  # it ended, and only the rest was cut short
        else:
            book.finish(_interruption(evidence))
    finally:
        book.close()


def _interruption(evidence: "Evidence") -> RunEnded:
    """The end of a run that has none, at the last moment that anything is known of it."""
    records = evidence.records
    started = records[0] if records and isinstance(records[0], RunStarted) else None
    restarted = started is not None and started.boot_id and started.boot_id != _boot_id()
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return RunEnded(
        at=records[-1].at if records else now,
        outcome=Interrupted(
            reason="the machine was restarted or lost power"
            if restarted
            else "the service was ended or killed"
        ),
    )


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _exported(folder: Path, result: SatResult, format_name: str) -> Iterator[bytes]:
    if format_name == "junit":
        from bee_sat.exports.junit import junit

        yield junit(result, lambda name: _tail(folder, name))
    else:
        from bee_sat.exports.ocp import ocp_lines

        yield from ocp_lines(result)


def _tail(folder: Path, name: str, limit_bytes: int = 16 << 10) -> bytes:
    """The end of an output, for who reads the export alone; empty when it is not there."""
    if not is_artifact_name(name):
        return b""
    with suppress(OSError), os.fdopen(open_plain(folder / name), "rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, size_bytes - limit_bytes))
        return file.read(limit_bytes)
    return b""
