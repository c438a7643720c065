"""What a run measured, ready to be shown: as a page, or on a terminal."""

from dataclasses import dataclass

from bee_charts.chart import Chart
from bee_charts.terminal import HEIGHT, WIDTH, terminal_chart
from bee_charts.terminal_text import Colours, to_text


@dataclass(frozen=True)
class Section:
    """One thing and its chart: a GPU, say. ``title`` is short, "GPU 0"; ``facts`` are names and values."""

    title: str
    chart: Chart
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """All parts under one heading, with the facts of the whole."""

    title: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...] = ()


def terminal_report(
    report: Report,
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
    colours: Colours = "16",
    unicode: bool = True,
) -> str:
    """Every chart of the report below each other, each small enough for one screen.

    Raises ValueError when a chart does not fit; see ``terminal_chart``.
    """
    screens = (terminal_chart(section.chart, width=width, height=height) for section in report.sections)
    return "\n".join(to_text(screen, colours=colours, unicode=unicode) for screen in screens)
