"""Charts of bee_charts as widgets, as wide as there is room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import urwid

from bee_charts import Chart, Row, terminal_chart

_SPAN_ROWS_MOST = 4
_PANEL_ROWS = 3  # the least; see bee_charts.terminal


class ChartLines(urwid.Widget):
    """A chart in a list, in as few rows as it can be read in."""

    _sizing = frozenset([urwid.FLOW])
    _selectable = False

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self._chart = chart
        self._drawn: tuple[int, urwid.Text] | None = None

    def rows(self, size: tuple[int], focus: bool = False) -> int:
        return int(self._text(size[0]).rows(size))

    def render(self, size: tuple[int], focus: bool = False) -> urwid.Canvas:
        return urwid.CompositeCanvas(self._text(size[0]).render(size))

    def _text(self, columns: int) -> urwid.Text:
        if self._drawn is None or self._drawn[0] != columns:
            self._drawn = columns, urwid.Text(_markup(self._chart, columns, _least(self._chart)), wrap="clip")
        return self._drawn[1]


class ChartBox(urwid.Widget):
    """A chart that fills its place."""

    _sizing = frozenset([urwid.BOX])
    _selectable = False

    def __init__(self) -> None:
        super().__init__()
        self._chart: Chart | None = None

    def show(self, chart: Chart) -> None:
        """Another chart, or the same with more in it."""
        if chart is not self._chart:
            self._chart = chart
            self._invalidate()

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:
        text = urwid.Text(_markup(self._chart, *size) if self._chart else "", wrap="clip")
        return urwid.CompositeCanvas(urwid.Filler(text, valign="top").render(size))


def row_markup(rows: Iterable[Row]) -> list[str | tuple[str, str]]:
    """Rows as urwid's markup; the styles of bee_charts stand in the palette."""
    return [
        (style, text) if style else text
        for number, row in enumerate(rows)
        for text, style in ((("\n" if number else "", ""), *row))
        if text
    ]


def _least(chart: Chart) -> int:
    """Rows that are enough for it."""
    units = {one.unit for one in chart.series}
    labels = {span.label for span in chart.spans}
    return 3 + len(chart.series) + _PANEL_ROWS * len(units) + min(len(labels), _SPAN_ROWS_MOST)


def _markup(chart: Chart, columns: int, rows: int) -> list[str | tuple[str, str]]:
    """All series, or as many of the first ones as there is room for, which the title then says."""
    count = len(chart.series)
    for shown in range(count, 0, -1):
        title = chart.title if shown == count else f"{chart.title}  ({shown} of {count} quantities)"
        part = replace(chart, series=chart.series[:shown], title=title)
        try:
            return row_markup(terminal_chart(part, width=columns, height=rows))
        except ValueError:  # it needs more rows, or columns
            continue
    return [("quiet", "The terminal is too small for the chart.")]
