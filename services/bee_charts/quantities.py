"""What is drawn of a GPU, in the same words and colours wherever it is drawn, and a recording of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bee_charts.chart import Colour, Series
from bee_charts.reducer import BUCKETS, Reducer


@dataclass(frozen=True)
class Quantity:
    """``key`` names it in recordings; values are in ``unit``. The axis goes at least from low to high."""

    key: str
    name: str
    unit: str
    colour: Colour
    axis_low: float | None = None
    axis_high: float | None = None


# The four of every chart of a GPU. Clocks that were held back differ by a few hundred MHz, which an
# axis from zero would not show.
GPU_MAIN: tuple[Quantity, ...] = (
    Quantity("temperature_celsius", "temperature", "°C", "red", 30, 90),
    Quantity("utilization_gpu_percent", "utilisation", "%", "blue", 0, 100),
    Quantity("power_watts", "power", "W", "green", 0),
    Quantity("clock_sm_mhz", "SM clock", "MHz", "yellow", 1000),
)
GPU_ALL: tuple[Quantity, ...] = (
    *GPU_MAIN,
    Quantity("memory_temperature_celsius", "memory temperature", "°C", "magenta", 30, 90),
    Quantity("utilization_memory_percent", "memory bandwidth used", "%", "cyan", 0, 100),
    Quantity("clock_memory_mhz", "memory clock", "MHz", "grey", 1000),
    Quantity("memory_used_gib", "memory used", "GiB", "cyan", 0),
)


class Recording:
    """The quantities of several things over one time, in bounded memory: the GPUs of a run.

    ``buckets`` are kept for each quantity of each part; ``window_seconds`` as for a Reducer.
    """

    def __init__(
        self,
        quantities: Sequence[Quantity] = GPU_ALL,
        *,
        buckets: int = BUCKETS,
        window_seconds: float = math.inf,
    ) -> None:
        self._quantities = tuple(quantities)
        self._buckets = buckets
        self._window_seconds = window_seconds
        self._reducers: dict[str, list[Reducer]] = {}

    @property
    def parts(self) -> tuple[str, ...]:
        """In the order in which they came."""
        return tuple(self._reducers)

    def add(self, part: str, seconds: float, values: Mapping[str, float | None]) -> None:
        """One moment of one part. What is not among the values is absent; no values: it did not answer."""
        reducers = self._reducers.get(part)
        if reducers is None:
            reducers = self._reducers[part] = [
                Reducer(buckets=self._buckets, window_seconds=self._window_seconds) for _ in self._quantities
            ]
        for quantity, reducer in zip(self._quantities, reducers, strict=True):
            reducer.add(seconds, values.get(quantity.key))

    def series(self, part: str, quantities: Sequence[Quantity] | None = None) -> tuple[Series, ...]:
        """The lines of one part, all or some. Raises ValueError for a part that there is none of."""
        if part not in self._reducers:
            raise ValueError(
                f"nothing was recorded of {part!r}; recorded: {', '.join(self.parts) or 'nothing'}"
            )
        return tuple(
            Series(q.name, q.unit, q.colour, reducer.curve(), q.axis_low, q.axis_high)
            for q, reducer in zip(self._quantities, self._reducers[part], strict=True)
            if quantities is None or q in quantities
        )
