"""The machine as its last audit saw it: taken apart once for each snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from bee_bus.documents.audit import Snapshot, Summary
from bee_bus.documents.findings import Finding
from bee_bus.finding_words import limit_words, place, value_words
from bee_bus.inventory import Inventory, SectionView
from bee_bus.units import several
from bee_web.rendering import address
from bee_web.views.tiles import Tile, tiles_of

if TYPE_CHECKING:
    from bee_web.snapshot import Seen

NAMELESS = "A machine that does not say what it is"
_EARLIER = "This audit is from before the machine was last started: it may have changed since."


class FindingLine(NamedTuple):
    """``href``: to what it is about."""

    severity: str
    component: str
    href: str
    place: str
    message: str
    value: str
    limit: str
    next_step: str
    rule: str


@dataclass(frozen=True)
class Machine:
    """``verdict`` is Unknown without an audit. ``trouble``: why there is none, or why it may be old."""

    verdict: str
    counts: str
    title: str
    serial: str
    host: str
    trouble: str = ""
    snapshot: Snapshot | None = None
    inventory: Inventory | None = None
    findings: tuple[FindingLine, ...] = ()
    tiles: tuple[Tile, ...] = ()
    failed_sections: tuple[SectionView, ...] = ()

    @property
    def label(self) -> str:
        """In the frame of each page."""
        return self.host or self.title


def machine_of(seen: Seen) -> Machine:
    """What the file says, or why it says nothing."""
    if seen.snapshot is None or seen.inventory is None:
        return Machine(
            "Unknown", "no audit", NAMELESS, "", "", f"{seen.trouble[:1].upper()}{seen.trouble[1:]}."
        )
    machine = _taken_apart(_Whole(seen.snapshot, seen.inventory))
    if not seen.earlier_boot:
        return machine
    said = f"before the last start {machine.verdict}, {machine.counts}"
    return replace(machine, verdict=seen.verdict, counts=said, trouble=_EARLIER)


def counts(summary: Summary, sections: tuple[str, ...]) -> str:
    """How many findings of which severity. A part of the machine must not look like the whole of it."""
    parts = [
        (summary.failure_count, "critical"),
        (summary.warning_count, "warning" if summary.warning_count == 1 else "warnings"),
        (summary.unknown_count, "not known"),
    ]
    found = ", ".join(f"{count} {word}" for count, word in parts if count) or "nothing found wrong"
    return f"{found} – of {', '.join(sections)} only" if sections else found


def finding_lines(findings: tuple[Finding, ...]) -> tuple[FindingLine, ...]:
    return tuple(map(_line, findings))


def section_verdict(section: SectionView) -> str:
    """Its verdict; Unknown where it could not be read as a whole, empty where there is nothing to be read."""
    if section.status == "absent" and section.verdict == "OK":
        return ""
    if section.verdict == "OK" and (section.status != "ok" or section.problems):
        return "Unknown"
    return section.verdict


def section_count(section: SectionView) -> str:
    return several(len(section.components), "part") if section.components else ""


class _Whole:
    """A snapshot, which is equal to itself alone: the file's reader gives the same one until it changes."""

    def __init__(self, snapshot: Snapshot, inventory: Inventory) -> None:
        self.snapshot = snapshot
        self.inventory = inventory

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Whole) and other.snapshot is self.snapshot

    def __hash__(self) -> int:
        return id(self.snapshot)


@lru_cache(maxsize=2)
def _taken_apart(whole: _Whole) -> Machine:
    snapshot, inventory = whole.snapshot, whole.inventory
    summary = snapshot.hardware.summary
    return Machine(
        verdict=summary.verdict,
        counts=counts(summary, snapshot.sections),
        title=inventory.machine or NAMELESS,
        serial=inventory.serial,
        host=snapshot.host_name,
        snapshot=snapshot,
        inventory=inventory,
        findings=finding_lines(inventory.findings),
        tiles=tuple(tiles_of(snapshot, {one.name: section_verdict(one) for one in inventory.sections})),
        failed_sections=tuple(_failed(inventory)),
    )


def _failed(inventory: Inventory) -> Iterator[SectionView]:
    for section in inventory.sections:
        if section.status not in ("ok", "absent") or section.problems:
            yield section


def _line(finding: Finding) -> FindingLine:
    section, _, part = finding.component.partition("/")
    return FindingLine(
        severity=finding.severity,
        component=finding.component,
        href=address("inventory", section, part=part) if section else "",
        place=place(finding),
        message=finding.message,
        value=value_words(finding),
        limit=limit_words(finding),
        next_step=finding.next_step,
        rule=finding.rule,
    )
