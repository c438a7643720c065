"""A file that appears whole or not at all, and never in the place of another that was not meant."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bee_cli.errors import CliError


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """Write ``path``, readable for its owner alone. Raises CliError.

    The bytes go to a file beside it, which takes the name when the block has ended well and is removed
    otherwise.
    """
    refuse_existing(path, replace=replace)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise CliError(f"cannot write in {path.parent}: {error.strerror}") from error
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_name(partial, path, replace=replace)
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def refuse_existing(path: Path, *, replace: bool) -> None:
    """Raises CliError when something has that name already."""
    if path.is_dir():
        raise CliError(f"{path} is a folder")
    if not replace and os.path.lexists(path):
        raise CliError(f"{path} exists", "--force replaces it; -o FILE names another.")


def _take_name(partial: Path, path: Path, *, replace: bool) -> None:
    if replace:
        partial.replace(path)
        return
    try:
        os.link(partial, path)  # unlike a rename it fails when the name was taken meanwhile
    except FileExistsError:
        refuse_existing(path, replace=replace)
    except OSError:  # a file system without hard links: a USB stick's
        refuse_existing(path, replace=replace)
        partial.rename(path)
