"""A curve on a grid of characters: ╭╮╰╯─│.

Each column is what was measured in its time. What rises or falls within it by more than half a row is drawn
over all rows that it touched, so that a peak of one second stands in the column of its minute or hour.
"""

from dataclasses import dataclass

from bee_charts.curve import Bucket, Curve, joined
from bee_charts.scale import Axis

# In place of a line: samples were missing in this column, and nothing is known between those that came.
BROKEN = "·"
_NOISE_ROWS = 0.5


@dataclass(frozen=True)
class Frame:
    """Where a panel stands: columns over time, rows over values. Row 0 is the top."""

    begin_seconds: float
    end_seconds: float
    columns: int
    axis: Axis
    rows: int

    def column(self, seconds: float) -> int:
        share = (seconds - self.begin_seconds) / (self.end_seconds - self.begin_seconds)
        return min(self.columns - 1, max(0, int(share * self.columns)))

    def row(self, value: float) -> int:
        return self.rows - 1 - round(self.axis.place(value) * (self.rows - 1))


def trace(curve: Curve, frame: Frame) -> dict[tuple[int, int], str]:
    """The characters of a line by row and column."""
    drawn: dict[tuple[int, int], str] = {}
    before: tuple[int, int] | None = None  # column and row where the line left
    seen = (b for b in curve.buckets if frame.begin_seconds <= b.start_seconds <= frame.end_seconds)
    for column, bucket in joined(seen, lambda bucket: frame.column(bucket.start_seconds)):
        top, bottom, enter, leave = _rows(bucket, frame)
        if bucket.broken:
            drawn.update({(row, column): BROKEN for row in range(top, bottom + 1)})
            before = None
            continue
        if before is not None and not bucket.after_gap:
            enter = before[1]
            drawn.update({(enter, between): "─" for between in range(before[0] + 1, column)})
        if min(enter, leave) <= top and bottom <= max(enter, leave):
            drawn.update(_step(enter, leave, column))
        else:
            rows = range(min(top, enter), max(bottom, enter) + 1)
            drawn.update({(row, column): "│" for row in rows})
        before = column, leave
    return drawn


def _rows(bucket: Bucket, frame: Frame) -> tuple[int, int, int, int]:
    """Top, bottom, and where the line comes in and goes out. Noise of less than half a row is none."""
    row_height = (frame.axis.high - frame.axis.low) / (frame.rows - 1)
    if bucket.high - bucket.low < row_height * _NOISE_ROWS:
        row = frame.row(bucket.mean)
        return row, row, row, row
    return frame.row(bucket.high), frame.row(bucket.low), frame.row(bucket.first), frame.row(bucket.last)


def _step(enter: int, leave: int, column: int) -> dict[tuple[int, int], str]:
    if enter == leave:
        return {(leave, column): "─"}
    rises = leave < enter
    between = range(min(enter, leave) + 1, max(enter, leave))
    return {
        (enter, column): "╯" if rises else "╮",
        (leave, column): "╭" if rises else "╰",
        **{(row, column): "│" for row in between},
    }
