"""Curves as SVG path data, in tenths of a pixel: short, whole numbers, relative steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bee_charts.chart import Span
from bee_charts.curve import Bucket, Curve, joined
from bee_charts.scale import Axis

TENTHS = 10

Point = tuple[int, int]


@dataclass(frozen=True)
class Area:
    """The plot of one panel, in pixels: time to the right, values upwards."""

    begin_seconds: float
    end_seconds: float
    width: int
    axis: Axis
    height: int

    def x(self, seconds: float) -> int:
        share = (seconds - self.begin_seconds) / (self.end_seconds - self.begin_seconds)
        return round(min(1.0, max(0.0, share)) * self.width * TENTHS)

    def y(self, value: float) -> int:
        return round((1.0 - self.axis.place(value)) * self.height * TENTHS)


def runs(curve: Curve, area: Area) -> list[list[Bucket]]:
    """The buckets, at most one for each pixel, in runs that a line may join."""
    seen = (b for b in curve.buckets if area.begin_seconds <= b.start_seconds <= area.end_seconds)
    found: list[list[Bucket]] = []
    apart = True
    for _, bucket in joined(seen, lambda bucket: area.x(bucket.start_seconds) // TENTHS):
        if apart or bucket.after_gap or bucket.broken:
            found.append([])
        found[-1].append(bucket)
        apart = bool(bucket.broken)
    return found


def line(found: Sequence[Sequence[Bucket]], area: Area) -> str:
    """Through the mean of each bucket."""
    return "".join(
        _open([(area.x(bucket.middle_seconds), area.y(bucket.mean)) for bucket in run]) for run in found
    )


def band(found: Sequence[Sequence[Bucket]], area: Area) -> str:
    """From the lowest to the highest of each bucket; nothing where they are one everywhere."""
    return "".join(
        _closed(
            [(area.x(bucket.high_seconds), area.y(bucket.high)) for bucket in run],
            [(area.x(bucket.low_seconds), area.y(bucket.low)) for bucket in run],
        )
        for run in found
        if any(bucket.high > bucket.low for bucket in run)
    )


def stripes(times: Sequence[tuple[float, float]], area: Area, height: int) -> str:
    """A bar for each time from begin to end, at least a pixel wide; what touches is one."""
    data: list[str] = []
    for left, right in _touching(times, area):
        data.append(f"M{left} 0h{right - left}v{height * TENTHS}h{left - right}z")
    return "".join(data)


def times_of(spans: Sequence[Span]) -> list[tuple[float, float]]:
    return [(span.begin_seconds, span.end_seconds) for span in spans]


def _touching(times: Sequence[tuple[float, float]], area: Area) -> Iterator[Point]:
    before: Point | None = None
    for begin, end in sorted(times):
        left = area.x(begin)
        right = max(area.x(end), left + TENTHS)
        if before and left - before[1] <= TENTHS:
            before = before[0], max(before[1], right)
            continue
        if before:
            yield before
        before = left, right
    if before:
        yield before


def _open(points: Sequence[Point]) -> str:
    if len(points) == 1:  # a line of no length is not drawn everywhere
        x, y = points[0]
        return f"M{x - TENTHS // 2} {y}h{TENTHS}"
    kept = _without_flats(points)
    return f"M{kept[0][0]} {kept[0][1]}{_steps(kept)}"


def _closed(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    kept = [*_without_flats(upper), *reversed(_without_flats(lower))]
    return f"M{kept[0][0]} {kept[0][1]}{_steps(kept)}z"


def _without_flats(points: Sequence[Point]) -> list[Point]:
    """Without the points in the middle of a level stretch."""
    last = len(points) - 1
    return [
        point
        for at, point in enumerate(points)
        if at in (0, last) or not points[at - 1][1] == point[1] == points[at + 1][1]
    ]


def _steps(points: Sequence[Point]) -> str:
    numbers: list[str] = []
    for (x, y), (to_x, to_y) in pairwise(points):
        numbers += (str(to_x - x), str(to_y - y))
    return "l" + " ".join(numbers).replace(" -", "-") if numbers else ""
