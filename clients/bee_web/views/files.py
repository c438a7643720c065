"""A file of a run, as much of it as can be read on a page."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from io import BufferedReader
from typing import NamedTuple

# More than anybody reads on a page; of a longer file its begin and its end are shown.
PART_BYTES = 256 << 10
LINE_CHARACTERS = 2000
ARCHIVE = "archive"

_STYLING = re.compile(r"\x1b\[[0-9;:]*m")
_FIRST = ("summary.txt", "result.json")


class Part(NamedTuple):
    label: str
    lines: tuple[str, ...]


class Text(NamedTuple):
    """``remark``: why it is not all of it."""

    size_bytes: int
    parts: tuple[Part, ...]
    remark: str


def read_text(file: BufferedReader) -> Text:
    """Of an open file. Raises OSError."""
    size_bytes = os.fstat(file.fileno()).st_size
    head = file.read(PART_BYTES)
    if b"\0" in head:
        return Text(size_bytes, (), "This is no text: download it.")
    if size_bytes <= 2 * PART_BYTES:
        return Text(size_bytes, (Part("The file", _lines(head + file.read(PART_BYTES))),), "")
    file.seek(-PART_BYTES, os.SEEK_END)
    tail = file.read(PART_BYTES)
    parts = (Part("Its begin", _lines(head)), Part("Its end", _lines(tail)))
    return Text(
        size_bytes, parts, "This file is long: its begin and its end are shown. Download it for the rest."
    )


def sorted_names(names: Sequence[str]) -> tuple[str, ...]:
    """What people open first comes first."""
    return tuple(
        sorted((name for name in names if name != ARCHIVE), key=lambda name: (name not in _FIRST, name))
    )


def _lines(raw: bytes) -> tuple[str, ...]:
    text = _STYLING.sub("", raw.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\t", "    ")
    return tuple(line[:LINE_CHARACTERS] for line in text.removesuffix("\n").split("\n"))
