"""Axes whose ticks are numbers that people can read between."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_ROUND = (1.0, 2.0, 2.5, 5.0)
_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86400 * days for days in (1, 2, 7, 14, 28)),
)
# Numbers nearer to each other than this share of their size cannot be told apart on a chart.
_NARROWEST = 1e-9
_SMALLEST_SPAN = 1e-300  # a part of less may be no number any more


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high`` with a tick at every ``step``, both ends included."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> tuple[float, ...]:
        return tuple(self.low + self.step * at for at in range(round((self.high - self.low) / self.step) + 1))

    def place(self, value: float) -> float:
        """Where a value stands: 0 at the low end, 1 at the high end; what is outside stands at the end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def axis(low: float, high: float, intervals: Sequence[int]) -> Axis:
    """The tightest axis around both values that has one of these counts of equal steps.

    Steps are 1, 2, 2.5 or 5 times a power of ten, and every tick is a multiple of them. Of two axes as tight
    the one with more ticks is taken. One interval alone cannot go across zero: two or more must be offered.
    """
    if max(intervals, default=0) < 2:
        raise ValueError(f"an axis has two intervals or more, not {list(intervals)}")
    low, high = _apart(low, high)
    found = (_stepped(low, high, count) for count in intervals)
    return min(
        (one for one in found if one),
        key=lambda one: (round((one.high - one.low) / (high - low), 6), one.step),
    )


def time_ticks(begin_seconds: float, end_seconds: float, most: int) -> tuple[float, ...]:
    """Elapsed seconds since the begin, at most ``most`` of them, in steps that clocks are read in."""
    span = end_seconds - begin_seconds
    if span < 1:
        return axis(0.0, max(span, 1e-3), (2,)).ticks[:2]
    step = float(next((step for step in _TIME_STEPS if span / step < most), 0))
    if not step:
        week = _TIME_STEPS[-1]
        step = float(week * math.ceil(span / week / max(1, most - 1)))
    return tuple(step * at for at in range(int(span / step) + 1))


def _apart(low: float, high: float) -> tuple[float, float]:
    """The two values, or some room around them when they are one."""
    size = max(abs(low), abs(high))
    if high - low > max(size * _NARROWEST, _SMALLEST_SPAN):
        return low, high
    room = max(size * 0.1, 1.0)
    return (max(0.0, low - room) if low >= 0 else low - room), high + room


def _stepped(low: float, high: float, count: int) -> Axis | None:
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    for scale in (power, power * 10, power * 100):
        for digit in _ROUND:
            step = digit * scale
            if step < raw * (1 - _NARROWEST):
                continue
            start = math.floor(low / step + _NARROWEST) * step
            if start + count * step >= high - step * _NARROWEST:
                return Axis(start, start + count * step, step)
    return None
