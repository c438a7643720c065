"""What it costs to keep a day of eight GPUs and to draw it. Figures of one run; `make bench` prints them."""

import sys
import time
from collections.abc import Callable

import pytest

from bee_charts import (
    GPU_ALL,
    GPU_MAIN,
    Chart,
    Recording,
    Report,
    Section,
    html_page,
    svg_chart,
    terminal_chart,
)

DAY = 86400
GPUS = 8


def test_a_day_of_eight_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording(GPU_ALL)
    names = [f"GPU {number}" for number in range(GPUS)]
    keys = [quantity.key for quantity in GPU_ALL]

    def record() -> None:
        for second in range(DAY):
            values = dict.fromkeys(keys, float(second * 7919 % 1009))
            for name in names:
                recording.add(name, second, values)

    def page() -> str:
        return html_page(
            Report("GPU metrics", tuple(Section(name, Chart(name, recording.series(name))) for name in names))
        )

    recorded = took(record)
    drawn = took(page)
    chart = Chart(names[0], recording.series(names[0], GPU_MAIN))
    on_terminal = took(lambda: terminal_chart(chart))
    as_svg = took(lambda: svg_chart(chart, name="chart"))
    samples = DAY * GPUS * len(GPU_ALL)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{samples / 1e6:.1f} million samples recorded in {recorded:.1f} s, "
            f"{recorded / samples * 1e6:.2f} us each; at 1 Hz that is {recorded / DAY:.3%} of one core\n"
            f"the page of all of them: {drawn:.2f} s, {len(page().encode()) / 1e6:.2f} MB\n"
            f"one chart of four series: {on_terminal * 1e3:.1f} ms on a terminal, "
            f"{as_svg * 1e3:.1f} ms as SVG\n"
        )
    assert recorded / DAY < 0.01  # of one core, while the run goes on


def took(work: Callable[[], object]) -> float:
    """CPU seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin
