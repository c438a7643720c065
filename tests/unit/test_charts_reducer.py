"""Samples of hours in bounded memory: what must never be lost, and what must never be made up."""

import math
import random
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_charts import GPU_ALL, Recording, Reducer, active_spans, reduced
from bee_charts.curve import Curve

DAY = 86400


def steady(seconds: int, value: float = 690.0) -> list[tuple[float, float | None]]:
    return [(float(second), value) for second in range(seconds)]


def test_a_spike_of_one_second_in_a_day_is_kept_with_its_time() -> None:
    samples = steady(DAY)
    samples[45_678] = (45_678.0, 990.0)

    curve = reduced(samples, buckets=300)

    known = curve.summary
    assert known is not None
    assert (known.high, known.high_seconds) == (990.0, 45_678.0)
    spiked = [bucket for bucket in curve.buckets if bucket.high == 990.0]
    assert len(spiked) == 1
    assert spiked[0].start_seconds <= 45_678 <= spiked[0].end_seconds


def test_a_dip_of_one_second_is_kept_too() -> None:
    samples = steady(DAY)
    samples[3] = (3.0, 71.0)

    known = reduced(samples).summary

    assert known is not None
    assert (known.low, known.low_seconds) == (71.0, 3.0)


def test_a_day_needs_no_more_buckets_than_were_asked_for() -> None:
    reducer = Reducer(buckets=100)
    for second in range(DAY):
        reducer.add(second, second % 97)
        if second % 1000 == 0:
            assert len(list(reducer.curve().buckets)) <= 100

    curve = reducer.curve()

    assert 50 <= len(list(curve.buckets)) <= 100
    assert sum(bucket.samples for bucket in curve.buckets) == DAY


def test_the_numbers_are_those_of_all_samples() -> None:
    values = [random.Random(7).gauss(690, 6) for _ in range(5000)]

    known = reduced(list(enumerate(values)), buckets=64).summary

    assert known is not None
    assert (known.low, known.high, known.last, known.count) == (min(values), max(values), values[-1], 5000)
    assert known.mean == pytest.approx(sum(values) / 5000)


def test_an_absent_value_is_a_gap_and_not_a_zero() -> None:
    curve = reduced([(0, 50.0), (1, 50.0), (2, None), (3, None), (4, 52.0), (5, 52.0)])

    assert curve.summary is not None
    assert curve.summary.low == 50.0
    assert curve.summary.count == 4
    assert list(curve.gaps) == [(1.0, 4.0)]
    assert (curve.outages, curve.outage_seconds) == (1, 3.0)


def test_a_lost_gpu_is_a_gap_to_the_end() -> None:
    curve = reduced([(0, 50.0), (1, 51.0), *((second, None) for second in range(2, 60))])

    assert list(curve.gaps) == [(1.0, 59.0)]
    assert (curve.outages, curve.outage_seconds) == (1, 58.0)
    assert curve.summary is not None
    assert curve.summary.last == 51.0


def test_a_gpu_that_comes_late_leaves_a_gap_before() -> None:
    curve = reduced([(0, None), (1, None), (2, 50.0)])

    assert list(curve.gaps) == [(0.0, 2.0)]
    assert (curve.outages, curve.outage_seconds) == (1, 2.0)


def test_a_pause_of_the_sampler_is_a_gap() -> None:
    reducer = Reducer(silence_seconds=5)
    reducer.extend([(0, 50.0), (1, 50.0), (61, 50.0), (65, 50.0)])

    assert list(reducer.curve().gaps) == [(1.0, 61.0)]


def test_a_second_without_an_answer_in_a_day_is_still_told() -> None:
    samples = steady(DAY)
    samples[40_000] = (40_000.0, None)

    curve = reduced(samples, buckets=100)

    (gap,) = curve.gaps
    assert gap[0] <= 40_000 <= gap[1]
    assert gap[1] - gap[0] < DAY / 40
    assert curve.outage_seconds == 2.0


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 1e300, 10**400])
def test_what_is_no_reading_is_absent(garbage: float) -> None:
    curve = reduced([(0, 50.0), (1, garbage), (2, 51.0)])

    assert curve.summary is not None
    assert (curve.summary.low, curve.summary.high, curve.summary.count) == (50.0, 51.0, 2)
    assert curve.outages == 1


def test_no_sample_and_no_value_have_no_numbers() -> None:
    nothing, silent = reduced([]), reduced([(0, None), (1, None)])

    assert nothing.summary is None
    assert list(nothing.gaps) == []
    assert math.isnan(nothing.begin_seconds)
    assert silent.summary is None
    assert (silent.begin_seconds, silent.end_seconds, silent.outage_seconds) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ([5.0, 4.0], r"times never go back: 4.0 s after 5.0 s"),
        ([math.nan], "nan is no time in seconds"),
        ([math.inf], "inf is no time in seconds"),
        ([1.7e15], "is no time in seconds"),  # microseconds since 1970
        ([-math.inf], "is no time in seconds"),
    ],
)
def test_a_time_that_cannot_be(times: Sequence[float], complaint: str) -> None:
    reducer = Reducer()
    for seconds in times[:-1]:
        reducer.add(seconds, 1.0)
    with pytest.raises(ValueError, match=complaint):
        reducer.add(times[-1], 1.0)


def test_too_few_buckets_are_refused() -> None:
    with pytest.raises(ValueError, match="4 buckets or more, not 3"):
        Reducer(buckets=3)
    with pytest.raises(ValueError, match="silence_seconds is more than 0"):
        Reducer(silence_seconds=0)
    with pytest.raises(ValueError, match="window_seconds is more than 0"):
        Reducer(window_seconds=-1)


def test_times_far_apart_and_on_both_sides_of_zero_end() -> None:
    """Unix times after elapsed ones, and a look before the load: the width doubles until all fit."""
    curve = reduced(
        [(-1e11, 1.0), (-5.0, 2.0), (0.0, 3.0), (1e-9, 4.0), (60.0, 5.0), (1.7e9, 6.0)], buckets=4
    )

    assert len(list(curve.buckets)) <= 4
    assert curve.summary is not None
    assert (curve.summary.low, curve.summary.high, curve.summary.count) == (1.0, 6.0, 6)


def test_a_window_keeps_the_last_minutes_as_finely_as_they_came() -> None:
    reducer = Reducer(buckets=200, window_seconds=100)
    for second in range(10_000):
        reducer.add(second, 990.0 if second == 5000 else None if second == 9950 else float(second % 50))

    curve = reducer.curve()

    assert curve.summary is not None
    assert curve.summary.high == 49.0  # the spike has left the window
    assert curve.summary.count == 100
    assert (curve.begin_seconds, curve.end_seconds) == (9899.0, 9999.0)
    assert list(curve.gaps) == [(9949.0, 9951.0)]
    assert (curve.outages, curve.outage_seconds) == (1, 2.0)


def test_a_gpu_that_is_lost_for_longer_than_the_window_has_no_values_in_it() -> None:
    reducer = Reducer(window_seconds=60)
    reducer.extend([(0, 50.0), (1, 51.0), *((second, None) for second in range(2, 200))])

    curve = reducer.curve()

    assert curve.summary is None
    assert list(curve.gaps) == [(139.0, 199.0)]
    reducer.add(200, 40.0)
    again = reducer.curve()
    assert again.summary is not None
    assert again.summary.count == 1
    assert list(again.gaps) == [(140.0, 200.0)]


def test_what_was_taken_out_does_not_change_when_more_comes() -> None:
    reducer = Reducer()
    reducer.extend([(0, 1.0), (1, 2.0)])
    before = reducer.curve()
    reducer.add(2, 99.0)

    assert before.summary is not None
    assert before.summary.high == 2.0
    assert before.end_seconds == 1.0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 20),
            st.none() | st.floats() | st.integers(-10, 10).map(float),
        ),
        max_size=120,
    ),
    st.integers(4, 12),
)
def test_whatever_comes_the_extremes_and_gaps_hold(
    steps: list[tuple[float, float | None]], buckets: int
) -> None:
    now, samples = 0.0, []
    for pause, value in steps:
        now += pause
        samples.append((now, value))
    curve = reduced(samples, buckets=buckets)

    values = [
        (at, value)
        for at, value in samples
        if value is not None and math.isfinite(value) and abs(value) <= 1e18
    ]
    kept = list(curve.buckets)
    assert len(kept) <= buckets
    assert (curve.summary is None) == (not values)
    if curve.summary:
        assert curve.summary.low == min(value for _, value in values)
        assert curve.summary.high == max(value for _, value in values)
        assert (curve.summary.high_seconds, curve.summary.high) in values
        assert (curve.summary.low_seconds, curve.summary.low) in values
        assert curve.summary.count == len(values)
        assert curve.summary.last == values[-1][1]
    for before, after in pairwise(kept):
        assert before.end_seconds <= after.start_seconds
    _no_line_across_absent(samples, curve)


def _no_line_across_absent(samples: list[tuple[float, float | None]], curve: Curve) -> None:
    """Every absent sample lies in a gap that is told; times that many samples share can lie on its border."""
    gaps = list(curve.gaps)
    for at, value in samples:
        if value is None and curve.begin_seconds < at < curve.end_seconds:
            assert any(begin <= at <= end for begin, end in gaps)


def test_reasons_for_throttling_come_back_as_spans() -> None:
    flags = [0, 0, 1, 1, 1, 0, 0, 1, None, None, 0, 1, 1]

    spans = list(active_spans(reduced(list(enumerate(flags))), "power cap"))

    assert [(span.begin_seconds, span.end_seconds) for span in spans] == [(2, 5), (7, 7), (11, 12)]
    assert {(span.label, span.kind) for span in spans} == {("power cap", "throttle")}


def test_throttling_that_ends_with_a_bucket_ends_there() -> None:
    flags = [(float(second), float(second < 512)) for second in range(1024)]

    (span,) = active_spans(reduced(flags, buckets=10), "power cap")

    assert (span.begin_seconds, span.end_seconds) == (0, 512)


def test_one_second_of_throttling_in_a_day_is_still_a_span() -> None:
    flags = [(float(second), float(second == 50_000)) for second in range(DAY)]

    (span,) = active_spans(reduced(flags, buckets=100), "hw thermal")

    assert span.begin_seconds == 50_000
    assert span.end_seconds - span.begin_seconds < DAY / 40


def test_a_recording_does_not_grow_once_its_buckets_are_full() -> None:
    """The whole day is in the tests of the page."""
    recording = Recording(GPU_ALL, buckets=300)
    names = [f"GPU {number}" for number in range(2)]
    values = {quantity.key: 1.0 for quantity in GPU_ALL}

    def record(begin: int, end: int) -> None:
        for second in range(begin, end):
            values["power_watts"] = second * 7919 % 700
            for name in names:
                recording.add(name, second, values)

    tracemalloc.start()
    try:
        record(0, 600)
        early, _ = tracemalloc.get_traced_memory()
        record(600, 3000)
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert late < early * 1.2


def test_a_recording_says_what_it_does_not_have() -> None:
    recording = Recording()
    recording.add("GPU 0", 0, {"power_watts": 70.0})

    series = {one.name: one for one in recording.series("GPU 0")}

    assert series["power"].curve.summary is not None
    assert series["temperature"].curve.summary is None
    with pytest.raises(ValueError, match="nothing was recorded of 'GPU 7'; recorded: GPU 0"):
        recording.series("GPU 7")
