"""The colours of charts in pages: as attributes for pictures that stand alone, as a style sheet for pages."""

from collections.abc import Mapping
from typing import Any

from bee_charts.chart import Colour, SpanKind

# Readable on white.
LINES: Mapping[Colour, str] = {
    "red": "#c62828",
    "blue": "#1565c0",
    "green": "#2e7d32",
    "yellow": "#946c00",
    "magenta": "#8e24aa",
    "cyan": "#00758a",
    "grey": "#5f6b76",
}
SPANS: Mapping[SpanKind, str] = {"phase": "#90a4ae", "throttle": "#ef8a17", "fault": "#d32f2f"}
INK, FAINT, GRID, LIMIT = "#1f2933", "#5f6b76", "#d5dbe1", "#b0005a"

_LIGHT: Mapping[str, str] = {
    "ink": INK,
    "faint": FAINT,
    "grid": GRID,
    "limit": LIMIT,
    "paper": "#ffffff",
}
_DARK: Mapping[str, str] = {
    "red": "#ff7b72",
    "blue": "#6cb6ff",
    "green": "#6bd58b",
    "yellow": "#e8c252",
    "magenta": "#d8a0ff",
    "cyan": "#5fd3e0",
    "grey": "#a7b3bf",
    "phase": "#78909c",
    "throttle": "#ffa640",
    "fault": "#ff6b6b",
    "ink": "#e6ebf0",
    "faint": "#9aa7b3",
    "grid": "#36404a",
    "limit": "#ff7ab8",
    "paper": "#12171c",
}


def _variables(*tables: Mapping[Any, str]) -> str:
    return "".join(f"--bee-{name}:{colour};" for table in tables for name, colour in table.items())


def _lines() -> str:
    return "".join(
        f".bee-chart .line.{name}{{stroke:var(--bee-{name})}}"
        f".bee-chart .band.{name}{{fill:var(--bee-{name});stroke:var(--bee-{name})}}"
        for name in LINES
    )


def _spans() -> str:
    return "".join(f".bee-chart .{kind}{{fill:var(--bee-{kind})}}" for kind in SPANS)


# For a page that shows charts, beside its own. Paper is always white, whatever the screen is.
CHART_CSS = (
    f":root{{color-scheme:light dark;{_variables(LINES, SPANS, _LIGHT)}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(_DARK)}}}}}"
    ".bee-chart{max-width:100%;height:auto}"
    ".bee-chart .ink,.bee-chart .gap{fill:var(--bee-ink)}"
    ".bee-chart .faint{fill:var(--bee-faint)}"
    ".bee-chart .grid{stroke:var(--bee-grid)}"
    ".bee-chart .axis{stroke:var(--bee-faint)}"
    ".bee-chart .limit{stroke:var(--bee-limit)}"
    ".bee-chart .limit-text{fill:var(--bee-limit)}"
    ".bee-chart .border{stroke:var(--bee-phase)}"
    f"{_lines()}{_spans()}"
)
