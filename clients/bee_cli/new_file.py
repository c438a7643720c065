"""Files that commands write: what keeps them from being written is said with what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bee_bus import new_file as files
from bee_cli.errors import CliError


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """As `bee_bus.new_file`. Raises CliError."""
    try:
        with files.new_file(path, replace=replace) as file:
            yield file
    except files.NotWritten as error:
        raise _in_words(error) from error


def refuse_existing(path: Path, *, replace: bool) -> None:
    """Raises CliError when something has that name already."""
    try:
        files.refuse_existing(path, replace=replace)
    except files.NotWritten as error:
        raise _in_words(error) from error


def _in_words(error: files.NotWritten) -> CliError:
    return CliError(str(error), "--force replaces it; -o FILE names another." if error.exists else "")
