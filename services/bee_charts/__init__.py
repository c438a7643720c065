"""Charts: samples in, SVG, a page or terminal text out. Pure functions that know nothing of bee.

Samples go into a `Reducer` (or a `Recording` of several) and come out as a `Curve` in a `Series`. A `Chart`
of series is shown by `terminal_chart` and `svg_chart`; a `Report` of charts by `terminal_report` and
`html_page`. Absent values are gaps, never zero, and no peak is lost however long the time.
"""

from bee_charts.chart import Chart, Colour, Limit, Series, Span, SpanKind, active_spans
from bee_charts.colours import CHART_CSS
from bee_charts.curve import Curve, Summary
from bee_charts.page import html_page
from bee_charts.quantities import GPU_ALL, GPU_MAIN, Quantity, Recording
from bee_charts.reducer import Reducer, reduced
from bee_charts.report import Report, Section, terminal_report
from bee_charts.svg import svg_chart
from bee_charts.terminal import terminal_chart
from bee_charts.terminal_text import STYLES, Colours, Row, Run, Style, to_text

__all__ = [
    "CHART_CSS",
    "GPU_ALL",
    "GPU_MAIN",
    "STYLES",
    "Chart",
    "Colour",
    "Colours",
    "Curve",
    "Limit",
    "Quantity",
    "Recording",
    "Reducer",
    "Report",
    "Row",
    "Run",
    "Section",
    "Series",
    "Span",
    "SpanKind",
    "Style",
    "Summary",
    "active_spans",
    "html_page",
    "reduced",
    "svg_chart",
    "terminal_chart",
    "terminal_report",
    "to_text",
]
