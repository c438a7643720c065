"""The series of a run's charts: no peak is lost, and a gap stays one."""

import math

from bee_charts import Reducer, reduced
from bee_web.charts import points


def test_few_samples_are_what_they_are() -> None:
    curve = reduced([(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)])
    assert list(points(curve)) == [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]


def test_a_gap_is_null_and_never_zero() -> None:
    curve = reduced([(0.0, 1.0), (1.0, None), (2.0, 2.0), (3.0, 2.5), (20.0, 3.0)])
    assert list(points(curve)) == [
        (0.0, 1.0),
        (1.0, None),
        (2.0, 2.0),
        (3.0, 2.5),
        (11.5, None),
        (20.0, 3.0),
    ]


def test_a_day_has_few_points_and_every_peak() -> None:
    reducer = Reducer()
    for second in range(86400):
        reducer.add(second, 99.0 if second == 40_000 else 5.0 if second == 70_000 else 50.0)
    found = list(points(reducer.curve(), buckets=300))
    assert len(found) <= 602
    assert (40_000.0, 99.0) in found
    assert (70_000.0, 5.0) in found
    times = [seconds for seconds, _ in found]
    assert times == sorted(times)


def test_a_gap_within_what_became_one_is_still_there() -> None:
    reducer, level = Reducer(), Reducer()
    for second in range(3600):
        if not 1800 <= second < 1830:
            reducer.add(second, float(second % 7))
            level.add(second, 40.0)
    for kept in (reducer, level):
        found = list(points(kept.curve(), buckets=20))
        (at,) = [seconds for seconds, value in found if value is None]
        assert 1600 <= at <= 2000
        times = [seconds for seconds, _ in found]
        assert times == sorted(set(times)), "each time is there once"


def test_nothing_measured_is_no_point() -> None:
    assert list(points(reduced([]))) == []
    assert list(points(reduced([(0.0, None), (1.0, math.nan)]))) == []
