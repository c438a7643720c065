"""The page that is handed over with a machine: one file, valid, offline, small, harmless."""

import ast
import re
import sys
import tracemalloc
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import bee_charts
from bee_charts import GPU_ALL, Chart, Recording, Report, Section, Span, html_page, terminal_report
from lab.telemetry import SAMPLE, burn_in

DAY = 86400
HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(1)> \x1b[2J\u202e"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page; every one that is not void must be closed, in order (SVG's ``/>`` closes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def shown(self) -> str:
        return " ".join(" ".join(self.text).split())


def report(seconds: int = 300, gpus: int = 2) -> Report:
    recording = Recording(GPU_ALL)
    for second, values in burn_in(seconds):
        for number in range(gpus):
            gone = number == 1 and 100 <= second < 130
            recording.add(f"GPU {number}", second, {} if gone else values)
    spans = (Span(20, 280, "load"), Span(100, 120, "power cap", "throttle"))
    sections = tuple(
        Section(name, Chart(name, recording.series(name), spans), (("model", "NVIDIA H100 80GB HBM3"),))
        for name in recording.parts
    )
    return Report("GPU metrics of nvidia-20261122", sections, (("machine", "SYS-821GE"), ("verdict", "OK")))


def test_the_page_holds_every_gpu_and_quantity() -> None:
    page = Page(html_page(report()))

    assert page.shown.count("model NVIDIA H100 80GB HBM3") == 2
    assert [one["href"] for one in page.all("a")] == ["#part-0", "#part-1"]
    assert [one["id"] for one in page.all("section")] == ["part-0", "part-1"]
    assert [one["role"] for one in page.all("svg")] == ["img", "img"]
    rows = re.findall(r"(GPU \d) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+) (–|\d+ s)", page.shown)
    assert len(rows) == 2 * len(GPU_ALL)
    assert rows[0] == ("GPU 0", "31", rows[0][2], "68", "57", "300", "–")
    assert rows[1] == ("GPU 1", "31", rows[1][2], "68", "57", "270", "31 s")
    for quantity in GPU_ALL:
        assert f"{quantity.name} ({quantity.unit})" in page.shown


def test_the_page_is_sound_html() -> None:
    text = html_page(report())
    page = Page(text)

    assert text.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')
    assert text.count("<title>GPU metrics of nvidia-20261122</title>") == 1
    for once in ("html", "head", "body", "main", "h1", "table", "caption"):
        assert len(page.all(once)) == 1, once
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    for _, one in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert one.get(name) in (None, *ids)
    assert {one.get("scope") for one in page.all("th")} == {"col", "row", "rowgroup"}
    groups = [int(one["rowspan"]) for one in page.all("th") if "rowspan" in one]
    assert groups == [2] * len(GPU_ALL)


def test_the_page_runs_nothing_and_loads_nothing_and_forbids_both() -> None:
    text = html_page(report())
    page = Page(text)

    policy = next(one for one in page.all("meta") if "http-equiv" in one)
    assert policy["http-equiv"] == "Content-Security-Policy"
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    allowed = {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "div", "p"),
        *(
            "h1",
            "h2",
            "ul",
            "li",
            "a",
            "dl",
            "dt",
            "dd",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        ),
        *("svg", "desc", "g", "path", "rect", "circle", "text", "tspan"),
    }
    assert {name for name, _ in page.elements} <= allowed
    for _, one in page.elements:
        assert not [name for name in one if name.startswith("on") or name in ("src", "style", "xlink:href")]
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}


def test_dark_light_and_paper_are_provided_for() -> None:
    text = html_page(report())

    assert "@media screen and (prefers-color-scheme:dark)" in text
    assert "@media print" in text


def test_hostile_names_stay_text() -> None:
    good = report()
    sections = tuple(
        Section(HOSTILE, Chart(HOSTILE, one.chart.series, one.chart.spans), ((HOSTILE, HOSTILE),))
        for one in good.sections
    )
    text = html_page(Report(HOSTILE, sections, ((HOSTILE, HOSTILE),)))
    page = Page(text)

    assert page.all("script") == []
    assert page.all("img") == []
    assert {name for name, _ in page.elements} == {name for name, _ in Page(html_page(good)).elements}
    assert not {char for char in text if not char.isprintable()} - {"\n"}
    assert r"<img src=x onerror=alert(1)> \x1b[2J\u202e" in page.shown


def test_a_gpu_that_never_answered_is_told() -> None:
    recording = Recording(GPU_ALL)
    for second in range(60):
        recording.add("GPU 0", second, {})
    page = Page(html_page(Report("run", (Section("GPU 0", Chart("GPU 0", recording.series("GPU 0"))),))))

    assert page.shown.count("GPU 0 – – – – no samples 59 s") == len(GPU_ALL)


def test_a_report_of_nothing_says_so() -> None:
    page = Page(html_page(Report("run", ())))

    assert "There is nothing to show: no samples." in page.shown
    assert terminal_report(Report("run", ())) == ""


def day_of(gpus: int) -> Recording:
    """At 1 Hz, with eight quantities that never stand still, and a spike of one second."""
    recording = Recording(GPU_ALL)
    names = [f"GPU {number}" for number in range(gpus)]
    keys = [quantity.key for quantity in GPU_ALL]
    for second in range(DAY):
        values = dict.fromkeys(keys, float(second * 7919 % 1009))
        if second == 45_678:
            values["power_watts"] = 5000.0
        for name in names:
            recording.add(name, second, values)
    return recording


def page_of(recording: Recording) -> str:
    sections = tuple(Section(name, Chart(name, recording.series(name))) for name in recording.parts)
    return html_page(Report("GPU metrics", sections))


def test_a_day_of_eight_gpus_is_a_small_file_with_every_spike() -> None:
    text = page_of(day_of(8))

    assert len(text.encode()) < 2_000_000
    assert text.count("power: highest, 5000 W at 12h41m18s") == 8


def test_a_day_of_one_gpu_takes_an_eighth_of_ten_megabytes_to_record_and_little_more_to_draw() -> None:
    tracemalloc.start()
    try:
        recording = day_of(1)
        _, peak_recording = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        page_of(recording)
        _, peak_drawing = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_recording < 10_000_000 / 8
    assert peak_drawing < 4_000_000


def test_charts_need_only_the_standard_library() -> None:
    folder = Path(bee_charts.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                assert module.partition(".")[0] in {"bee_charts", *sys.stdlib_module_names}, path


def test_the_quantities_are_those_of_a_recorded_gpu() -> None:
    assert {quantity.key for quantity in GPU_ALL} == set(SAMPLE)
