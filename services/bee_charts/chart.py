"""What a chart shows: quantities over one time axis, what happened meanwhile, and the limits that judge it.

Quantities of one unit share a panel and its scale; panels stand one above the other. So nothing hides behind
something else, every scale is its own, and what happens at one moment is in one column.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from bee_charts.curve import LARGEST, LATEST_SECONDS, Curve
from bee_charts.scale import Axis, axis

Colour = Literal["red", "blue", "green", "yellow", "magenta", "cyan", "grey"]
# phase: a part of the run, with its name. throttle: the clocks were held back. fault: something failed.
SpanKind = Literal["phase", "throttle", "fault"]

_COLOURS, _KINDS = get_args(Colour), get_args(SpanKind)


@dataclass(frozen=True)
class Series:
    """One line. The axis covers at least ``axis_low`` to ``axis_high``, whatever the values are."""

    name: str
    unit: str
    colour: Colour
    curve: Curve
    axis_low: float | None = None
    axis_high: float | None = None

    def __post_init__(self) -> None:
        if self.colour not in _COLOURS:
            raise ValueError(f"a colour is one of {', '.join(_COLOURS)}, not {self.colour!r}")
        for end in (self.axis_low, self.axis_high):
            if end is not None and not _is_value(end):
                raise ValueError(f"an axis goes from one number to another, not to {end}")


@dataclass(frozen=True)
class Span:
    """A time in which something held, in the seconds of the curves."""

    begin_seconds: float
    end_seconds: float
    label: str
    kind: SpanKind = "phase"

    def __post_init__(self) -> None:
        if not -LATEST_SECONDS <= self.begin_seconds <= self.end_seconds <= LATEST_SECONDS:
            raise ValueError(f"a span ends after it begins: {self.begin_seconds} to {self.end_seconds}")
        if self.kind not in _KINDS:
            raise ValueError(f"a span is one of {', '.join(_KINDS)}, not {self.kind!r}")


@dataclass(frozen=True)
class Limit:
    """A line across the panel of its unit. A limit without a panel is not shown."""

    value: float
    unit: str
    label: str

    def __post_init__(self) -> None:
        if not _is_value(self.value):
            raise ValueError(f"a limit is a number, not {self.value}")


@dataclass(frozen=True)
class Chart:
    """``begin_seconds`` is where elapsed time is 0; without it, and without an end, the samples say."""

    title: str
    series: tuple[Series, ...]
    spans: tuple[Span, ...] = ()
    limits: tuple[Limit, ...] = ()
    begin_seconds: float | None = None
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.series:
            raise ValueError("a chart shows one series or more")
        given = [time for time in (self.begin_seconds, self.end_seconds) if time is not None]
        if not all(-LATEST_SECONDS <= time <= LATEST_SECONDS for time in given) or given != sorted(given):
            told = f"{self.begin_seconds} to {self.end_seconds}"
            raise ValueError(f"a chart goes from one time in seconds to a later one, not from {told}")


@dataclass(frozen=True)
class Panel:
    """The series of one unit, and its limits."""

    unit: str
    series: tuple[Series, ...]
    limits: tuple[Limit, ...]

    def axis(self, intervals: tuple[int, ...]) -> Axis | None:
        """None when there is no value to show. A limit is in sight when values come near it."""
        summaries = [one.curve.summary for one in self.series]
        values = [value for known in summaries if known for value in (known.low, known.high)]
        if not values:
            return None
        asked = [value for one in self.series for value in (one.axis_low, one.axis_high) if value is not None]
        low, high = min(*values, *asked), max(*values, *asked)
        near = (high - low) / 2 or abs(high) / 2
        limits = [limit.value for limit in self.limits if low - near <= limit.value <= high + near]
        return axis(min(low, *limits, high), max(high, *limits, low), intervals)


def panels(chart: Chart) -> tuple[Panel, ...]:
    """By unit, in the order in which units come first."""
    units = dict.fromkeys(one.unit for one in chart.series)
    return tuple(
        Panel(
            unit,
            tuple(one for one in chart.series if one.unit == unit),
            tuple(limit for limit in chart.limits if limit.unit == unit),
        )
        for unit in units
    )


def time_range(chart: Chart) -> tuple[float, float]:
    """From when to when the chart goes; at least a second, for one sample has no length."""
    curves = [one.curve for one in chart.series if math.isfinite(one.curve.begin_seconds)]
    begin, end = chart.begin_seconds, chart.end_seconds
    if begin is None:
        begin = min((curve.begin_seconds for curve in curves), default=0.0)
    if end is None:
        end = max((curve.end_seconds for curve in curves), default=begin)
    return begin, max(end, begin + 1.0)


def active_spans(curve: Curve, label: str, kind: SpanKind = "throttle") -> Iterator[Span]:
    """The times in which a quantity that is 0 or 1 was 1 at some moment: a reason for throttling, say.

    A day of them stays bounded, for it comes from a curve. A span ends with the first sample that is 0 again,
    or when values stop.
    """
    since: float | None = None
    before = curve.begin_seconds
    for bucket in curve.buckets:
        if since is not None and (bucket.after_gap or bucket.first <= 0):
            yield Span(since, before if bucket.after_gap else bucket.start_seconds, label, kind)
            since = None
        if bucket.high > 0 and since is None:
            since = bucket.high_seconds if bucket.first <= 0 else bucket.start_seconds
        if since is not None and bucket.last <= 0:
            yield Span(since, bucket.end_seconds, label, kind)
            since = None
        before = bucket.end_seconds
    if since is not None:
        yield Span(since, before, label, kind)


def in_sight(spans: Iterable[Span], begin: float, end: float) -> list[Span]:
    """The spans that touch these times, cut to them, in order of their begin."""
    found = [
        Span(max(begin, span.begin_seconds), min(end, span.end_seconds), span.label, span.kind)
        for span in spans
        if span.end_seconds >= begin and span.begin_seconds <= end
    ]
    return sorted(found, key=lambda span: (span.begin_seconds, span.end_seconds))


def _is_value(value: float) -> bool:
    return -LARGEST <= value <= LARGEST
