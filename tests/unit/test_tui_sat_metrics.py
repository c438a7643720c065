"""A run's gpu-metrics.csv, as the menu reads it while it grows."""

import pytest

from bee_charts.gpu_csv import GpuMetrics
from bee_sat.packs.gpu_metrics import COLUMNS
from bee_tui.views.charts import ChartBox, ChartLines
from lab.tui_views import shown

GPU_0, GPU_1 = "0000:53:00.0", "0000:64:00.0"
HEADER = (",".join(COLUMNS) + "\n").encode()


def row(second: float, gpu: str = GPU_0, **values: object) -> bytes:
    """A line as org.bee.Sat1 writes it."""
    known: dict[str, object] = {
        "elapsed_seconds": second,
        "gpu": 0 if gpu == GPU_0 else 1,
        "pci_address": gpu,
        "condition": "ok",
        "temperature_celsius": 60,
        "utilization_percent": 99,
        "power_watts": 690.5,
        "sm_clock_mhz": 1755,
        "clock_event_reasons": "0x4",
        **values,
    }
    return (",".join(str(known.get(name, "")) for name in COLUMNS) + "\n").encode()


def test_each_gpu_has_a_chart_of_four_quantities_with_its_last_values() -> None:
    metrics = GpuMetrics()
    assert metrics.feed(HEADER + row(0) + row(0, GPU_1) + row(1, temperature_celsius=61) + row(1, GPU_1))
    first, second = metrics.charts()
    assert (first.title, second.title) == (f"GPU 0  {GPU_0}", f"GPU 1  {GPU_1}")
    last = {one.unit: one.curve.summary.last for one in first.series if one.curve.summary}
    assert last == {"°C": 61, "%": 99, "W": 690.5, "MHz": 1755}


def test_a_file_that_grows_in_any_portions_is_the_same_in_the_end() -> None:
    text = HEADER + b"".join(row(second, power_watts=100 + second) for second in range(20))
    whole, parts = GpuMetrics(), GpuMetrics()
    whole.feed(text)
    for at in range(0, len(text), 7):
        parts.feed(text[at : at + 7])
    assert parts.charts() == whole.charts()


def test_a_quantity_that_a_gpu_does_not_tell_is_absent_and_never_zero() -> None:
    metrics = GpuMetrics()
    metrics.feed(HEADER + row(0, power_watts="") + row(1, power_watts=""))
    (chart,) = metrics.charts()
    power = next(one for one in chart.series if one.unit == "W")
    assert power.curve.summary is None


def test_the_times_in_which_a_gpu_was_held_back_stand_in_its_chart() -> None:
    metrics = GpuMetrics()
    masks = ["0x4", "0x44", "0x44", "0x4", ""]
    metrics.feed(HEADER + b"".join(row(at, clock_event_reasons=mask) for at, mask in enumerate(masks)))
    (chart,) = metrics.charts()
    assert [(one.label, one.begin_seconds, one.end_seconds) for one in chart.spans] == [("hw thermal", 1, 3)]


@pytest.mark.parametrize(
    "damage",
    [
        b"\n",
        b"\x00\xff\xfe\n",
        b"1,2,3\n",
        row(5, elapsed_seconds="later"),
        row(5, elapsed_seconds="nan"),
        row(-5),
        row(5, clock_event_reasons="many"),
        row(5, temperature_celsius="hot"),
        b"x" * 100_000 + b"\n",
    ],
)
def test_a_damaged_line_is_passed_over(damage: bytes) -> None:
    metrics = GpuMetrics()
    metrics.feed(HEADER + row(0) + damage)
    assert metrics.feed(row(9, temperature_celsius=70)), "what comes after it counts"
    (chart,) = metrics.charts()
    summary = chart.series[0].curve.summary
    assert summary is not None and (summary.last, summary.high) == (70, 70)


def test_a_first_line_that_is_damaged_leaves_no_chart_without_values() -> None:
    metrics = GpuMetrics()
    assert not metrics.feed(HEADER + row(5, elapsed_seconds="nan"))
    assert metrics.charts() == ()


def test_a_file_of_another_kind_shows_nothing() -> None:
    metrics = GpuMetrics()
    assert not metrics.feed(b"time,value\n1,2\n")
    assert metrics.charts() == ()


def test_a_hostile_address_moves_no_cursor() -> None:
    metrics = GpuMetrics()
    metrics.feed(HEADER + row(0, "\x1b[2J"))
    assert "\x1b" not in metrics.charts()[0].title


def test_what_does_not_end_is_not_kept() -> None:
    metrics = GpuMetrics()
    metrics.feed(HEADER)
    for _ in range(100):
        metrics.feed(b"x" * 100_000)
    assert len(metrics._rest) <= 200_000


# The chart on the screen.


def chart_box() -> ChartBox:
    metrics = GpuMetrics()
    metrics.feed(HEADER + b"".join(row(at, power_watts=300 + 30 * (at % 5)) for at in range(60)))
    box = ChartBox()
    box.show(metrics.charts()[0])
    return box


def test_a_chart_is_whole_on_the_screen_of_a_console() -> None:
    text = shown(chart_box(), 80, 20)
    assert all(word in text for word in ("temperature", "utilisation", "power", "SM clock", "50s"))
    assert any(char in text for char in "╭╮╰╯")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("size", [(30, 20), (80, 5), (10, 1)])
def test_where_there_is_no_room_for_a_chart_that_is_said(size: tuple[int, int]) -> None:
    assert shown(chart_box(), *size).startswith("The termin"[: size[0]])


def test_a_chart_in_a_list_is_as_wide_as_the_list() -> None:
    metrics = GpuMetrics()
    metrics.feed(HEADER + row(0) + row(1))
    lines = ChartLines(metrics.charts()[0])
    canvas = lines.render((60,))
    assert (canvas.cols(), canvas.rows()) == (60, lines.rows((60,)))
    assert canvas.rows() == 19, "no more than is needed"
