"""What the folder of a run holds, and which names are allowed in it.

RUN/records.jsonl     what happened, one record a line (bee_sat.records); locked as long as the run lives
RUN/result.json       the SatResult, and
RUN/summary.txt       the same in short, for scripts and people: both written when the run has ended
RUN/...               artifacts: outputs, looks, kernel messages
RUN/.run.json         the SatRun that a list shows: the last file that the end of a run writes
RUN/.reserve          space that is given up when the disk is full, so that the end can still be written
RUN.tar.gz            all of it but the hidden files
"""

import os
import re
import stat
from pathlib import Path

RECORDS = "records.jsonl"
RESULT = "result.json"
SUMMARY = "summary.txt"
LISTING = ".run.json"
RESERVE = ".reserve"
ARCHIVE_SUFFIX = ".tar.gz"
ARCHIVE = "archive"  # the name by which the whole run can be opened
NEW_PREFIX = ".new-"  # a folder that is being made

FOLDER_MODE, FILE_MODE = 0o750, 0o640

_ARTIFACT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,119}", re.ASCII)
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


def is_run_name(name: str) -> bool:
    return _RUN_NAME.fullmatch(name) is not None


def is_artifact_name(name: str) -> bool:
    """Letters, digits and ``_.+-``, not beginning with a dot: nothing that means anything in a path."""
    return _ARTIFACT_NAME.fullmatch(name) is not None and name != ARCHIVE


def artifact_names(folder: Path) -> list[str]:
    """The plain files of a run's folder whose names are allowed, sorted. Links and devices are none."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if is_artifact_name(entry.name) and entry.is_file(follow_symlinks=False)
        )


def open_plain(path: Path) -> int:
    """A descriptor of a plain file, for reading. Raises OSError; a link, a pipe or a device is refused."""
    # Without waiting: to open a pipe would take as long as nobody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a plain file")
    return descriptor


def read_limited(path: Path, limit_bytes: int) -> bytes:
    """A plain file whole. Raises OSError, also for one that is longer than the limit."""
    with os.fdopen(open_plain(path), "rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(f"{path.name} is longer than {limit_bytes >> 20} MiB")
    return content


def archive_path(folder: Path) -> Path:
    return folder.with_name(folder.name + ARCHIVE_SUFFIX)
