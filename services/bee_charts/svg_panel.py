"""One panel of an SVG chart: its scale, lines, ranges, gaps and limits, and the legend above it."""

from collections.abc import Iterator

from bee_charts.chart import Panel, Series
from bee_charts.colours import GRID, INK, LIMIT, LINES
from bee_charts.curve import Bucket
from bee_charts.scale import Axis
from bee_charts.svg_path import TENTHS, Area, band, line, runs, stripes
from bee_charts.svg_text import filled, shortened, text, titled, xml
from bee_charts.words import duration, elapsed, number, on_axis, seen, with_unit

LEGEND_LINE = 16  # pixels, for text of 12
_BOLD_PIXELS = 7.4
_TICK_PIXELS = 16
_INTERVALS_MOST = 5
# How far above everything else a thin peak stands to be pointed at: share of the axis.
_LONE_PEAK = 0.04


def legend(one: Series, at: int, left: int, baseline: int, area: Area) -> str:
    """The line's name and numbers. What matters most comes first, for a small chart shows less."""
    known = one.curve.summary
    unit = seen(one.unit)
    if known is None:
        told = "no samples"
    else:
        told = (
            f"last {with_unit(known.last, unit)} · min {number(known.low)} · max {number(known.high)} "
            f"at {elapsed(known.high_seconds - area.begin_seconds)} · mean {number(known.mean)}"
        )
        if one.curve.outages:
            told = f"no answer for {duration(one.curve.outage_seconds)} · {told}"
    room = area.width - 28
    heading = shortened(f"{seen(one.name)}{f' ({unit})' if unit else ''}", room)
    told = shortened(told, room - 10 - len(heading) * _BOLD_PIXELS)
    return (
        f'<path d="M{left} {baseline - 4}h22" stroke="{LINES[one.colour]}" stroke-width="2"'
        f'{_dash(at, 1)} class="{one.colour} line"/>'
        f'<text x="{left + 28}" y="{baseline}" {filled("ink")}>'
        f'<tspan font-weight="bold">{xml(heading)}</tspan>'
        f'<tspan dx="10" {filled("faint")}>{xml(told)}</tspan></text>'
    )


def panel_body(panel: Panel, area: Area) -> Iterator[str]:
    most = max(2, min(_INTERVALS_MOST, area.height // _TICK_PIXELS))
    axis = panel.axis(tuple(range(2, most + 1)))
    if axis is None:
        yield text(area.width / 2, area.height / 2, "no samples", ink="faint", anchor="middle")
        yield f'<path d="M0 0V{area.height}H{area.width}" fill="none" stroke="{GRID}" class="grid"/>'
        return
    own = Area(area.begin_seconds, area.end_seconds, area.width, axis, area.height)
    yield from _scale(axis, own)
    yield _gaps(panel, own)
    yield '<g transform="scale(.1)" fill="none" stroke-linejoin="round">'
    for at, one in reversed(list(enumerate(panel.series))):
        yield from _curve(one, at, own)
    yield "</g>"
    yield from _peaks(panel, own)
    for limit in panel.limits:
        if axis.low <= limit.value <= axis.high:
            y = own.y(limit.value) / TENTHS
            label = f"{seen(limit.label)} {with_unit(limit.value, seen(limit.unit))}"
            yield f'<path d="M0 {y:g}H{area.width}" stroke="{LIMIT}" stroke-dasharray="6 4" class="limit"/>'
            yield text(area.width - 2, y - 3 if y > 14 else y + 12, label, ink="limit-text", anchor="end")


def _scale(axis: Axis, area: Area) -> Iterator[str]:
    lines = "".join(f"M0 {area.y(tick) / TENTHS:g}H{area.width}" for tick in axis.ticks)
    yield f'<path d="{lines}" stroke="{GRID}" class="grid"/>'
    for tick in axis.ticks:
        yield text(-6, area.y(tick) / TENTHS + 4, on_axis(tick, axis.step), ink="faint", anchor="end")


def _curve(one: Series, at: int, area: Area) -> Iterator[str]:
    """The range that the samples had, and their mean as a line; dashed for each but the first of a panel."""
    found = runs(one.curve, area)
    colour = LINES[one.colour]
    if spread := band(found, area):
        yield (
            f'<path d="{spread}" fill="{colour}" fill-opacity=".28" stroke="{colour}" stroke-opacity=".55" '
            f'stroke-width="8" class="{one.colour} band"/>'
        )
    if drawn := line(found, area):
        dash = _dash(at, TENTHS)
        yield f'<path d="{drawn}" stroke="{colour}" stroke-width="16"{dash} class="{one.colour} line"/>'


def _peaks(panel: Panel, area: Area) -> Iterator[str]:
    """A ring around a highest value that stands alone: one second of a day is a tenth of a pixel."""
    for one in panel.series:
        top = _lone_peak(one, (area.axis.high - area.axis.low) * _LONE_PEAK)
        if top is None or not area.begin_seconds <= top.high_seconds <= area.end_seconds:
            continue
        x, y = area.x(top.high_seconds) / TENTHS, area.y(top.high) / TENTHS
        when = elapsed(top.high_seconds - area.begin_seconds)
        told = f"{seen(one.name)}: highest, {with_unit(top.high, seen(one.unit))} at {when}"
        yield (
            f'<circle cx="{x:g}" cy="{y:g}" r="3.5" fill="none" stroke="{LINES[one.colour]}" '
            f'class="{one.colour} line">{titled(told)}</circle>'
        )


def _lone_peak(one: Series, height: float) -> Bucket | None:
    """The bucket whose highest sample stands so far above its own mean and all that is not beside it."""
    buckets = list(one.curve.buckets)
    at = max(range(len(buckets)), key=lambda place: buckets[place].high, default=-1)
    if at < 0:
        return None
    others = (*buckets[: max(0, at - 1)], *buckets[at + 2 :])
    next_highest = max((bucket.high for bucket in others), default=buckets[at].mean)
    return buckets[at] if buckets[at].high - max(next_highest, buckets[at].mean) > height else None


def _gaps(panel: Panel, area: Area) -> str:
    """Bars along the bottom where a series of the panel was absent, however short."""
    times = [gap for one in panel.series if one.curve.summary for gap in one.curve.gaps]
    sight = [gap for gap in times if gap[1] >= area.begin_seconds and gap[0] <= area.end_seconds]
    if not sight:
        return ""
    return (
        f'<path transform="translate(0 {area.height - 5}) scale(.1)" d="{stripes(sight, area, 5)}" '
        f'fill="{INK}" class="gap">{titled("no answer")}</path>'
    )


def _dash(at: int, pixel: int) -> str:
    """The first series of a panel is solid, each further one dashed more finely: not by colour alone."""
    return f' stroke-dasharray="{max(2, 8 // at) * pixel} {3 * pixel}"' if at else ""
