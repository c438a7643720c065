"""Charts as pictures, for pages that are read without JavaScript or kept as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bee_charts import Chart, svg_chart


class Picture(NamedTuple):
    """``picture``: an SVG element, made by bee_charts, which escapes all text in it."""

    title: str
    picture: str


def pictures(charts: Sequence[Chart], *, name: str = "chart") -> tuple[Picture, ...]:
    """``name``: begins the elements' ids, and is used once in a page."""
    return tuple(Picture(one.title, svg_chart(one, name=f"{name}-{at}")) for at, one in enumerate(charts))
