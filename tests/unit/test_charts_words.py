"""Numbers, durations and axes that people read at a glance."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bee_charts.scale import Axis, axis, time_ticks
from bee_charts.words import cut, duration, elapsed, number, on_axis, seen, with_unit


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.004, "0.004"),
        (0.25, "0.25"),
        (7.5, "7.5"),
        (9.999, "10"),
        (71.44, "71.4"),
        (99.96, "100"),
        (705.4, "705"),
        (1980, "1980"),
        (-12, "-12"),
        (999_400, "999400"),
        (999_600, "1M"),
        (1_250_000, "1.25M"),
        (3.2e13, "32T"),
        (1e18, "1000P"),
    ],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_unit_stands_after_a_space_and_none_after_nothing() -> None:
    assert with_unit(705, "W") == "705 W"
    assert with_unit(3, "") == "3"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (45, "45 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (7500, "2 h 5 min"),
        (3605, "1 h 5 s"),
        (97_200, "1 d 3 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0"), (0.5, "0.5s"), (90, "1m30s"), (7200, "2h"), (108_000, "1d6h"), (-60, "-1m")],
)
def test_elapsed_times_of_an_axis(seconds: float, shown: str) -> None:
    assert elapsed(seconds) == shown


def test_ticks_have_the_decimals_that_tell_them_apart() -> None:
    assert [on_axis(tick, 0.25) for tick in (0, 0.25, 0.5)] == ["0.00", "0.25", "0.50"]
    assert [on_axis(tick, 2.5) for tick in (-2.5, -0.0, 2.5)] == ["-2.5", "0.0", "2.5"]
    assert on_axis(1980, 20) == "1980"
    assert on_axis(4e6, 2e6) == "4M"


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (71, 705, (0, 250, 500, 750)),
        (0, 100, (0, 25, 50, 75, 100)),
        (31, 74, (25, 50, 75)),
        (-3, 3, (-4, -2, 0, 2, 4)),
    ],
)
def test_axes_have_round_ticks(low: float, high: float, wanted: tuple[float, ...]) -> None:
    assert axis(low, high, (2, 3, 4)).ticks == wanted


def test_an_axis_around_one_value_has_room_on_both_sides() -> None:
    one = axis(690, 690, (2, 3, 4))
    assert one.low < 690 < one.high
    assert axis(0, 0, (2,)).low == 0  # a quantity that is never negative gets no negative ticks


def test_one_interval_cannot_go_across_zero() -> None:
    with pytest.raises(ValueError, match="two intervals or more"):
        axis(-1, 1, (1,))


@example(0.0, 5e-324)
@given(st.floats(-1e18, 1e18), st.floats(-1e18, 1e18))
def test_every_axis_covers_its_values(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = axis(low, high, (1, 2, 3, 5))
    slack = (found.high - found.low) * 1e-6
    assert found.low <= low + slack
    assert found.high >= high - slack
    assert 2 <= len(found.ticks) <= 6
    assert all(math.isfinite(tick) for tick in found.ticks)
    assert 0 <= found.place(low) <= found.place(high) <= 1


def test_what_is_outside_an_axis_stands_at_its_end() -> None:
    known = Axis(0, 100, 50)
    assert (known.place(-5), known.place(25), known.place(500)) == (0, 0.25, 1)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (1, ("0", "1s")),
        (9, ("0", "2s", "4s", "6s", "8s")),
        (600, ("0", "2m", "4m", "6m", "8m", "10m")),
        (86_400, ("0", "6h", "12h", "18h", "1d")),
        (40 * 86_400, ("0", "7d", "14d", "21d", "28d", "35d")),
    ],
)
def test_time_ticks_are_those_of_a_clock(seconds: float, wanted: tuple[str, ...]) -> None:
    assert tuple(map(elapsed, time_ticks(1000, 1000 + seconds, 6))) == wanted


@given(st.floats(0.001, 1e12), st.integers(2, 20))
def test_there_are_never_too_many_time_ticks(seconds: float, most: int) -> None:
    ticks = time_ticks(0, seconds, most)
    assert 1 <= len(ticks) <= most
    assert ticks[0] == 0
    assert ticks[-1] <= seconds * (1 + 1e-9)


def test_names_show_what_cannot_be_seen() -> None:
    assert seen("NVIDIA H100 80GB HBM3") == "NVIDIA H100 80GB HBM3"
    assert seen("Grafikprozessor für °C") == "Grafikprozessor für °C"
    assert seen("a\x00b\ud800c\u202ed\U000e0001") == r"a\x00b\ud800c\u202ed\U000e0001"
    assert seen("x" * 200) == "x" * 117 + "..."


def test_text_is_cut_at_columns() -> None:
    assert cut("temperature", 4) == "temp"
    assert cut("显卡 0", 3) == "显"
