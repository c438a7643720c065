"""What a service sent, as a file that appears whole or not at all, and never in another's place unasked."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


class NotWritten(Exception):
    """The file was not written; the message says why. ``exists``: there is one of that name."""

    def __init__(self, message: str, *, exists: bool = False) -> None:
        super().__init__(message)
        self.exists = exists


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Write ``path``, readable for its owner alone, and synced. Raises NotWritten.

    The bytes go to a file beside it, which takes the name when the block has ended well and is removed
    otherwise.
    """
    refuse_existing(path, replace=replace)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise NotWritten(f"cannot write in {path.parent}: {error.strerror}") from error
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_name(partial, path, replace=replace)
        _sync_folder(path.parent)
    except OSError as error:
        raise NotWritten(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def refuse_existing(path: Path, *, replace: bool = False) -> None:
    """Raises NotWritten when something has that name already."""
    if path.is_dir():
        raise NotWritten(f"{path} is a folder")
    if not replace and os.path.lexists(path):
        raise NotWritten(f"{path} exists", exists=True)


def _take_name(partial: Path, path: Path, *, replace: bool) -> None:
    if replace:
        partial.replace(path)
        return
    try:
        os.link(partial, path)  # unlike a rename it fails when the name was taken meanwhile
    except FileExistsError:
        refuse_existing(path)
    except OSError:  # a file system without hard links: a USB stick's
        refuse_existing(path)
        partial.rename(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems of sticks cannot; unmounting does it then
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
