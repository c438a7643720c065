"""The last samples of one GPU: a ring of numbers, as large as it will ever be from its first sample on."""

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import get_args, get_type_hints

import msgspec

from bee_bus.documents.gpu import GpuSample

# One sample a second is kept, however often is sampled; in the worst spacing that makes an hour.
KEEP_SECONDS = 1.0
CAPACITY = 7200

_TIME, *_NUMBERS, _PROBLEMS = GpuSample.__struct_fields__
assert (_TIME, _PROBLEMS) == ("unix_seconds", "problems")
FIELDS: tuple[str, ...] = tuple(_NUMBERS)
_WHOLE = {name for name, kind in get_type_hints(GpuSample).items() if int in get_args(kind)}
_WIDTH = 1 + len(FIELDS)
_ABSENT = math.nan


class Ring:
    """Rows of a time and one number for each of FIELDS."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._numbers = array("d")
        self._next = 0  # where the next row goes
        self._count = 0
        self._last_seconds = -math.inf

    def __len__(self) -> int:
        return self._count

    def add(self, sample: GpuSample, interval_seconds: float) -> bool:
        """Keep the sample, unless one of less than a second before is kept. Whether it was."""
        age = sample.unix_seconds - self._last_seconds
        if 0 <= age < KEEP_SECONDS - min(interval_seconds, KEEP_SECONDS) / 2:
            return False
        if not self._numbers:
            self._numbers = array("d", bytes(8 * _WIDTH * self._capacity))
        values = msgspec.structs.astuple(sample)[:_WIDTH]
        at = self._next * _WIDTH
        self._numbers[at : at + _WIDTH] = array(
            "d", [_ABSENT if value is None else value for value in values]
        )
        self._next = (self._next + 1) % self._capacity
        self._count = min(self._count + 1, self._capacity)
        self._last_seconds = sample.unix_seconds
        return True

    def copy(self) -> "Rows":
        """What is kept now, to be worked on in another thread."""
        return Rows(self._numbers[:], self._next, self._count, self._capacity)

    def rise(self, field: str, since_unix_seconds: float) -> "Rise | None":
        """How much a counter has grown since then; None when nothing shows it.

        A counter that falls has begun anew: the driver was loaded again, or the GPU was reset.
        """
        column = 1 + FIELDS.index(field)
        before: float | None = None
        risen, first, last = 0.0, 0.0, 0.0
        for row in self._newest_first():
            at = row * _WIDTH
            seconds, value = self._numbers[at], self._numbers[at + column]
            if seconds < since_unix_seconds:
                break
            if value != value:
                continue
            if before is None:
                last = seconds
            elif value <= before:
                risen += before - value
            else:
                risen += before
            before, first = value, seconds
        return None if before is None or last <= first else Rise(risen, last - first)

    def _newest_first(self) -> Iterator[int]:
        end = self._next + self._capacity
        return (row % self._capacity for row in range(end - 1, end - 1 - self._count, -1))


class Rise(msgspec.Struct, frozen=True):
    amount: float
    seconds: float


class Rows(msgspec.Struct, frozen=True):
    _numbers: "array[float]"
    _next: int
    _count: int
    _capacity: int

    def since(self, unix_seconds: float, fields: Sequence[str]) -> list[tuple[float | int | None, ...]]:
        """The rows from then on, oldest first: microseconds since 1970, then the fields."""
        columns = [(1 + FIELDS.index(name), name in _WHOLE) for name in fields]
        found = []
        start = self._next - self._count
        for row in range(start, self._next):
            at = row % self._capacity * _WIDTH
            seconds = self._numbers[at]
            if seconds < unix_seconds:
                continue
            values = [
                None if (value := self._numbers[at + column]) != value else int(value) if whole else value
                for column, whole in columns
            ]
            found.append((round(seconds * 1e6), *values))
        return found
