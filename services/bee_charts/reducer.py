"""Samples in, for as long as it takes, and a bounded number of buckets kept.

A bucket keeps the extremes of its samples, so that one second of a day is still seen, and knows whether one
was missing. When there are too many buckets their width doubles and neighbours become one.
"""

import math
from array import array
from collections.abc import Iterable
from dataclasses import replace

from bee_charts.curve import FIELDS, LARGEST, LATEST_SECONDS, Bucket, Curve, joined, single, unpacked

# More than a screen has columns and less than two megabytes for eight GPUs with eight quantities each.
BUCKETS = 1000
# Times below and above zero never share a bucket, so that less than a few can be too few however wide.
BUCKETS_LEAST = 4
# A sampler that comes once a second and has said nothing for so long has left a gap.
SILENCE_SECONDS = 5.0

_NARROWEST_SECONDS = 0.125


class Reducer:
    """One quantity of one thing. ``buckets``: how many to keep at most.

    A pause longer than ``silence_seconds`` between two samples is a gap, as an absent value is. With
    ``window_seconds`` only the last ones are kept, for a chart that moves along.
    """

    __slots__ = (
        "_before",
        "_begin",
        "_buckets",
        "_gap",
        "_now",
        "_open",
        "_outage_seconds",
        "_outages",
        "_rows",
        "_silence",
        "_until",
        "_width",
        "_window",
    )

    def __init__(
        self,
        *,
        buckets: int = BUCKETS,
        silence_seconds: float = SILENCE_SECONDS,
        window_seconds: float = math.inf,
    ) -> None:
        if buckets < BUCKETS_LEAST:
            raise ValueError(f"a reducer keeps {BUCKETS_LEAST} buckets or more, not {buckets}")
        for name, seconds in (("silence_seconds", silence_seconds), ("window_seconds", window_seconds)):
            if not seconds > 0:
                raise ValueError(f"{name} is more than 0, not {seconds}")
        self._buckets = buckets
        self._silence = silence_seconds
        self._window = window_seconds
        self._width = _NARROWEST_SECONDS
        self._rows = array("d")
        self._open: list[float] = []
        self._until = -math.inf  # where the open bucket ends
        self._begin = math.nan
        self._now = -LATEST_SECONDS
        self._gap = False  # a value was absent since the last that was there
        self._outages = 0
        self._outage_seconds = 0.0

    def add(self, seconds: float, value: float | None) -> None:
        """A sample; times never go back. None, NaN and infinities are absent values, never zero.

        Raises ValueError for a time before the last one's, and for one that is no time in seconds.
        """
        before = self._now
        if not before <= seconds <= LATEST_SECONDS:
            raise ValueError(_bad_time(seconds, before))
        self._now = seconds
        if value is None or not -LARGEST <= value <= LARGEST:
            self._gap = True
            if not self._open:
                self._begun(seconds)
            return
        gap = self._gap or seconds - before > self._silence
        if gap:
            self._end_gap(seconds)
        bucket = self._open
        if seconds >= self._until:
            bucket = self._turn(seconds)
            if not bucket:
                bucket += single(seconds, value, after_gap=gap)
                return
        # By number, for this is done for every sample: see the fields of Bucket.
        if gap:
            bucket[11] = 1.0
        bucket[1] = seconds
        bucket[3] = value
        if value < bucket[4]:
            bucket[4] = value
            bucket[5] = seconds
        elif value > bucket[6]:
            bucket[6] = value
            bucket[7] = seconds
        bucket[8] += value
        bucket[9] += 1.0

    def extend(self, samples: Iterable[tuple[float, float | None]]) -> None:
        for seconds, value in samples:
            self.add(seconds, value)

    def curve(self) -> Curve:
        """What is kept so far; more can be added afterwards."""
        rows = self._rows + array("d", self._open)
        if math.isnan(self._begin):
            return Curve(rows, math.nan, math.nan, 0, 0.0)
        if self._window < math.inf:
            return self._last_part(rows)
        outage_seconds = self._outage_seconds
        if self._gap:
            outage_seconds += self._now - (self._open[1] if self._open else self._begin)
        return Curve(rows, self._begin, self._now, self._outages + self._gap, outage_seconds)

    def _last_part(self, rows: "array[float]") -> Curve:
        """What the window shows. How long its gaps were is known as finely as its buckets are."""
        begin = max(self._begin, self._now - self._window)
        shown = Curve(_since(rows, begin), begin, self._now, 0, 0.0)
        gaps = list(shown.gaps)
        return replace(shown, outages=len(gaps), outage_seconds=sum(end - start for start, end in gaps))

    def _begun(self, seconds: float) -> None:
        if math.isnan(self._begin):
            self._begin = seconds

    def _end_gap(self, seconds: float) -> None:
        if self._open or self._gap:  # before the very first sample there is no gap
            self._outages += 1
            self._outage_seconds += seconds - (self._open[1] if self._open else self._begin)
        self._gap = False

    def _turn(self, seconds: float) -> list[float]:
        """The bucket that the time falls in: empty when it begins with it."""
        self._begun(seconds)
        self._rows.extend(self._open)
        self._rows = _since(self._rows, seconds - self._window)
        while len(self._rows) >= self._buckets * FIELDS:
            self._width *= 2
            self._rows = _coarser(self._rows, self._width)
        place = seconds // self._width
        self._until = (place + 1) * self._width
        self._open = []
        if self._rows and self._rows[-FIELDS] // self._width == place:
            self._open = self._rows[-FIELDS:].tolist()
            del self._rows[-FIELDS:]
        return self._open


def reduced(samples: Iterable[tuple[float, float | None]], *, buckets: int = BUCKETS) -> Curve:
    """All samples at once."""
    reducer = Reducer(buckets=buckets)
    reducer.extend(samples)
    return reducer.curve()


def _coarser(rows: "array[float]", width_seconds: float) -> "array[float]":
    found = array("d")

    def place(bucket: Bucket) -> int:
        return int(bucket.start_seconds // width_seconds)

    for _, bucket in joined(unpacked(rows), place):
        found.extend(bucket)
    return found


def _since(rows: "array[float]", seconds: float) -> "array[float]":
    """Without the buckets that ended before."""
    first = 0
    while first < len(rows) and rows[first + 1] < seconds:
        first += FIELDS
    return rows[first:] if first else rows


def _bad_time(seconds: float, before: float) -> str:
    if -LATEST_SECONDS <= seconds < before:
        return f"times never go back: {seconds} s after {before} s"
    return f"{seconds} is no time in seconds"
