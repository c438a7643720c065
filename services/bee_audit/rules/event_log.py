"""Rules over the BMC's event log.

A record stays in the log until somebody clears it, long after its fault was repaired. So events are judged
while they are recent, and those that are over only when they keep coming back; older ones are only shown.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.bmc import Sel, SelEvent, SelOccurrence

CLEAR = "save the event log (ipmitool sel save), and clear it once the cause is found"


def recent_events(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Events within the age that are not over."""
    sel = _sel(hardware)
    if sel is None:
        return
    limit = thresholds["bmc.sel_event_age"]
    since = _since(sel, thresholds.number(limit.name))
    for event in sel.events:
        standing = [one for one in _recent(event, since) if not one.cleared]
        if event.severity == "Correctable" or not standing:
            continue
        yield Finding(
            rule="bmc.sel-event",
            severity=event.severity,
            component="bmc/sel",
            where=_where(event),
            message=f"Event log: {_text(event)}{_times(len(standing))}, last {_time(standing[0])}"
            + (", and the sensor says so now" if event.is_so_now else ""),
            next_step=f"{_STEPS.get(event.kind, 'Look at the part that it names')}; {CLEAR}.",
            value=len(standing),
            threshold=limit,
        )


def recurring_events(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Faults that come and go, and correctable errors in number."""
    sel = _sel(hardware)
    if sel is None:
        return
    since = _since(sel, thresholds.number("bmc.sel_event_age"))
    for event in sel.events:
        recent = _recent(event, since)
        is_correctable = event.severity == "Correctable"
        limit = thresholds["bmc.sel_correctable" if is_correctable else "bmc.sel_recurring"]
        if len(recent) < thresholds.number(limit.name):
            continue
        if event.severity == "Warning" or (not is_correctable and not all(one.cleared for one in recent)):
            continue  # not grave enough, or already found as one that stands
        # The oldest records of a long series are not kept one by one.
        count = event.count if len(recent) == len(event.occurrences) else len(recent)
        yield Finding(
            rule="bmc.sel-correctable" if is_correctable else "bmc.sel-recurring",
            severity="Warning",
            component="bmc/sel",
            where=_where(event),
            message=f"Event log: {_text(event)}{_times(count)}, last {_time(recent[0])}",
            next_step=f"{_STEPS.get(event.kind, 'Look at the part that it names')}; {CLEAR}.",
            value=count,
            threshold=limit,
        )


def log_full(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A log that is full, or soon, or has already lost events."""
    sel = _sel(hardware)
    if sel is None:
        return
    limit = thresholds["bmc.sel_percent_used"]
    if sel.has_overflowed:
        message = f"The event log has overflowed: events after its {sel.entry_count} were lost"
    elif sel.percent_used is not None and sel.percent_used >= thresholds.number(limit.name):
        message = f"The event log is {sel.percent_used:g} % full ({sel.entry_count} events)"
    else:
        return
    yield Finding(
        rule="bmc.sel-overflow" if sel.has_overflowed else "bmc.sel-full",
        severity="Warning",
        component="bmc/sel",
        where="the BMC's event log",
        message=message,
        next_step="Save the event log (ipmitool sel save), read it, and clear it (ipmitool sel clear).",
        value=sel.percent_used,
        threshold=limit,
    )


def log_not_read(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Recent events that were not read may be critical ones."""
    sel = _sel(hardware)
    if sel is None or sel.entries_read >= sel.entry_count:
        return
    since = _since(sel, thresholds.number("bmc.sel_event_age"))
    oldest = _parsed(sel.oldest_read_at)
    if oldest is not None and since is not None and oldest < since:
        return
    yield Finding(
        rule="bmc.sel-not-read",
        severity="Unknown",
        component="bmc/sel",
        where="the BMC's event log",
        message=f"Only the newest {sel.entries_read} of {sel.entry_count} events could be read",
        next_step="Read the whole log (ipmitool sel elist), or clear it after saving, and audit again.",
        value=sel.entries_read,
    )


_STEPS = {
    "memory": "Exchange the memory module that it names with another; replace it if the error goes along",
    "processor": "Reseat or replace the processor that it names",
    "critical interrupt": "Find the device in the section pcie and the kernel log, reseat or replace it",
    "power supply": "Reseat the supply and check its feed; replace it if the event returns",
    "power unit": "Check the feeds and all power supplies",
    "temperature": "Check fans, filters and air flow",
    "fan": "Reseat or replace the fan",
    "voltage": "Check the supplies; replace the board if the event returns",
    "drive slot": "Look at the drive in that slot, in the section storage too",
    "system firmware progress": "Look what the firmware reports at power on; update it",
    "watchdog 2": "Find out why the system hung: the kernel log, the console",
    "physical security": "Make sure that the chassis was opened by those who may",
}


def _sel(hardware: Hardware) -> Sel | None:
    return hardware.bmc.sel if hardware.bmc else None


def _since(sel: Sel, age_days: float) -> datetime | None:
    """The oldest time that is recent, by the BMC's clock or its newest record; None when neither is known."""
    newest = [one.at or one.not_after for event in sel.events for one in event.occurrences]
    known = [time for text in (sel.clock_at, sel.last_added_at, *newest) if (time := _parsed(text))]
    # A clock that was set back makes its records look younger than they are, never older.
    now = _parsed(sel.clock_at) or max(known, default=None)
    return now - timedelta(days=age_days) if now else None


def _recent(event: SelEvent, since: datetime | None) -> list[SelOccurrence]:
    """Newest first. What has no time may be recent."""
    return [
        one
        for one in event.occurrences
        if since is None or (time := _parsed(one.at or one.not_after)) is None or time >= since
    ]


def _parsed(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _where(event: SelEvent) -> str:
    return f"{event.sensor} ({event.kind})"


def _text(event: SelEvent) -> str:
    return f"{event.sensor}: {event.event}" + (f" ({event.detail})" if event.detail else "")


def _times(count: int) -> str:
    return f", {count} times" if count > 1 else ""


def _time(occurrence: SelOccurrence) -> str:
    if occurrence.at:
        return f"at {occurrence.at.replace('T', ' ')}"
    if occurrence.not_after:
        return f"before {occurrence.not_after.replace('T', ' ')}"
    return "at an unknown time"
