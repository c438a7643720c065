"""A chart as one SVG element: no script, no style, nothing from outside.

Colours stand as attributes, so that a picture is whole by itself, and as classes, so that a page can set them
for dark and light (see ``bee_charts.colours``).
"""

import re
from collections.abc import Iterator, Sequence

from bee_charts.chart import Chart, Span, in_sight, panels, time_range
from bee_charts.colours import FAINT, SPANS
from bee_charts.scale import Axis, time_ticks
from bee_charts.svg_panel import LEGEND_LINE, legend, panel_body
from bee_charts.svg_path import TENTHS, Area, stripes, times_of
from bee_charts.svg_text import shortened, text, titled, xml
from bee_charts.words import duration, elapsed, number, seen, with_unit

WIDTH, PANEL_HEIGHT = 900, 110
WIDTH_LEAST, PANEL_HEIGHT_LEAST = 300, 40

_LEFT, _RIGHT = 94, 14
_LANE = 14
_LANES_MOST = 10
_TICK_PIXELS = 90
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def svg_chart(
    chart: Chart,
    *,
    name: str,
    width: int = WIDTH,
    panel_height: int = PANEL_HEIGHT,
    heading: bool = True,
) -> str:
    """``name`` makes the element's ids; it is used once in a page. ``heading``: with the title above.

    Raises ValueError for a name that is no id, and for a size in which nothing can be read.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a chart's name is small letters, digits and dashes, not {name!r}")
    if width < WIDTH_LEAST or panel_height < PANEL_HEIGHT_LEAST:
        raise ValueError(
            f"a chart needs {WIDTH_LEAST} by {PANEL_HEIGHT_LEAST} pixels or more, "
            f"not {width} by {panel_height}"
        )
    begin, end = time_range(chart)
    area = Area(begin, end, width - _LEFT - _RIGHT, Axis(0, 1, 1), panel_height)
    spans = in_sight(chart.spans, begin, end)
    phases = [span for span in spans if span.kind == "phase"]
    lanes = _lanes([span for span in spans if span.kind != "phase"])
    body: list[str] = []
    top = 0
    if heading:
        body.append(text(0, 13, shortened(seen(chart.title), width * 0.9), bold=True))
        top += 20
    if phases:
        body += _phases(phases, area, top)
        top += _LANE + 4
    first = top
    plots: list[str] = []
    for panel in panels(chart):
        for at, one in enumerate(panel.series):
            plots.append(legend(one, at, _LEFT, top + 12, area))
            top += LEGEND_LINE
        plots.append(f'<g transform="translate({_LEFT} {top + 4})">{"".join(panel_body(panel, area))}</g>')
        top += panel_height + 12
    body += _shades(phases, lanes, area, first, top - first - 8)
    body += plots
    body += _time_axis(area, top - 8)
    top += 14
    for label, group in lanes:
        body += _lane(label, group, area, top)
        top += _LANE
    height = top + 4
    told = xml(_described(chart, lanes, begin, end))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="bee-chart" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-desc">'
        f'<title id="{name}-title">{xml(seen(chart.title))}</title>'
        f'<desc id="{name}-desc">{told}</desc>'
        f"{''.join(body)}</svg>"
    )


def _phases(phases: Sequence[Span], area: Area, top: int) -> Iterator[str]:
    for at, span in enumerate(phases):
        left = area.x(span.begin_seconds) / TENTHS
        room = max(1.0, area.x(span.end_seconds) / TENTHS - left)
        label = seen(span.label)
        short = shortened(label, room - 6)
        inside = text(_LEFT + left + 4, top + 11, short, size=11) if len(short) > 3 else ""
        yield (
            f"<g>{titled(f'{label}, {duration(span.end_seconds - span.begin_seconds)}')}"
            f'<rect x="{_LEFT + left:g}" y="{top}" width="{room:g}" height="{_LANE}" fill="{SPANS["phase"]}" '
            f'fill-opacity="{".35" if at % 2 else ".2"}" class="phase"/>'
            f"{inside}</g>"
        )


def _lanes(spans: Sequence[Span]) -> list[tuple[str, list[Span]]]:
    """By label, what failed first; when there are too many, the last lane holds the rest."""
    found: dict[tuple[bool, str], list[Span]] = {}
    for span in spans:
        found.setdefault((span.kind != "fault", seen(span.label)), []).append(span)
    lanes = [(label, group) for (_, label), group in sorted(found.items(), key=lambda lane: lane[0][0])]
    if len(lanes) <= _LANES_MOST:
        return lanes
    rest = [span for _, group in lanes[_LANES_MOST - 1 :] for span in group]
    return [*lanes[: _LANES_MOST - 1], ("other", rest)]


def _shades(
    phases: Sequence[Span], lanes: Sequence[tuple[str, list[Span]]], area: Area, top: int, height: int
) -> Iterator[str]:
    """Through all panels: where each phase begins, and what was held back or failed."""
    if borders := "".join(f"M{area.x(span.begin_seconds) / TENTHS:g} 0v{height}" for span in phases):
        yield (
            f'<path transform="translate({_LEFT} {top})" d="{borders}" stroke="{SPANS["phase"]}" '
            'stroke-dasharray="2 3" class="border"/>'
        )
    for _, group in lanes:
        kind, bars = group[0].kind, stripes(times_of(group), area, height)
        yield (
            f'<path transform="translate({_LEFT} {top}) scale(.1)" d="{bars}" '
            f'fill="{SPANS[kind]}" fill-opacity=".16" class="{kind}"/>'
        )


def _lane(label: str, spans: Sequence[Span], area: Area, top: int) -> Iterator[str]:
    kind, bars = spans[0].kind, stripes(times_of(spans), area, _LANE - 4)
    short = label if len(label) <= 14 else f"{label[:13]}…"
    yield text(_LEFT - 6, top + 11, short, anchor="end", size=11)
    yield (
        f'<path transform="translate({_LEFT} {top + 2}) scale(.1)" d="{bars}" '
        f'fill="{SPANS[kind]}" class="{kind}">{titled(_counted(label, spans))}</path>'
    )


def _time_axis(area: Area, top: int) -> Iterator[str]:
    ticks = time_ticks(area.begin_seconds, area.end_seconds, max(2, area.width // _TICK_PIXELS))
    places = [(area.x(area.begin_seconds + tick) / TENTHS, elapsed(tick)) for tick in ticks]
    marks = "".join(f"M{x:g} 0v4" for x, _ in places)
    yield (
        f'<g transform="translate({_LEFT} {top})">'
        f'<path d="M0 0H{area.width}{marks}" fill="none" stroke="{FAINT}" class="axis"/>'
    )
    for x, label in places:
        yield text(x, 16, label, ink="faint", anchor="middle")
    yield "</g>"


def _counted(label: str, spans: Sequence[Span]) -> str:
    total = sum(span.end_seconds - span.begin_seconds for span in spans)
    return f"{label}: {len(spans)} {'time' if len(spans) == 1 else 'times'}, {duration(total)} in all"


def _described(chart: Chart, lanes: Sequence[tuple[str, list[Span]]], begin: float, end: float) -> str:
    """What the picture shows, for those who do not see it."""
    told = [f"Over {duration(end - begin)}."]
    for one in chart.series:
        known = one.curve.summary
        name, unit = seen(one.name), seen(one.unit)
        if known is None:
            told.append(f"{name}: no samples.")
            continue
        told.append(
            f"{name}: {number(known.low)} to {with_unit(known.high, unit)}, mean {number(known.mean)}, "
            f"last {number(known.last)}."
        )
        if one.curve.outages:
            told.append(f"No answer for {duration(one.curve.outage_seconds)}.")
    told += [f"{_counted(label, group)}." for label, group in lanes]
    return " ".join(told)
