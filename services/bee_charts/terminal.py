"""A chart on a terminal, whole at 80×24: one panel for each unit, above a common time axis."""

from collections.abc import Iterator, Sequence

from bee_charts.chart import Chart, Panel, Span, in_sight, panels, time_range
from bee_charts.scale import Axis, time_ticks
from bee_charts.terminal_line import Frame, trace
from bee_charts.terminal_text import Row, Run, Style, row_of
from bee_charts.words import cells, cut, duration, elapsed, number, on_axis, seen, with_unit

# A console of 80 by 24, with a row left for the prompt.
WIDTH, HEIGHT = 80, 23
WIDTH_LEAST = 40
# Rows of a panel that divide into equal steps, with a tick on a row for each.
_PANEL_ROWS = (3, 4, 5, 6, 7, 9, 11, 13)
_SPAN_ROWS_MOST = 4
_GUTTER_MOST = 12
_TICK_COLUMNS = 11
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def terminal_chart(chart: Chart, *, width: int = WIDTH, height: int = HEIGHT) -> tuple[Row, ...]:
    """The chart in at most so many columns and rows.

    Raises ValueError when that is too small for it; it says how much it needs.
    """
    if width < WIDTH_LEAST:
        raise ValueError(f"a chart needs {WIDTH_LEAST} columns or more; there are {width}")
    begin, end = time_range(chart)
    parts = panels(chart)
    all_spans = _span_rows(in_sight(chart.spans, begin, end))
    fixed = 1 + len(chart.series) + 2  # title, legend, time axis
    least = fixed + len(parts) * _PANEL_ROWS[0]
    if height < least:
        raise ValueError(f"a chart of {len(chart.series)} series needs {least} rows; there are {height}")
    spans = all_spans[: min(_SPAN_ROWS_MOST, height - least)]
    heights = _heights(len(parts), height - fixed - len(spans))
    axes = [part.axis(_intervals(rows)) for part, rows in zip(parts, heights, strict=True)]
    gutter = _gutter(axes, [label for label, _ in spans])
    columns = width - gutter - 1

    def frame(axis: Axis, rows: int) -> Frame:
        return Frame(begin, end, columns, axis, rows)

    time_frame = frame(Axis(0, 1, 1), 2)
    absent = _absent(chart, time_frame)
    notes: list[Run] = [(duration(end - begin), "axis")]
    if absent:
        notes.append(("  × no answer", "mark"))
    if left_out := len(all_spans) - len(spans):
        notes.append((f"  {left_out} {'row' if left_out == 1 else 'rows'} left out", "mark"))
    drawn: list[Row] = [_title(chart.title, notes, width)]
    for part, rows, axis in zip(parts, heights, axes, strict=True):
        drawn += [_legend(part, at, gutter, width) for at in range(len(part.series))]
        drawn += _panel(part, frame(axis, rows), gutter) if axis else _blank(rows, gutter)
    drawn += _time_axis(time_frame, gutter, absent)
    drawn += [_span_row(label, group, time_frame, gutter) for label, group in spans]
    return tuple(drawn)


def _heights(count: int, room: int) -> list[int]:
    """The rows of each panel; what is left over goes to the first ones."""
    even = max(rows for rows in _PANEL_ROWS if rows <= max(room // count, _PANEL_ROWS[0]))
    heights = [even] * count
    larger = next((rows for rows in _PANEL_ROWS if rows > even), even)
    for at in range(count):
        if sum(heights) + larger - even <= room:
            heights[at] = larger
    return heights


def _intervals(rows: int) -> tuple[int, ...]:
    return tuple(count for count in range(1, rows) if (rows - 1) % count == 0)


def _gutter(axes: Sequence[Axis | None], labels: Sequence[str]) -> int:
    ticks = [on_axis(tick, axis.step) for axis in axes if axis for tick in axis.ticks]
    return min(_GUTTER_MOST, max(map(cells, (*ticks, *labels, "100"))) + 1)


def _title(title: str, notes: list[Run], width: int) -> Row:
    room = width - sum(cells(text) for text, _ in notes)
    shown = cut(seen(title), room - 2)
    return _fitted([(shown, "title"), (" " * (room - cells(shown)), ""), *notes], width)


def _legend(part: Panel, at: int, gutter: int, width: int) -> Row:
    one = part.series[at]
    letter = f"{_letter(at)} " if len(part.series) > 1 else ""
    told: list[Run] = [(" " * (gutter + 1), ""), (f"{letter}{seen(one.name)}", one.colour)]
    known = one.curve.summary
    if known is None:
        told.append(("  no samples", "mark"))
    else:
        last, low, high = with_unit(known.last, seen(one.unit)), number(known.low), number(known.high)
        told.append((f"  last {last}  min {low}  max {high}", ""))
        if one.curve.outages:
            told.append((f"  no answer {duration(one.curve.outage_seconds)}", "mark"))
    if at == 0:
        limits = "".join(f"  {seen(limit.label)} {number(limit.value)}" for limit in part.limits)
        told.append((limits, "limit"))
    return _fitted(told, width)


def _letter(at: int) -> str:
    """What tells the lines of one panel apart where there are no colours."""
    return _LETTERS[at % len(_LETTERS)]


def _fitted(runs: list[Run], width: int) -> Row:
    fitted: list[Run] = []
    for text, style in runs:
        shown = cut(text, width)
        width -= cells(shown)
        if shown:
            fitted.append((shown, style))
    return tuple(fitted)


def _panel(part: Panel, frame: Frame, gutter: int) -> Iterator[Row]:
    grid: list[list[Run]] = [[(" ", "")] * frame.columns for _ in range(frame.rows)]
    for limit in part.limits:
        if frame.axis.low <= limit.value <= frame.axis.high:
            line = "- " * frame.columns
            grid[frame.row(limit.value)] = [(char, "limit") for char in line[: frame.columns]]
    for place, one in reversed(list(enumerate(part.series))):
        drawn = trace(one.curve, frame)
        for (row, column), char in drawn.items():
            grid[row][column] = (char, one.colour)
        if drawn and len(part.series) > 1:
            row, column = max(drawn, key=lambda cell: cell[1])
            grid[row][column] = (_letter(place), one.colour)
    labels = {frame.row(tick): on_axis(tick, frame.axis.step) for tick in frame.axis.ticks}
    for at, line_cells in enumerate(grid):
        label = labels.get(at, "")
        yield row_of([(f"{label:>{gutter}}", "axis"), ("┤" if label else "│", "axis"), *line_cells])


def _blank(rows: int, gutter: int) -> Iterator[Row]:
    for _ in range(rows):
        yield ((f"{'':>{gutter}}│", "axis"),)


def _absent(chart: Chart, frame: Frame) -> set[int]:
    """The columns in which a series that has values was without them for a while."""
    return {
        column
        for one in chart.series
        if one.curve.summary
        for begin, end in one.curve.gaps
        if end >= frame.begin_seconds and begin <= frame.end_seconds
        for column in range(frame.column(begin), frame.column(end) + 1)
    }


def _time_axis(frame: Frame, gutter: int, absent: set[int]) -> Iterator[Row]:
    ticks = {
        frame.column(frame.begin_seconds + tick): elapsed(tick)
        for tick in time_ticks(frame.begin_seconds, frame.end_seconds, max(2, frame.columns // _TICK_COLUMNS))
    }
    line: list[Run] = [(" " * gutter, "axis"), ("└", "axis")]
    for column in range(frame.columns):
        line.append(("×", "mark") if column in absent else ("┬" if column in ticks else "─", "axis"))
    yield row_of(line)
    labels = ""
    for column, label in ticks.items():
        at = min(gutter + 1 + column - len(label) // 2, gutter + 1 + frame.columns - len(label))
        if at > len(labels) or not labels:
            labels = f"{labels:<{at}}{label}"
    yield ((labels, "axis"),)


def _span_rows(spans: Sequence[Span]) -> list[tuple[str, list[Span]]]:
    """A row for all phases together, and one for each other label; what failed comes first."""
    order = {"fault": 0, "throttle": 1, "phase": 2}
    rows: dict[tuple[int, str], list[Span]] = {}
    for span in spans:
        label = "phase" if span.kind == "phase" else seen(span.label)
        rows.setdefault((order[span.kind], label), []).append(span)
    return [(label, group) for (_, label), group in sorted(rows.items(), key=lambda row: row[0][0])]


def _span_row(label: str, spans: Sequence[Span], frame: Frame, gutter: int) -> Row:
    style: Style = spans[0].kind
    line = [" "] * frame.columns
    for span in spans:
        first, last = frame.column(span.begin_seconds), frame.column(span.end_seconds)
        if style == "phase":
            name = seen(span.label)
            text = f"│{name}" if cells(name) == len(name) else "│"
            line[first : last + 1] = f"{text[: last + 1 - first]:<{last + 1 - first}}"
        else:
            line[first : last + 1] = "█" * (last + 1 - first)
    shown = cut(label, gutter)
    return row_of([(" " * (gutter - cells(shown)) + shown, style), (" ", ""), ("".join(line), style)])
