"""Text in an SVG chart: escaped, and in the ink of its kind."""

from html import escape
from typing import Literal

from bee_charts.colours import FAINT, INK, LIMIT
from bee_charts.words import seen

Ink = Literal["ink", "faint", "limit-text"]
_FILLS: dict[Ink, str] = {"ink": INK, "faint": FAINT, "limit-text": LIMIT}

# What a letter takes on average in the fonts that are there, at 12 pixels; bold takes more.
_LETTER_PIXELS = 6.6
# Names are cut before; this is for whole sentences of them.
_LONGEST = 10_000


def text(
    x: float,
    y: float,
    words: str,
    *,
    ink: Ink = "ink",
    anchor: Literal["start", "middle", "end"] = "start",
    size: int | None = None,
    bold: bool = False,
) -> str:
    """``y`` is the baseline; ``size`` in pixels where it is not the chart's."""
    more = "" if anchor == "start" else f' text-anchor="{anchor}"'
    more += f' font-size="{size}"' if size else ""
    more += ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}"{more} {filled(ink)}>{xml(words)}</text>'


def shortened(words: str, pixels: float) -> str:
    """As much of the words as fits so many pixels, with "…" for the rest; empty when that is nothing."""
    letters = int(pixels / _LETTER_PIXELS)
    if len(words) <= letters:
        return words
    return f"{words[: letters - 1]}…" if letters > 1 else ""


def xml(words: str) -> str:
    """The one way by which text gets into a chart: a name may hold anything, and must stay text."""
    return escape(seen(words, limit=_LONGEST))


def filled(ink: Ink) -> str:
    """The attributes that give an element this ink."""
    return f'fill="{_FILLS[ink]}" class="{ink}"'


def titled(words: str) -> str:
    """What a pointer that rests there, and a screen reader, is told."""
    return f"<title>{xml(words)}</title>"
