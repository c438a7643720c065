"""A quantity over time, reduced: buckets that keep what a line chart needs of the samples in them."""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

# No quantity of a machine is larger. What is larger, or not a number, is no reading.
LARGEST = 1e18
# The year 33658: an elapsed time and a Unix time in seconds are less, one in microseconds is not.
LATEST_SECONDS = 1e12


class Bucket(NamedTuple):
    """Neighbouring samples: their extremes with their times, their first, last, sum and number.

    ``after_gap``: between the bucket before and this one the quantity was absent. ``broken``: between two
    samples of this bucket it was. A line joins no values across either.
    """

    start_seconds: float
    end_seconds: float
    first: float
    last: float
    low: float
    low_seconds: float
    high: float
    high_seconds: float
    total: float
    samples: float
    after_gap: float
    broken: float

    @property
    def mean(self) -> float:
        return self.total / self.samples

    @property
    def middle_seconds(self) -> float:
        return (self.start_seconds + self.end_seconds) / 2


FIELDS = len(Bucket._fields)


def single(seconds: float, value: float, *, after_gap: bool) -> Bucket:
    """A bucket of one sample."""
    return Bucket(seconds, seconds, value, value, value, seconds, value, seconds, value, 1.0, after_gap, 0.0)


def join(a: Bucket, b: Bucket) -> Bucket:
    """Both as one; ``b`` is the later one."""
    return Bucket(
        a.start_seconds,
        b.end_seconds,
        a.first,
        b.last,
        *((a.low, a.low_seconds) if a.low <= b.low else (b.low, b.low_seconds)),
        *((a.high, a.high_seconds) if a.high >= b.high else (b.high, b.high_seconds)),
        a.total + b.total,
        a.samples + b.samples,
        a.after_gap,
        max(a.broken, b.broken, b.after_gap),
    )


def joined(buckets: Iterable[Bucket], place: Callable[[Bucket], int]) -> Iterator[tuple[int, Bucket]]:
    """Neighbours in the same place as one, with their place."""
    kept: Bucket | None = None
    kept_at = 0
    for bucket in buckets:
        at = place(bucket)
        if kept is None:
            kept, kept_at = bucket, at
        elif at == kept_at:
            kept = join(kept, bucket)
        else:
            yield kept_at, kept
            kept, kept_at = bucket, at
    if kept is not None:
        yield kept_at, kept


def unpacked(rows: "array[float]") -> Iterator[Bucket]:
    """The buckets of an array that holds them one after another."""
    for at in range(0, len(rows), FIELDS):
        yield Bucket._make(rows[at : at + FIELDS])


@dataclass(frozen=True)
class Summary:
    """The numbers of a whole curve. The mean is over samples."""

    low: float
    low_seconds: float
    high: float
    high_seconds: float
    mean: float
    last: float
    count: int


@dataclass(frozen=True)
class Curve:
    """What a Reducer has kept; times are those that it was given.

    ``begin_seconds`` and ``end_seconds`` are of the first and last sample, absent ones included; NaN where
    there was none at all.
    ``outages``: how often values stopped coming, and ``outage_seconds`` for how long in all.
    """

    rows: "array[float]"
    begin_seconds: float
    end_seconds: float
    outages: int
    outage_seconds: float

    @property
    def buckets(self) -> Iterator[Bucket]:
        return unpacked(self.rows)

    @cached_property
    def summary(self) -> Summary | None:
        """None when there was no value."""
        if not self.rows:
            return None
        lows, highs = self._column("low"), self._column("high")
        low, high = min(lows), max(highs)
        count = sum(self._column("samples"))
        return Summary(
            low=low,
            low_seconds=self._column("low_seconds")[lows.index(low)],
            high=high,
            high_seconds=self._column("high_seconds")[highs.index(high)],
            mean=min(high, max(low, math.fsum(self._column("total")) / count)),
            last=self._column("last")[-1],
            count=int(count),
        )

    @property
    def gaps(self) -> Iterator[tuple[float, float]]:
        """From when to when there was no value. Of a gap within a bucket only the bucket's times are kept."""
        before = self.begin_seconds
        flagged = any(self._column("after_gap")) or any(self._column("broken"))
        if self.rows and not flagged:
            before = self._column("end_seconds")[-1]
        for bucket in self.buckets if flagged else ():
            if bucket.after_gap and bucket.start_seconds > before:
                yield before, bucket.start_seconds
            if bucket.broken:
                yield bucket.start_seconds, bucket.end_seconds
            before = bucket.end_seconds
        if self.end_seconds > before:
            yield before, self.end_seconds

    def _column(self, name: str) -> "array[float]":
        return self.rows[Bucket._fields.index(name) :: FIELDS]
