"""A chart at the crash cart: 80 columns, 24 rows, and nothing that is not there."""

import re
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_charts import (
    GPU_MAIN,
    STYLES,
    Chart,
    Limit,
    Recording,
    Report,
    Row,
    Section,
    Series,
    Span,
    reduced,
    terminal_chart,
    terminal_report,
    to_text,
)
from bee_charts.words import cells
from lab.telemetry import SAMPLE, burn_in

DAY = 86400
LINE = "╭╮╰╯─│"


def recorded(
    seconds: int = 600, *, changed: Mapping[int, Mapping[str, float | None]] | None = None
) -> Recording:
    recording = Recording()
    for second, values in burn_in(seconds):
        recording.add("GPU 0", second, {**values, **(changed or {}).get(second, {})})
    return recording


def main_chart(recording: Recording, **more: object) -> Chart:
    chart = Chart("GPU 0  NVIDIA H100 80GB HBM3", recording.series("GPU 0", GPU_MAIN))
    return Chart(chart.title, chart.series, **more)  # type: ignore[arg-type]


def one(values: Iterable[float | None], *, name: str = "power", unit: str = "W") -> Chart:
    return Chart("GPU 0", (Series(name, unit, "green", reduced(list(enumerate(values)))),))


def lines_of(rows: Iterable[Row]) -> list[str]:
    return to_text(rows).splitlines()


def plot(rows: Iterable[Row], style: str) -> list[str]:
    """The rows of a chart with all but what has this style left blank; the legend not."""
    return ["".join(text if at == style else " " * len(text) for text, at in row) for row in rows]


def test_four_quantities_of_a_gpu_on_one_screen() -> None:
    rows = terminal_chart(main_chart(recorded()), width=80, height=24)

    lines = lines_of(rows)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["GPU", "0", "NVIDIA", "H100", "80GB", "HBM3", "9", "min", "59", "s"]
    text = "\n".join(lines)
    assert "temperature  last 57 °C  min 31  max 68" in text
    assert "utilisation  last 0 %  min 0  max 100" in text
    assert "power  last 71 W  min 71  max 702" in text
    assert "SM clock  last 1980 MHz  min 1725  max 1980" in text
    assert re.search(r"└┬─+┬─+┬", text)
    assert lines[-1].split() == ["0", "2m", "4m", "6m", "8m"]
    for colour in ("red", "blue", "green", "yellow"):
        assert set("".join(plot(rows, colour))) & set(LINE)


def test_it_looks_like_this() -> None:
    chart = one([10, 10, 10, 40, 40, 40, 40, 20, 20, 20])

    assert lines_of(terminal_chart(chart, width=46, height=8)) == [
        "GPU 0                                      9 s",
        "     power  last 20 W  min 10  max 40",
        "  40┤             ╭─────────────────╮",
        "  30┤             │                 │",
        "  20┤             │                 ╰─────────",
        "  10┤─────────────╯",
        "    └┬─────────────────────┬──────────────────",
        "     0                    5s",
    ]


def test_the_same_without_utf_8() -> None:
    chart = one([10, 10, 10, 40, 40, None, 40, 20, 20, 20], name="température", unit="°C")

    text = to_text(terminal_chart(chart, width=46, height=8), unicode=False)

    assert text.isascii()
    assert "temp?rature  last 20 C" in text
    assert re.search(r"^ +10\|-+'$", text, re.MULTILINE)
    assert "x no answer" in text


def test_a_spike_of_one_second_in_a_day_stands_in_its_column() -> None:
    quiet = main_chart(recorded(DAY))
    spiked = main_chart(recorded(DAY, changed={45_000: {"power_watts": 990.0}}))

    def top_of_power(chart: Chart) -> str:
        rows = plot(terminal_chart(chart), "green")
        legend = next(at for at, row in enumerate(rows) if "power" in row)
        return rows[legend + 1]

    assert "│" not in top_of_power(quiet).strip()
    assert top_of_power(spiked).strip() == "│"
    assert top_of_power(spiked).index("│") == pytest.approx(6 + 74 * 45_000 / DAY, abs=1.5)


def test_a_lost_gpu_leaves_a_gap() -> None:
    gone: Mapping[str, float | None] = dict.fromkeys(SAMPLE)
    rows = terminal_chart(main_chart(recorded(600, changed=dict.fromkeys(range(240, 360), gone))))

    lines = lines_of(rows)
    assert lines[0].endswith("× no answer")
    assert "no answer 2 min" in lines[1]
    axis = next(line for line in lines if "└" in line)
    left = axis.index("└") + 1
    width = 80 - left
    lost = range(left + int(width * 241 / 600) + 1, left + int(width * 359 / 600))
    assert all(axis[column] == "×" for column in lost)
    for colour in ("red", "blue", "green", "yellow"):
        drawn = plot(rows, colour)
        body = [row for row in drawn if row.strip() and not re.search("[a-z]", row)]
        assert body
        assert all(row.ljust(80)[column] == " " for row in body for column in lost)


def test_one_second_without_an_answer_in_a_day_is_marked() -> None:
    gone: Mapping[str, float | None] = dict.fromkeys(SAMPLE)
    rows = terminal_chart(main_chart(recorded(DAY, changed={40_000: gone})))

    lines = lines_of(rows)
    axis = next(line for line in lines if "└" in line)
    assert 1 <= axis.count("×") <= 2
    assert "·" in "".join(plot(rows, "green"))


def test_values_that_are_all_equal_are_one_level_line() -> None:
    rows = terminal_chart(one([690.0] * 60), width=60, height=10)

    drawn = [row for row in plot(rows, "green") if "─" in row]
    assert len(drawn) == 1
    assert set(drawn[0].strip()) == {"─"}


def test_noise_that_is_less_than_half_a_row_is_a_level_line() -> None:
    rows = terminal_chart(main_chart(recorded(DAY)))

    text = "".join(plot(rows, "green"))
    assert text.count("│") < 10


def test_one_sample_is_drawn() -> None:
    rows = terminal_chart(one([690.0]))

    lines = lines_of(rows)
    assert "power  last 690 W  min 690  max 690" in lines[1]
    assert "─" in "".join(plot(rows, "green"))


@pytest.mark.parametrize("values", [[], [None, None, None]], ids=["none taken", "none answered"])
def test_no_samples_says_so(values: list[float | None]) -> None:
    rows = terminal_chart(one(values), width=60, height=8)

    text = "\n".join(lines_of(rows))
    assert "power  no samples" in text
    assert not set("".join(plot(rows, "green"))) & set(LINE)
    assert "┤" not in text


def test_quantities_of_one_unit_share_a_panel_and_have_letters() -> None:
    recording = recorded()
    celsius = [series for series in recording.series("GPU 0") if series.unit == "°C"]

    rows = terminal_chart(Chart("GPU 0", tuple(celsius)), width=80, height=12)

    text = "\n".join(lines_of(rows))
    assert "A temperature  last" in text
    assert "B memory temperature  last" in text
    assert any(row.rstrip().endswith("A") for row in plot(rows, "red"))
    assert any(row.rstrip().endswith("B") for row in plot(rows, "magenta"))


def test_phases_throttling_and_faults_stand_below_the_time() -> None:
    spans = (
        Span(0, 20, "idle"),
        Span(20, 580, "load"),
        Span(300, 420, "power cap", "throttle"),
        Span(500, 500, "Xid 79", "fault"),
        Span(9000, 9001, "later", "fault"),  # out of sight
    )
    rows = terminal_chart(main_chart(recorded(), spans=spans))

    assert len(rows) <= 24
    lines = lines_of(rows)
    xid, cap, phase = lines[-3:]
    assert re.fullmatch(r" *Xid 79 +█", xid)
    assert re.fullmatch(r" *power cap +█{12,15}", cap)
    assert re.search(r"phase │i.?│load$", phase)
    assert "later" not in "".join(lines)


def test_what_has_no_room_below_is_told() -> None:
    spans = tuple(Span(at, at + 1, f"fault {at}", "fault") for at in range(6))
    chart = main_chart(recorded(60), spans=spans)

    few = lines_of(terminal_chart(chart, width=80, height=24))
    none = lines_of(terminal_chart(chart, width=80, height=19))

    assert few[0].endswith("  2 rows left out")
    assert "fault 3" in few[-1]
    assert none[0].endswith("  6 rows left out")
    assert len(none) == 19


def test_a_limit_is_named_and_drawn_behind_the_line() -> None:
    chart = main_chart(recorded(), limits=(Limit(87, "°C", "slowdown"), Limit(5, "bar", "nowhere")))

    rows = terminal_chart(chart)

    text = "\n".join(lines_of(rows))
    assert "slowdown 87" in text
    assert "- - - -" in text
    assert "nowhere" not in text


def test_colours_are_those_of_the_quantities() -> None:
    rows = terminal_chart(main_chart(recorded()))

    plain = to_text(rows)
    sixteen = to_text(rows, colours="16")
    many = to_text(rows, colours="256")
    assert "\x1b" not in plain
    for name, code in (("temperature", 31), ("utilisation", 34), ("power", 32), ("SM clock", 33)):
        assert f"\x1b[1;{code}m{name}\x1b[0m" in sixteen
        assert re.search(rf"\x1b\[38;5;\d+m{name}\x1b\[0m", many)
    for coloured in (sixteen, many):
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()


def test_every_style_has_a_name_in_the_list_for_palettes() -> None:
    spans = (Span(0, 20, "idle"), Span(3, 4, "power cap", "throttle"), Span(5, 6, "Xid 79", "fault"))
    gone: Mapping[str, float | None] = dict.fromkeys(SAMPLE)
    chart = main_chart(recorded(60, changed={30: gone}), spans=spans, limits=(Limit(87, "°C", "slowdown"),))

    styles = {style for row in terminal_chart(chart) for _, style in row}

    assert styles >= {"title", "axis", "mark", "limit", "phase", "throttle", "fault", "red"}
    assert styles - {""} <= set(STYLES)


def test_colours_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="colours are one of none, 16, 256, not '8'"):
        to_text((), colours="8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ({"width": 39}, "a chart needs 40 columns or more; there are 39"),
        ({"height": 18}, "a chart of 4 series needs 19 rows; there are 18"),
    ],
)
def test_a_screen_that_is_too_small_is_told(size: dict[str, int], complaint: str) -> None:
    chart = main_chart(recorded(60))
    with pytest.raises(ValueError, match=complaint):
        terminal_chart(chart, **size)


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one series or more"):
        Chart("GPU 0", ())


def test_hostile_names_move_no_cursor_and_forge_no_line() -> None:
    bad = "\x1b[2J<script>\u202e\nGPU 1\x9b31m"
    chart = Chart(bad, (Series(bad, bad, "red", reduced([(0, 1), (1, 2)])),), (Span(0, 1, bad, "fault"),))

    rows = terminal_chart(chart, width=80, height=24)
    text = to_text(rows)

    assert len(text.splitlines()) == len(rows)
    assert not {char for char in text if not char.isprintable()} - {"\n"}
    assert r"\x1b[2J<script>\u202e\x0aGPU 1\x9b31m" in text
    assert all(sum(cells(run) for run, _ in row) <= 80 for row in rows)


def test_wide_characters_take_two_columns() -> None:
    chart = Chart("显卡" * 60, (Series("温度" * 30, "°C", "red", reduced([(0, 1), (1, 2)])),))

    rows = terminal_chart(chart, width=60, height=10)

    assert all(sum(cells(run) for run, _ in row) <= 60 for row in rows)


def test_a_report_shows_every_part() -> None:
    recording = recorded(60)
    report = Report(
        "nvidia",
        tuple(Section(f"GPU {at}", Chart(f"GPU {at}", recording.series("GPU 0", GPU_MAIN))) for at in (0, 1)),
    )

    text = terminal_report(report)

    assert re.sub(r"\x1b\[[0-9;]*m", "", text).count("SM clock  last") == 2
    assert "\x1b[1;31m" in text
    assert terminal_report(report, colours="none", unicode=False).isascii()


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6) | st.just(5.0), max_size=60),
    st.integers(40, 132),
    st.integers(7, 50),
)
def test_it_fits_whatever_comes(values: list[float | None], width: int, height: int) -> None:
    faults = (Span(at, at, f"fault {at}", "fault") for at in range(12))
    spans = (Span(2, 9, "power cap", "throttle"), Span(0, 30, "load"), *faults)
    known = one(values)
    chart = Chart(known.title, known.series, spans, (Limit(4, "W", "cap"),))

    rows = terminal_chart(chart, width=width, height=height)

    assert len(rows) <= height
    for row in rows:
        assert sum(cells(text) for text, _ in row) <= width
    present = [value for value in values if value is not None]
    drawn = any(set(text) & set(LINE + "·") for row in rows[2:] for text, style in row if style == "green")
    assert drawn == bool(present)
