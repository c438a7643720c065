"""Rows of styled runs, and the lines of text that they become on a terminal of a certain ability."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal

from bee_charts.chart import Colour

# The colours of series are styles too, by their own names.
Style = Literal["", "title", "axis", "mark", "limit", "phase", "throttle", "fault"] | Colour
Run = tuple[str, Style]
Row = tuple[Run, ...]
Colours = Literal["none", "16", "256"]

# Select Graphic Rendition (ECMA-48 8.3.117). Bold makes the dark eight colours of a console readable.
_SIXTEEN: Mapping[Style, str] = {
    "title": "1",
    "mark": "1;31",
    "limit": "35",
    "phase": "36",
    "throttle": "1;33",
    "fault": "1;31",
    "red": "1;31",
    "blue": "1;34",
    "green": "1;32",
    "yellow": "1;33",
    "magenta": "1;35",
    "cyan": "1;36",
    "grey": "37",
}
_MANY: Mapping[Style, str] = {
    "title": "1",
    "axis": "38;5;245",
    "mark": "38;5;196",
    "limit": "38;5;213",
    "phase": "38;5;109",
    "throttle": "38;5;208",
    "fault": "38;5;196",
    "red": "38;5;203",
    "blue": "38;5;75",
    "green": "38;5;78",
    "yellow": "38;5;220",
    "magenta": "38;5;177",
    "cyan": "38;5;80",
    "grey": "38;5;250",
}
# Every style that a row can have, for a palette.
STYLES: tuple[Style, ...] = tuple(_MANY)
_CODES: Mapping[Colours, Mapping[Style, str]] = {"none": {}, "16": _SIXTEEN, "256": _MANY}
_ASCII = str.maketrans("╭╮╰╯─│┤└┬·×█µ", "..''-||++:x#u", "°")


def to_text(rows: Iterable[Row], *, colours: Colours = "none", unicode: bool = True) -> str:
    """Lines that a terminal shows, or a file keeps for one; each ends with a line break.

    Without ``unicode`` all is ASCII: what has no likeness there becomes "?".
    """
    if colours not in _CODES:
        raise ValueError(f"colours are one of {', '.join(_CODES)}, not {colours!r}")
    codes = _CODES[colours]
    lines = ("".join(_coloured(text, codes.get(style)) for text, style in row).rstrip() for row in rows)
    text = "".join(f"{line}\n" for line in lines)
    return text if unicode else text.translate(_ASCII).encode("ascii", "replace").decode()


def row_of(cells: Iterable[Run]) -> Row:
    """Neighbours of one style as one run."""
    return tuple(
        ("".join(text for text, _ in run), style) for style, run in groupby(cells, key=lambda cell: cell[1])
    )


def _coloured(text: str, code: str | None) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code and text.strip() else text
