"""The files of a run: what can be shown of them on a screen, and a copy of the whole."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bee_bus.new_file import NotWritten, new_file
from bee_bus.text import clean
from bee_tui.model import Trouble

if TYPE_CHECKING:
    from io import BufferedReader

    from bee_bus.client import Bus

ARCHIVE = "archive"

# More than anybody reads on a console; of a longer file its begin and its end are shown.
PART_BYTES = 512 << 10
LINE_CHARACTERS = 2000
CHUNK_BYTES = 1 << 20

_STYLING = re.compile(r"\x1b\[[0-9;:]*m")


@dataclass(frozen=True)
class Text:
    """A file to be read on a terminal. ``left_out_bytes``: how much is missing between head and tail."""

    name: str
    size_bytes: int
    head: tuple[str, ...]
    tail: tuple[str, ...] = ()
    left_out_bytes: int = 0


async def read_text(bus: Bus, run: str, name: str) -> Text:
    """An artifact. Raises BeeError, and Trouble for one that is no text."""
    import asyncio

    from bee_bus.sat_client import SatClient

    with await SatClient(bus).open_artifact(run, name) as file:
        return await asyncio.to_thread(_read, name, file)


async def save_archive(bus: Bus, run: str, folder: Path) -> Path:
    """Copy the whole run into a folder, whole or not at all, and synced; the file's path.

    Raises BeeError, and Trouble when it cannot be written, or is there already.
    """
    import asyncio

    from bee_bus.sat_client import SatClient

    with await SatClient(bus).open_artifact(run, ARCHIVE) as file:
        return await asyncio.to_thread(_save, file, folder / f"bee-sat-{run}.tar.gz")


def text_lines(raw: bytes) -> tuple[str, ...]:
    """Lines without what a terminal would obey; tabs are spaces, and colours are gone."""
    text = _STYLING.sub("", raw.decode("utf-8", "replace"))
    lines = (line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n"))
    return tuple(clean(line.expandtabs(), limit=LINE_CHARACTERS) for line in lines)


def _read(name: str, file: BufferedReader) -> Text:
    size_bytes = os.fstat(file.fileno()).st_size
    head = file.read(PART_BYTES)
    if b"\0" in head:
        raise Trouble(f"{name} is no text. The archive of the run has it: export that.")
    left_out = max(0, size_bytes - 2 * PART_BYTES)
    if size_bytes <= 2 * PART_BYTES:
        return Text(name, size_bytes, text_lines((head + file.read(PART_BYTES)).removesuffix(b"\n")))
    file.seek(-PART_BYTES, os.SEEK_END)
    tail = file.read(PART_BYTES).removesuffix(b"\n")
    return Text(name, size_bytes, text_lines(head), text_lines(tail), left_out)


def _save(source: BufferedReader, path: Path) -> Path:
    try:
        with new_file(path) as file:
            copy(source, file)
    except NotWritten as error:
        raise Trouble(str(error)) from error
    return path


def copy(source: BufferedReader, target: IO[bytes]) -> None:
    """All of it. Raises OSError, and Trouble when there is nothing."""
    size_bytes = 0
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)
        size_bytes += len(chunk)
    target.flush()
    if not size_bytes:
        raise Trouble("the service sent an empty file")


def sorted_names(names: Sequence[str]) -> tuple[str, ...]:
    """What people open first comes first."""
    first = ("summary.txt", "result.json")
    return tuple(
        sorted((name for name in names if name != ARCHIVE), key=lambda name: (name not in first, name))
    )
