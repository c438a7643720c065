"""What is no longer there after a run, what could no longer be read, and what is newly wrong."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator

from msgspec.structs import replace

from bee_bus.documents.audit import CollectorRun, Snapshot
from bee_bus.documents.findings import Finding, Severity
from bee_sat.counters import Part, Seen

NOT_SEEN = (
    "Look at the log of the service that was asked (journalctl -u bee-auditd -u bee-gpud), and run again."
)
# Of these the sections' own states and problems are compared, sentence by sentence.
ABOUT_READING = ("audit.section-failed", "audit.no-source", "audit.partly-read", "audit.devices-late")
# No pack loads these: what could not be seen of them decides nothing.
_BESIDE = ("network",)
_READ = ("ok", "absent", "partial")
_PROBLEMS_SHOWN = 20
# Sensors are readings of one moment, and an EEPROM does not change: neither is a counter that the run may
# have moved, and controllers that several masters ask are busy now and then.
_NO_COUNTER = re.compile(
    r"\d+ sensors?( of the controller at \w+)? could not be read \(|The SPD EEPROM of the memory module at "
)


def gone(before: Seen, after: Seen) -> Iterator[Finding]:
    """What was there and is not. Where nobody answers who could list it, that alone is known."""
    there = {one.key: one for one in after.parts}
    unlisted: Counter[str] = Counter()
    for part in before.parts:
        now = there.get(part.key)
        if now is None and part.lister and part.lister not in after.listers:
            unlisted[part.lister] += 1
        elif now is None:
            yield _lost(part, f"{part.name} was there before the run and is gone after it")
        elif now.component != part.component:
            yield _lost(
                part, f"{part.name} left during the run and came back as {now.component.partition('/')[2]}"
            )
    for lister, count in unlisted.items():
        drives = "drive that it listed" if count == 1 else f"{count} drives that it listed"
        message = f"After the run {lister} tells nothing any more of the {drives} before"
        yield _unseen("storage", message)


def _lost(part: Part, message: str) -> Finding:
    return Finding(
        rule=f"{part.component.partition('/')[0]}.gone",
        severity="Critical",
        component=part.component,
        where=part.where,
        message=message,
        next_step=part.next_step,
    )


def _run_of(snapshot: Snapshot, section: str) -> CollectorRun | None:
    return next((run for run in snapshot.collectors if run.name == section), None)


def was_read(snapshot: Snapshot, section: str) -> bool:
    run = _run_of(snapshot, section)
    return run is not None and run.status in _READ


def unread(before: Snapshot, after: Snapshot, sections: Iterable[str]) -> Iterator[Finding]:
    """Sections that could not be read, or not as much of them as before."""
    for section in sections:
        severity: Severity = "Warning" if section in _BESIDE else "Unknown"
        for snapshot, when in ((before, "before"), (after, "after")):
            run = _run_of(snapshot, section)
            if run is None or run.status not in _READ:
                why = f": {run.error}" if run is not None and run.error else ""
                yield _unseen(
                    section, f"The section {section} could not be read {when} the run{why}", severity
                )
        first, last = (getattr(one.hardware, section, None) for one in (before, after))
        if first is not None and last is None and was_read(after, section):
            yield _unseen(
                section, f"The section {section} was there before the run and is not after it", severity
            )
        known = Counter(map(_shape, first.problems if first is not None else ()))
        fresh = []
        for problem in last.problems if last is not None else ():
            if known[_shape(problem)]:
                known[_shape(problem)] -= 1
            else:
                fresh.append(problem)
        grave_first = sorted(fresh, key=lambda problem: bool(_NO_COUNTER.match(problem)))
        for problem in grave_first[:_PROBLEMS_SHOWN]:
            message = f"After the run {section} could not be read as before it: {problem}"
            yield _unseen(section, message, "Warning" if _NO_COUNTER.match(problem) else severity)
        if first is not None and first.problems:
            count = len(first.problems)
            yield Finding(
                rule=f"{section}.read-in-part",
                severity="Warning",
                component=section,
                where=section,
                message=f"{count} thing{'s' if count > 1 else ''} could not be read before the run and so "
                f"not compared, the first: {first.problems[0]}",
                next_step="Audit the machine (bee audit) and see why.",
                value=count,
            )


def _unseen(section: str, message: str, severity: Severity = "Unknown") -> Finding:
    return Finding(
        rule=f"{section}.not-compared",
        severity=severity,
        component=section,
        where=section,
        message=message,
        next_step=NOT_SEEN,
    )


def new_findings(
    before: Iterable[Finding], after: Iterable[Finding], told: Container[tuple[str, str]] = ()
) -> list[Finding]:
    """What is wrong after and was not before: the same rule of the same component, at least as severe, was.

    ``told``: component and rule of what a counter's finding says already.
    """
    known = list(before)
    left = []
    for finding in after:  # those that are the same to the word, first: the rest has to share what is left
        if finding in known:
            known.remove(finding)
        else:
            left.append(finding)
    new = []
    for finding in left:
        match = next((one for one in known if _covers(one, finding)), None)
        if match is not None:
            known.remove(match)
        elif (finding.component, finding.rule) not in told:
            new.append(finding)
    return new


def never_seen(
    before: Iterable[Finding], after: Iterable[Finding], tested: Container[str]
) -> Iterator[Finding]:
    """What was not known of these components before the load, and is not after it: such a part has not been
    proven, whatever it has computed.
    """
    known = [one for one in before if one.severity == "Unknown" and one.component in tested]
    for finding in after:
        if any(_covers(one, finding) for one in known):
            yield replace(finding, message=f"before the load and after it: {finding.message}")


def _covers(old: Finding, new: Finding) -> bool:
    if (old.rule, old.component) != (new.rule, new.component):
        return False
    if new.severity == "Unknown":
        return old.severity == "Unknown" and _shape(old.message) == _shape(new.message)
    return new.severity == old.severity or old.severity == "Critical"


def _shape(text: str) -> str:
    """A sentence without its numbers, which differ each time that something is read."""
    return re.sub(r"\d+(?:\.\d+)?", "#", text)
