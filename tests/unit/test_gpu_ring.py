"""The history of one GPU: bounded, an hour at least, and no number that was not read."""

from itertools import pairwise

import pytest

from bee_bus.documents.gpu import GpuSample
from bee_gpu.ring import FIELDS, Ring


def sample(seconds: float, **values: int | float | None) -> GpuSample:
    return GpuSample(unix_seconds=seconds, **values)  # type: ignore[arg-type]


def test_what_was_sampled_comes_back_with_its_kind() -> None:
    ring = Ring()
    ring.add(sample(100.5, temperature_celsius=41, power_instant_watts=68.965), 1)
    fields = ("temperature_celsius", "power_instant_watts", "memory_temperature_celsius")
    (row,) = ring.copy().since(0, fields)
    assert row == (100_500_000, 41, 68.965, None)
    assert [type(value) for value in row] == [int, int, float, type(None)]


def test_zero_is_not_absent() -> None:
    ring = Ring()
    ring.add(sample(1, utilization_gpu_percent=0), 1)
    assert ring.copy().since(0, ("utilization_gpu_percent", "clock_sm_mhz")) == [(1_000_000, 0, None)]


@pytest.mark.parametrize("interval", [0.1, 0.2, 0.5, 0.7, 1, 1.3])
def test_an_hour_is_kept_at_every_pace(interval: float) -> None:
    ring = Ring()
    ticks = int(2 * 3600 / interval)
    for tick in range(ticks):
        ring.add(sample(1000 + tick * interval), interval)
    rows = ring.copy().since(0, ())
    covered = (rows[-1][0] or 0) - (rows[0][0] or 0)
    assert covered >= 3600e6
    gaps = {(after[0] or 0) - (before[0] or 0) for before, after in pairwise(rows)}
    assert max(gaps) <= max(1.3e6, interval * 1e6)


def test_it_does_not_grow() -> None:
    ring = Ring(capacity=10)
    for second in range(1000):
        ring.add(sample(float(second), pcie_replays=second), 1)
    assert len(ring) == 10
    rows = ring.copy().since(0, ("pcie_replays",))
    assert [row[1] for row in rows] == list(range(990, 1000))


def test_since_is_where_it_begins() -> None:
    ring = Ring()
    for second in range(10):
        ring.add(sample(float(second)), 1)
    assert [row[0] for row in ring.copy().since(7.5, ())] == [8_000_000, 9_000_000]
    assert ring.copy().since(100, ()) == []


def test_a_clock_that_is_set_back_does_not_stop_the_history() -> None:
    ring = Ring()
    ring.add(sample(1000), 1)
    assert ring.add(sample(10), 1)
    assert len(ring) == 2


def test_the_rise_of_a_counter() -> None:
    ring = Ring()
    for second, count in enumerate((5, 5, 9, 12)):
        ring.add(sample(float(second), pcie_replays=count), 1)
    rise = ring.rise("pcie_replays", 0)
    assert rise is not None
    assert (rise.amount, rise.seconds) == (7, 3)
    later = ring.rise("pcie_replays", 2)
    assert later is not None
    assert (later.amount, later.seconds) == (3, 1)


def test_a_counter_that_begins_anew_has_not_fallen() -> None:
    ring = Ring()
    for second, count in enumerate((100, 103, 0, 2)):
        ring.add(sample(float(second), pcie_replays=count), 1)
    rise = ring.rise("pcie_replays", 0)
    assert rise is not None
    assert rise.amount == 5


def test_what_was_never_read_has_no_rise() -> None:
    ring = Ring()
    assert ring.rise("pcie_replays", 0) is None
    ring.add(sample(1), 1)
    ring.add(sample(2), 1)
    assert ring.rise("pcie_replays", 0) is None


def test_every_number_of_a_sample_is_a_field() -> None:
    assert set(FIELDS) == set(GpuSample.__struct_fields__) - {"unix_seconds", "problems"}
