"""The machine against what it is expected to have (`bee_bus.expected`).

A part that is dead enough is on no bus: neither the kernel nor the firmware then says that it is missing.
"""

from collections.abc import Collection, Iterator, Sequence

from bee_bus.documents.audit import CollectorRun, Finding, Hardware
from bee_bus.documents.findings import Severity, Threshold
from bee_bus.expected import EXPECTED_FILE, KINDS, Entry, Expected, Kind, Part

NAMES_SHOWN = 3


def expected_findings(
    hardware: Hardware, runs: Sequence[CollectorRun], expected: Expected, source: str
) -> Iterator[Finding]:
    """One for each entry that is not met, and one for each kind of which there is more than is named.

    ``runs``: of the sections that were wanted; entries of others are not judged. ``source``: the file's name.
    """
    statuses = {run.name: run.status for run in runs}
    for kind in KINDS:
        entries = expected.entries(kind.name)
        if not entries or kind.section not in statuses:
            continue
        section = getattr(hardware, kind.section)
        if section is None and not (kind.absent_is_none and statuses[kind.section] == "absent"):
            yield _unseen(kind, entries, source)
            continue
        parts = tuple(kind.parts(hardware))
        in_part = bool(section is not None and section.problems)
        for entry in entries:
            yield from _judged(kind, entry, parts, source, in_part=in_part)
        if kind.whole:
            yield from _others(kind, entries, parts, source)


def _judged(
    kind: Kind, entry: Entry, parts: Collection[Part], source: str, *, in_part: bool
) -> Iterator[Finding]:
    fits = [entry.fits(part, kind.tolerance) for part in parts]
    sure, perhaps = fits.count(True), fits.count(None)
    what = _words(kind, entry)
    if sure > entry.count:
        yield _finding(
            kind,
            "expected.more",
            "Warning",
            f"There are {sure} {what}, and {entry.count} are expected",
            "Compare the machine with its order: one of the two is not right.",
            sure,
            _limit(kind, entry, source),
        )
    elif sure + perhaps < entry.count:
        # Power supplies are counted by the BMC, modules by the firmware: what they did not tell may be there.
        severity: Severity = "Unknown" if in_part and kind.section in ("psus", "memory") else "Critical"
        yield _finding(
            kind,
            "expected.missing",
            severity,
            f"{sure} of {entry.count} {what} are there",
            "Look for what is missing: its seat, its cables and power, whether the firmware has switched it "
            "off. If it does not come back, return the machine with this report.",
            sure,
            _limit(kind, entry, source),
        )
    elif sure < entry.count:
        yield _finding(
            kind,
            "expected.not-recognised",
            "Unknown",
            f"{sure} of {entry.count} {what} are there for certain; of {perhaps} more not enough is known",
            "See why they do not tell what they are (driver, firmware), and audit again.",
            sure,
            _limit(kind, entry, source),
        )


def _others(
    kind: Kind, entries: Collection[Entry], parts: Collection[Part], source: str
) -> Iterator[Finding]:
    """Parts that no entry of their kind names."""
    others = [part for part in parts if all(entry.fits(part, kind.tolerance) is False for entry in entries)]
    if not others:
        return
    named = ", ".join(_described(kind, part) for part in others[:NAMES_SHOWN])
    more = f" and {len(others) - NAMES_SHOWN} more" if len(others) > NAMES_SHOWN else ""
    yield _finding(
        kind,
        "expected.others",
        "Warning",
        f"{_counted(len(others), kind)} that nothing in {source} names: {named}{more}",
        "Compare the machine with its order: one of the two is not right.",
        len(others),
        None,
    )


def _unseen(kind: Kind, entries: Collection[Entry], source: str) -> Finding:
    count = sum(entry.count for entry in entries)
    return _finding(
        kind,
        "expected.not-seen",
        "Unknown",
        f"{_counted(count, kind)} are expected ({source}), and the section {kind.section} could not be read",
        "Audit as root on the machine itself; see what else is said of this section.",
        None,
        None,
    )


def _finding(
    kind: Kind,
    rule: str,
    severity: Severity,
    message: str,
    next_step: str,
    value: float | None,
    threshold: Threshold | None,
) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        component=kind.section,
        where=kind.section,
        message=message,
        next_step=next_step,
        value=value,
        threshold=threshold,
    )


def _limit(kind: Kind, entry: Entry, source: str) -> Threshold:
    return Threshold(
        name=f"expected.{kind.name}",
        value=entry.count,
        unit=kind.words[1],
        source=source,
        layer="site" if source == EXPECTED_FILE else "option",
    )


def _words(kind: Kind, entry: Entry) -> str:
    """ "disks of 480 GB", 'GPUs called "H100"'."""
    words = kind.words[1]
    if entry.model:
        words += f' called "{entry.model}"'
    return words if entry.size is None else f"{words} of {entry.size:g} {kind.unit}"


def _described(kind: Kind, part: Part) -> str:
    name = part.names[0] if part.names else kind.words[0]
    return name if part.size is None else f"{name} ({part.size:g} {kind.unit})"


def _counted(count: int, kind: Kind) -> str:
    return f"{count} {kind.words[count != 1]}"
