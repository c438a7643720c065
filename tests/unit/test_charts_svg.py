"""SVG charts: whole by themselves, true to the samples, harmless whatever the names are."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_charts import CHART_CSS, GPU_MAIN, Chart, Limit, Recording, Series, Span, reduced, svg_chart
from lab.telemetry import SAMPLE, burn_in

DAY = 86400
SVG = "{http://www.w3.org/2000/svg}"
GONE: Mapping[str, float | None] = dict.fromkeys(SAMPLE)
HOSTILE = "</title><script>alert(1)</script>\" onload='x' \x00\x1b[2J\u202e&#x41;]]>"


def recorded(
    seconds: int, changed: Mapping[int, Mapping[str, float | None]] | None = None
) -> tuple[Series, ...]:
    recording = Recording(GPU_MAIN)
    for second, values in burn_in(seconds):
        recording.add("GPU 0", second, {**values, **(changed or {}).get(second, {})})
    return recording.series("GPU 0")


def one(values: list[float | None]) -> Chart:
    return Chart("GPU 0", (Series("power", "W", "green", reduced(list(enumerate(values)))),))


def drawn(chart: Chart, width: int = 900, panel_height: int = 110) -> ET.Element:
    return ET.fromstring(svg_chart(chart, name="chart", width=width, panel_height=panel_height))


def paths(root: ET.Element, css_class: str) -> list[str]:
    return [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("class") == css_class]


def points(data: str) -> list[list[tuple[int, int]]]:
    """The runs of a path of ours, as places in tenths of a pixel."""
    found = []
    for run in filter(None, data.rstrip("z").split("M")):
        start, _, steps = re.sub(r"h(\d+)", r"l\1 0", run).partition("l")
        x, y = map(int, start.split())
        places = [(x, y)]
        numbers = [int(word) for word in re.findall(r"-?\d+", steps)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            places.append((x, y))
        found.append(places)
    return found


def texts(root: ET.Element) -> str:
    return "\n".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


def test_a_chart_of_a_gpu_says_what_it_shows() -> None:
    root = drawn(Chart("GPU 0 NVIDIA H100", recorded(600)))

    assert root.get("role") == "img"
    title, desc = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", "GPU 0 NVIDIA H100")
    assert root.get("aria-labelledby") == title.get("id") == "chart-title"
    assert root.get("aria-describedby") == desc.get("id") == "chart-desc"
    assert desc.text is not None
    assert "power: 71 to 702 W, mean 654, last 71." in desc.text
    told = texts(root)
    assert "temperature (°C)" in told
    assert "max 702" in told
    assert re.search(r"^4m$", told, re.MULTILINE)
    for colour in ("red", "blue", "green", "yellow"):
        assert any(len(data) > 20 for data in paths(root, f"{colour} line"))


def test_it_needs_nothing_from_outside() -> None:
    text = svg_chart(Chart("GPU 0", recorded(600)), name="chart")

    assert "style" not in text
    assert "href" not in text
    assert "url(" not in text
    assert "script" not in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_the_line_goes_through_the_samples() -> None:
    root = drawn(one([0, 100, 50, 50, 100]), width=94 + 14 + 400, panel_height=100)

    _, line = paths(root, "green line")
    assert points(line) == [[(0, 1000), (1000, 0), (2000, 500), (3000, 500), (4000, 0)]]


def test_a_spike_of_one_second_in_a_day_reaches_its_height_and_is_ringed() -> None:
    root = drawn(Chart("GPU 0", recorded(DAY, {45_000: {"power_watts": 990.0}})), panel_height=100)

    (band,) = paths(root, "green band")
    top = min(y for run in points(band) for _, y in run)
    at = next(x for run in points(band) for x, y in run if y == top)
    assert top == 10  # 990 of 1000 W, on 100 pixels in tenths
    assert at == pytest.approx(7920 * 45_000 / DAY, abs=10)
    ring = next(circle for circle in root.iter(f"{SVG}circle") if circle.get("class") == "green line")
    assert float(ring.get("cx", "0")) == pytest.approx(at / 10, abs=1)
    assert "".join(ring.itertext()) == "power: highest, 990 W at 12h30m"


def test_a_chart_can_show_a_part_of_the_time_only() -> None:
    values: list[float | None] = [71.0] * 100
    root = drawn(Chart("GPU 0", one(values).series, begin_seconds=40, end_seconds=60))

    _, line = paths(root, "green line")
    assert points(line) == [[(0, points(line)[0][0][1]), (7920, points(line)[0][0][1])]]
    assert "Over 20 s." in (root[1].text or "")
    before = drawn(Chart("GPU 0", one(values).series, begin_seconds=4000))
    assert len(paths(before, "green line")) == 1  # of the legend


def test_noise_has_no_ring() -> None:
    root = drawn(one([second * 7919 % 1009 for second in range(20_000)]))

    assert not list(root.iter(f"{SVG}circle"))


def test_a_lost_gpu_leaves_a_gap_and_a_bar_below_it() -> None:
    root = drawn(Chart("GPU 0", recorded(600, dict.fromkeys(range(240, 360), GONE))))

    line = next(data for data in paths(root, "green line") if len(data) > 20)
    before, after = points(line)
    width = 7920
    assert before[-1][0] == pytest.approx(width * 239 / 599, abs=1)
    assert after[0][0] == pytest.approx(width * 360 / 599, abs=1)
    (gap, *_) = [path for path in root.iter(f"{SVG}path") if path.get("class") == "gap"]
    left, bar = re.match(r"M(\d+) 0h(\d+)", gap.get("d", "")).groups()  # type: ignore[union-attr]
    assert int(left) == before[-1][0]
    assert int(left) + int(bar) == after[0][0]
    assert "no answer for 2 min" in texts(root)


def test_one_second_without_an_answer_in_a_day_has_a_bar() -> None:
    root = drawn(Chart("GPU 0", recorded(DAY, {40_000: GONE})))

    assert len(paths(root, "gap")) == 4
    line = next(data for data in paths(root, "green line") if len(data) > 20)
    before, alone, after = points(line)
    assert before[-1][0] < alone[0][0] < alone[-1][0] < after[0][0]
    assert alone[-1][0] - alone[0][0] == 10  # what came in that bucket is joined to neither side


def test_values_that_are_all_equal_are_a_level_line_without_a_band() -> None:
    root = drawn(one([690.0] * DAY))

    _, line = paths(root, "green line")
    (run,) = points(line)
    assert len({y for _, y in run}) == 1
    assert paths(root, "green band") == []


def test_one_sample_is_a_short_line() -> None:
    root = drawn(one([690.0]))

    _, line = paths(root, "green line")
    assert points(line)[0][1][0] - points(line)[0][0][0] == 10


@pytest.mark.parametrize("values", [[], [None, None]], ids=["none taken", "none answered"])
def test_no_samples_says_so(values: list[float | None]) -> None:
    root = drawn(one(values))

    assert texts(root).count("no samples") == 2
    assert root[1].text == "Over 1 s. power: no samples."
    assert len(paths(root, "green line")) == 1  # of the legend


def test_phases_throttling_and_faults_are_shaded_and_named() -> None:
    spans = (
        Span(0, 20, "idle"),
        Span(20, 580, "load"),
        *(Span(at, at + 5, "power cap", "throttle") for at in range(100, 200, 20)),
        Span(500, 500, "Xid 79", "fault"),
        Span(9000, 9001, "later", "fault"),
    )
    root = drawn(Chart("GPU 0", recorded(600), spans))

    told = texts(root)
    assert all(name in told for name in ("load", "power cap", "Xid 79"))
    assert "later" not in told
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert "idle, 20 s" in titles
    assert "power cap: 5 times, 25 s in all" in titles
    assert "Xid 79: 1 time, 0 s in all" in titles
    shade, lane = paths(root, "throttle")
    assert shade.count("M") == lane.count("M") == 5
    assert re.match(r"M\d+ 0h10v", paths(root, "fault")[0])  # a moment is a pixel wide
    assert "power cap: 5 times" in (root[1].text or "")


def test_throttling_every_other_second_of_a_day_stays_small() -> None:
    spans = tuple(Span(at, at + 1, "power cap", "throttle") for at in range(0, DAY, 2))
    text = svg_chart(Chart("GPU 0", recorded(DAY)[:1], spans), name="chart")

    assert len(text) < 30_000
    assert "43200 times, 12 h in all" in text


def test_many_kinds_of_faults_stay_few_lanes() -> None:
    spans = tuple(Span(at, at + 1, f"fault {at}", "fault") for at in range(50))
    told = texts(drawn(Chart("GPU 0", recorded(60), spans)))

    assert "other" in told
    assert told.count("fault ") == 9


def test_on_a_phone_the_legend_says_less_and_the_name_in_full_is_told() -> None:
    name = "a name that no telephone shows at once in one line"
    series = Series(name, "W", "green", reduced([(0, 71), (1, 690), (2, None), (3, 690)]))
    root = drawn(Chart("GPU 0", (series, *recorded(60)[:2])), width=340)

    told = texts(root)
    assert re.search(r"last \d+ °C.*…", told)
    assert name not in told
    assert "a name that" in told
    assert name in (root[1].text or "")


def test_a_limit_is_drawn_when_values_come_near_it() -> None:
    limits = (Limit(87, "°C", "slowdown"), Limit(5000, "W", "far away"), Limit(1, "bar", "no panel"))
    told = texts(drawn(Chart("GPU 0", recorded(600), (), limits)))

    assert "slowdown 87 °C" in told
    assert "far away" not in told
    assert "no panel" not in told


def test_hostile_names_stay_text() -> None:
    series = Series(HOSTILE, HOSTILE, "red", reduced([(0, 1), (1, 2)]))
    spans = (Span(0, 1, HOSTILE), Span(0, 1, HOSTILE, "throttle"))
    chart = Chart(HOSTILE, (series,), spans, (Limit(1.5, HOSTILE, HOSTILE),))

    text = svg_chart(chart, name="chart")

    root = ET.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "title", "desc", "text", "tspan", "path", "rect", "g")
    }
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    assert root[0].text == r"""</title><script>alert(1)</script>" onload='x' \x00\x1b[2J\u202e&#x41;]]>"""
    assert "\u202e" not in text


@pytest.mark.parametrize("name", ["", "1", "A", 'x"', "x y"])
def test_a_name_that_is_no_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="small letters, digits and dashes"):
        svg_chart(one([1]), name=name)


@pytest.mark.parametrize(("width", "panel_height"), [(299, 110), (900, 39)])
def test_a_size_in_which_nothing_can_be_read_is_refused(width: int, panel_height: int) -> None:
    with pytest.raises(ValueError, match="300 by 40 pixels or more"):
        drawn(one([1]), width, panel_height)


def test_wrong_spans_limits_and_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="ends after it begins: 5 to 4"):
        Span(5, 4, "load")
    with pytest.raises(ValueError, match="ends after it begins"):
        Span(0, float("nan"), "load")
    with pytest.raises(ValueError, match="one of phase, throttle, fault, not 'pause'"):
        Span(0, 1, "load", "pause")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"a limit is a number, not 1e\+300"):
        Limit(1e300, "W", "cap")
    with pytest.raises(ValueError, match="an axis goes from one number to another, not to nan"):
        Series("power", "W", "green", reduced([]), axis_low=float("nan"))
    with pytest.raises(ValueError, match="from one time in seconds to a later one, not from 5 to 4"):
        Chart("GPU 0", recorded(3), begin_seconds=5, end_seconds=4)
    with pytest.raises(ValueError, match="a limit is a number, not inf"):
        Limit(float("inf"), "W", "cap")
    with pytest.raises(ValueError, match=r"a colour is one of red, blue, .*, not 'pink'"):
        Series("power", "W", "pink", reduced([]))  # type: ignore[arg-type]


def test_every_class_of_a_chart_has_its_colour_in_the_style_sheet() -> None:
    spans = (Span(0, 1, "a"), Span(0, 1, "b", "throttle"), Span(0, 1, "c", "fault"))
    chart = Chart("GPU 0", recorded(600, {300: GONE}), spans, (Limit(87, "°C", "slowdown"),))

    classes = {element.get("class", "") for element in drawn(chart).iter()} - {"", "bee-chart"}

    for name in classes:
        first, *rest = name.split()
        assert re.search(rf"\.{first}\b", CHART_CSS), name
        assert all(f".{word}.{first}" in CHART_CSS for word in rest), name
    variables = set(re.findall(r"var\((--[a-z-]+)\)", CHART_CSS))
    for name in variables:
        assert CHART_CSS.count(f"{name}:") == 2, f"{name} is not set for light and for dark"


@given(
    st.lists(st.none() | st.floats() | st.floats(-1e6, 1e6) | st.just(5.0), max_size=60),
    st.integers(300, 1200),
    st.integers(40, 200),
)
def test_it_is_well_formed_and_inside_its_frame_whatever_comes(
    values: list[float | None], width: int, panel_height: int
) -> None:
    root = drawn(one(values), width=width, panel_height=panel_height)

    legend, *lines = paths(root, "green line")
    assert legend
    for data in (*lines, *paths(root, "green band")):
        for x, y in (place for run in points(data) for place in run):
            assert -5 <= x <= (width - 108) * 10 + 5
            assert 0 <= y <= panel_height * 10
