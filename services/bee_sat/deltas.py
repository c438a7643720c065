"""What a run did to the machine: the looks before and after it, and the difference judged.

Totals never fail a run; what grew, what went away and what is newly wrong does. What could not be compared is
a finding of severity Unknown.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.findings import Finding, Severity, Threshold
from bee_bus.documents.gpus import GpuInventory
from bee_bus.documents.sat import CounterChange
from bee_bus.thresholds import Thresholds
from bee_sat.counters import Kind, Reading, Seen, bmc, of_gpus, of_snapshot, storage
from bee_sat.differences import ABOUT_READING, NOT_SEEN, gone, never_seen, new_findings, unread, was_read


class Comparison(msgspec.Struct, frozen=True):
    findings: tuple[Finding, ...]
    changes: tuple[CounterChange, ...]


def compare_snapshots(
    before: Snapshot, after: Snapshot, limits: Thresholds, minutes: float, *, gpus_apart: bool = False
) -> Comparison:
    """``minutes``: between the looks. ``gpus_apart``: the GPUs were asked of org.bee.Gpu1 as well."""
    sections = [run.name for run in before.collectors]
    if gpus_apart:
        sections = [name for name in sections if name != "gpus"]
    readable = [name for name in sections if was_read(before, name) and was_read(after, name)]
    known = replace(before.hardware, bmc=bmc.as_before(before.hardware.bmc, after.hardware.bmc))
    seen = _aligned(of_snapshot(replace(before, hardware=known), readable), of_snapshot(after, readable))
    counted = list(_counted(*seen, limits, minutes))
    findings = [
        *unread(before, after, sections),
        *gone(*seen),
        *_told(counted),
        *bmc.unlogged(before.hardware.bmc, after.hardware.bmc),
    ]
    new = new_findings(
        [one for one in before.hardware.summary.findings if one.rule not in ABOUT_READING],
        [one for one in after.hardware.summary.findings if one.rule not in ABOUT_READING],
        _told_by(counted),
    )
    if gpus_apart:
        new = [one for one in new if not one.component.startswith("gpus")]
    disks = after.hardware.storage.disks if after.hardware.storage is not None else ()
    lent = {f"storage/{disk.id}" for disk in disks if storage.is_lent(disk)}
    new = [one for one in new if one.component not in lent]
    return Comparison((*findings, *new), tuple(_changes(*seen)))


def compare_gpus(
    before: GpuInventory,
    after: GpuInventory,
    limits: Thresholds,
    minutes: float,
    *,
    tested: Iterable[str] = (),
) -> Comparison:
    """The same of the GPUs. ``tested``: the addresses of those that were loaded."""
    seen = of_gpus(before), of_gpus(after)
    counted = list(_counted(*seen, limits, minutes))
    new = new_findings(before.findings, after.findings, _told_by(counted))
    unseen = never_seen(before.findings, after.findings, [f"gpus/{gpu}" for gpu in tested])
    return Comparison((*gone(*seen), *_told(counted), *new, *unseen), tuple(_changes(*seen)))


def _aligned(before: Seen, after: Seen) -> tuple[Seen, Seen]:
    """A component whose serial number one of the looks could not read is known by its name in both."""
    earlier = {part.component: part.key for part in before.parts}
    renamed = {
        part.key: earlier[part.component]
        for part in after.parts
        if part.component in earlier
        and part.key != earlier[part.component]
        and part.component in (part.key, earlier[part.component])
    }
    return before, replace(
        after,
        readings=tuple(replace(one, key=renamed.get(one.key, one.key)) for one in after.readings),
        parts=tuple(replace(one, key=renamed.get(one.key, one.key)) for one in after.parts),
    )


class _Counted(msgspec.Struct, frozen=True):
    """A finding of a counter, and the kind that it is of."""

    kind: Kind
    finding: Finding


def _counted(before: Seen, after: Seen, limits: Thresholds, minutes: float) -> Iterator[_Counted]:
    earlier, later = _by_identity(before.readings), _by_identity(after.readings)
    there = {one.key for one in after.parts}
    unread: dict[str, list[Reading]] = {}
    for identity, was in earlier.items():
        now = later.get(identity)
        if now is not None:
            yield from _moved(was, now.value - was.value, now, limits, minutes)
        elif was.kind.judged and not was.kind.starts_absent and (_is_there(was, before, there)):
            unread.setdefault(was.component, []).append(was)
    for identity, now in later.items():
        if identity in earlier or not now.kind.judged or now.kind.is_stock:
            continue
        if now.kind.starts_absent:
            yield from _moved(now, now.value, now, limits, minutes)
        elif now.value and any(one.key == now.key for one in before.parts):
            yield _Counted(now.kind, _not_read_before(now))
    for readings in unread.values():
        yield _Counted(readings[0].kind, _not_read_after(readings))


def _by_identity(readings: Iterable[Reading]) -> dict[tuple[str, str, str], Reading]:
    """What nothing tells apart (DIMMs without labels) is counted together."""
    found: dict[tuple[str, str, str], Reading] = {}
    for one in readings:
        known = found.get(one.identity)
        if known is not None:
            one = replace(one, value=known.value + one.value)
        found[one.identity] = one
    return found


def _is_there(reading: Reading, before: Seen, there: set[str]) -> bool:
    """Whether the counter's component is still listed; of one that is gone that alone is told."""
    return reading.key in there or all(one.key != reading.key for one in before.parts)


def _moved(
    was: Reading, growth: float, now: Reading, limits: Thresholds, minutes: float
) -> Iterator[_Counted]:
    kind = now.kind
    if not kind.judged:
        return
    if kind.is_stock:
        growth = -growth
    elif growth < 0 and not kind.falls:
        yield _Counted(kind, _went_back(was, now))
    # A link's rate is the slower one's where the two looks disagree: an idle link is slow.
    name = now.limit or kind.limit
    allowed = limits.number(name) * now.units * (max(minutes, 1.0) if kind.per_minute else 1.0)
    if growth <= max(allowed, now.allowed):
        return
    severity, limit = now.severity or kind.severity, limits[name]
    if kind.grave and growth > limits.number(f"{name}_critical"):
        severity, limit = "Critical", limits[f"{name}_critical"]
    yield _Counted(kind, _grew(was, now, growth, severity, limit))


def _grew(was: Reading, now: Reading, growth: float, severity: Severity, limit: Threshold) -> Finding:
    kind = now.kind
    before = 0.0 if was is now else was.value
    part = f" ({now.part})" if now.part else ""
    return Finding(
        rule=_rule(kind, "lost" if kind.is_stock else "added"),
        severity=severity,
        component=now.component,
        where=now.where,
        message=f"{_number(growth)} {kind.noun}{part} during the run: {_number(before)} before, "
        f"{_number(now.value)} after",
        next_step=now.next_step or kind.next_step,
        value=growth,
        threshold=limit,
    )


def _went_back(was: Reading, now: Reading) -> Finding:
    part = f" ({now.part})" if now.part else ""
    return Finding(
        rule=_rule(now.kind, "reset"),
        severity="Unknown",
        component=now.component,
        where=now.where,
        message=f"The counter of {now.kind.noun}{part} went back from {_number(was.value)} to "
        f"{_number(now.value)} during the run: what it counted in between is lost",
        next_step="See in the kernel log what was reset or loaded again, and run again.",
        value=now.value,
    )


def _not_read_before(now: Reading) -> Finding:
    return Finding(
        rule=_rule(now.kind, "not-compared"),
        severity="Unknown",
        component=now.component,
        where=now.where,
        message=f"{_number(now.value)} {now.kind.noun} were counted by the end of the run, and their count "
        "could not be read before it",
        next_step="Run again.",
        value=now.value,
    )


def _not_read_after(readings: Sequence[Reading]) -> Finding:
    first = readings[0]
    nouns = ", ".join(dict.fromkeys(one.kind.noun for one in readings))
    return Finding(
        rule=f"{first.kind.area}.counters-unread",
        severity="Unknown",
        component=first.component,
        where=first.where,
        message=f"What it counts can no longer be read after the run: {nouns}",
        next_step=NOT_SEEN,
    )


def _rule(kind: Kind, what: str) -> str:
    return f"{kind.name.replace('_', '-')}-{what}"


def _told(counted: Iterable[_Counted]) -> Iterator[Finding]:
    """One finding for what several counters tell."""
    told: set[tuple[str, str, str]] = set()
    for one in counted:
        group = (one.finding.component, one.kind.same_as, one.finding.severity)
        if one.kind.same_as and group in told:
            continue
        told.add(group)
        yield one.finding


def _told_by(counted: Iterable[_Counted]) -> set[tuple[str, str]]:
    return {(one.finding.component, rule) for one in counted for rule in one.kind.told_by}


def _changes(before: Seen, after: Seen) -> Iterator[CounterChange]:
    """The counters that moved, and those that were there in one look only."""
    earlier, later = _by_identity(before.readings), _by_identity(after.readings)
    for identity in sorted({*earlier, *later}):
        was, now = earlier.get(identity), later.get(identity)
        if was is not None and now is not None and was.value == now.value:
            continue
        shown = now or was
        assert shown is not None
        yield CounterChange(
            name=shown.kind.name,
            component=shown.place,
            before=was.value if was is not None else 0.0 if shown.kind.starts_absent else None,
            after=now.value if now is not None else None,
        )


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"
