"""The BMC's event log: what was logged during the run."""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from bee_bus.documents.bmc import BmcSection, Sel, SelEvent, SelOccurrence
from bee_bus.documents.findings import Finding, Severity
from bee_sat.counters.reading import Kind, Reading

EVENTS = Kind(
    "bmc.events",
    "times that the BMC logged",
    "Look at the part that it names, save the event log (ipmitool sel save), and run again.",
    falls=True,  # the oldest leave a log that is full
    starts_absent=True,
    told_by=("bmc.sel-event", "bmc.sel-recurring", "bmc.sel-correctable"),
)

_Told = tuple[str, str, str]
_RECORD_BYTES = 16
_SAVE_AND_CLEAR = (
    "Save the event log (ipmitool sel save), read it, clear it (ipmitool sel clear), and run again."
)
# A board that stops counting corrected errors says so once: there were too many of them.
_MANY_CORRECTED = ("correctable ECC error logging limit reached", "correctable memory error logging disabled")


def readings(section: BmcSection) -> Iterator[Reading]:
    """Each kind of event; of a log that was cleared meanwhile all that is in it is new."""
    if section.sel is None:
        return
    counts: Counter[_Told] = Counter()
    severities: dict[_Told, Severity] = {}
    for event in section.sel.events:
        told = _told(event)
        counts[told] += event.count
        severities[told] = _severity(event)
    cleared = section.sel.last_cleared_at or ""
    for (sensor, words, detail), count in counts.items():
        yield Reading(
            EVENTS,
            "bmc/sel",
            ", ".join(word for word in (sensor, detail) if word),
            count,
            key=f"log cleared {cleared}",
            part=": ".join(word for word in (sensor, words, detail) if word),
            severity=severities[sensor, words, detail],
        )


def _told(event: SelEvent) -> _Told:
    """Sensor, what it said, and of which part: a reading differs each time, a memory module is the place."""
    return event.sensor, event.event, event.detail if event.kind == "memory" and event.detail else ""


def _severity(event: SelEvent) -> Severity:
    if event.severity == "Correctable":
        # A memory module that has errors under this load is the one that fails later.
        return "Critical" if event.kind == "memory" else "Warning"
    if event.event in _MANY_CORRECTED or (event.kind == "memory" and "ECC" in event.sensor):
        return "Critical"
    return event.severity


def as_before(before: BmcSection | None, after: BmcSection | None) -> BmcSection | None:
    """The log before the run, in terms of the log after it: without what the run has added.

    How much of a long log can be read differs from look to look, and a log that is full forgets its oldest
    records: by their counts alone old events would be new ones, and new ones be none.
    """
    was, now = before.sel if before else None, after.sel if after else None
    if before is None or was is None or now is None or was.last_cleared_at != now.last_cleared_at:
        return before
    known = _Known(was)
    whole = all(one.entries_read >= one.entry_count for one in (was, now))
    groups: dict[_Told, list[SelEvent]] = {}
    for event in now.events:
        groups.setdefault(_told(event), []).append(event)
    events = []
    for told, group in groups.items():
        count = sum(event.count for event in group)
        seen = [one for event in group for one in event.occurrences]
        new = known.new_among(told, seen)
        # Of many only the newest are kept one by one.
        if new == len(seen) or (whole and told in known.counts):
            new = max(new, count - known.counts[told])
        if count > new:
            events.append(replace(group[0], count=count - new))
    return replace(before, sel=replace(was, events=tuple(events)))


class _Known:
    """What a log held. ``counts``: how often each event was in it."""

    def __init__(self, sel: Sel) -> None:
        self.counts: Counter[_Told] = Counter()
        self._records: set[tuple[int, str | None]] = set()
        self._times: Counter[tuple[_Told, str]] = Counter()
        self._whole = sel.entries_read >= sel.entry_count
        self._oldest = sel.oldest_read_at
        for event in sel.events:
            self.counts[_told(event)] += event.count
            for one in event.occurrences:
                self._records.add((one.record_id, one.at))
                if one.at:
                    self._times[_told(event), one.at] += 1

    def new_among(self, told: _Told, seen: Iterable[SelOccurrence]) -> int:
        """How many were logged after. Some BMCs number their records anew when old ones go: the same event at
        the same time is the same record then.
        """
        highest = max((number for number, _ in self._records), default=None)
        strange = []
        for one in seen:
            if (one.record_id, one.at) not in self._records:
                strange.append(one)
            elif one.at:
                self._times[told, one.at] -= 1
        new = 0
        for one in strange:
            if highest is not None and one.record_id > highest:
                new += 1
            elif one.at and self._times[told, one.at] > 0:
                self._times[told, one.at] -= 1
            else:
                new += self._is_later(one)
        return new

    def _is_later(self, one: SelOccurrence) -> bool:
        """Of one that the log did not hold: not older than what was read of it in time."""
        if self._whole:
            return True
        is_older = bool(one.at and self._oldest and one.at < self._oldest)
        lowest = min((number for number, _ in self._records), default=-1)
        return not is_older and one.record_id > lowest


def unlogged(before: BmcSection | None, after: BmcSection | None) -> Iterator[Finding]:
    """A log without room for what happens in the run (IPMI 2.0 §31.2, overflow flag)."""
    was, now = before.sel if before else None, after.sel if after else None
    if was is None or now is None:
        return
    if now.last_cleared_at == was.last_cleared_at and now.entries_read < now.entry_count - was.entry_count:
        yield _unlogged("Unknown", "What the BMC logged during the run could not all be read")
    elif now.has_overflowed and not was.has_overflowed:
        yield _unlogged("Unknown", "The BMC's event log ran over during the run: events of it were lost")
    elif was.free_bytes is not None and was.free_bytes < _RECORD_BYTES and _ids(was) == _ids(now):
        yield _unlogged("Warning", "The BMC's event log was full: what the BMC saw in the run is not in it")


def _ids(sel: Sel) -> list[str]:
    return [event.id for event in sel.events]


def _unlogged(severity: Severity, message: str) -> Finding:
    return Finding(
        rule="bmc.events-lost",
        severity=severity,
        component="bmc/sel",
        where="the BMC's event log",
        message=message,
        next_step=_SAVE_AND_CLEAR,
    )
