"""One HTML file that shows everything a run measured: opened from a stick, mailed, printed. It loads nothing.

A content security policy inside forbids what the page does not have: scripts, and anything from outside.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape

from bee_charts.chart import Series
from bee_charts.colours import CHART_CSS
from bee_charts.report import Report, Section
from bee_charts.svg import svg_chart
from bee_charts.words import duration, number, seen

_PAGE_CSS = (
    "body{margin:0 auto;max-width:920px;padding:16px;background:var(--bee-paper);color:var(--bee-ink);"
    "font:15px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.5em;margin:0 0 .3em}h2{font-size:1.15em;margin:1.8em 0 .4em}"
    "a{color:var(--bee-blue)}nav ul{display:flex;flex-wrap:wrap;gap:.2em 1em;padding:0;list-style:none}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:.5em 0}"
    "dt{color:var(--bee-faint)}dd{margin:0;overflow-wrap:anywhere}"
    ".scroll{overflow-x:auto}.scroll .bee-chart{min-width:640px}table{border-collapse:collapse;min-width:60%}"
    "caption{text-align:left;font-weight:600;padding:.3em 0}"
    "th,td{padding:.15em .7em;text-align:right;border-bottom:1px solid var(--bee-grid);white-space:nowrap}"
    "th{font-weight:600}tbody th{text-align:left;vertical-align:top}tbody th[scope=row]{font-weight:400}"
    "td{font-variant-numeric:tabular-nums}"
    "@media print{.scroll{overflow:visible}body{max-width:none;padding:0;font-size:11px}nav{display:none}"
    "section,tbody{break-inside:avoid}h2{break-after:avoid}svg,path,rect{print-color-adjust:exact}}"
)
_STYLE = CHART_CSS + _PAGE_CSS


def html_page(report: Report) -> str:
    """The whole page. Every text of the report is shown as text, whatever stands in it."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    title = escape(seen(report.title))
    style_hash = b64encode(sha256(_STYLE.encode()).digest()).decode()
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{title}</h1>\n{_facts(report.facts)}</header>\n<main>\n"
    )
    yield from _summary(report.sections)
    if len(report.sections) > 1:
        links = "".join(
            f'<li><a href="#part-{at}">{escape(seen(part.title))}</a></li>'
            for at, part in enumerate(report.sections)
        )
        yield f'<nav aria-label="Charts"><ul>{links}</ul></nav>\n'
    for at, section in enumerate(report.sections):
        yield _section(section, at)
    yield "</main>\n</body>\n</html>\n"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    rows = "".join(f"<dt>{escape(seen(name))}</dt><dd>{escape(seen(value))}</dd>" for name, value in facts)
    return f"<dl>{rows}</dl>\n"


def _section(section: Section, at: int) -> str:
    chart = svg_chart(section.chart, name=f"chart-{at}", heading=False)
    return (
        f'<section id="part-{at}" aria-labelledby="part-{at}-title">\n'
        f'<h2 id="part-{at}-title">{escape(seen(section.title))}</h2>\n'
        f'{_facts(section.facts)}<div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="part-{at}-title">{chart}</div>\n</section>\n'
    )


def _summary(sections: Sequence[Section]) -> Iterator[str]:
    """A table by quantity, so that peers stand below each other."""
    by_quantity: dict[tuple[str, str], list[tuple[Section, Series]]] = {}
    for section in sections:
        for one in section.chart.series:
            by_quantity.setdefault((one.name, one.unit), []).append((section, one))
    if not by_quantity:
        yield "<p>There is nothing to show: no samples.</p>\n"
        return
    columns = ("min", "mean", "max", "last", "samples", "no answer")
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
    yield (
        '<div class="scroll" tabindex="0" role="region" aria-label="Summary">\n<table>\n'
        "<caption>Summary</caption>\n"
        f'<thead><tr><th scope="col">quantity</th><th scope="col">of</th>{heads}</tr></thead>\n'
    )
    for (name, unit), rows in by_quantity.items():
        heading = escape(f"{seen(name)} ({seen(unit)})" if unit else seen(name))
        group = f'<th scope="rowgroup" rowspan="{len(rows)}">{heading}</th>'
        yield "<tbody>"
        for section, one in rows:
            cells = "".join(f"<td>{cell}</td>" for cell in _numbers(one))
            yield f'<tr>{group}<th scope="row">{escape(seen(section.title))}</th>{cells}</tr>'
            group = ""
        yield "</tbody>\n"
    yield "</table>\n</div>\n"


def _numbers(one: Series) -> tuple[str, ...]:
    known = one.curve.summary
    absent = duration(one.curve.outage_seconds) if one.curve.outages else "–"
    if known is None:
        return ("–", "–", "–", "–", "no samples", absent)
    values = (known.low, known.mean, known.high, known.last)
    return (*map(number, values), str(known.count), absent)
