"""The last audit as it is browsed: findings, sections, components, and all that is known of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bee_bus.documents.findings import Finding

_WORST_FIRST = ("Critical", "Warning", "Unknown")


@dataclass(frozen=True)
class Component:
    """Something with an identity of its own. ``facts``: all of it, as in the snapshot.

    ``kind``: the section's name for such parts, "disks". ``number``: 0, or how many with the same id are
    before it in the section.
    """

    section: str
    kind: str
    id: str
    number: int
    name: str
    location: str
    serial: str
    verdict: str
    findings: tuple[Finding, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class SectionView:
    """``status``: of its collector. ``facts``: what is known of the section beside its components."""

    name: str
    status: str
    duration_seconds: float
    error: str
    verdict: str
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    components: tuple[Component, ...]
    facts: Mapping[str, Any]

    def component(self, identity: str, number: int = 0) -> Component | None:
        return next((one for one in self.components if (one.id, one.number) == (identity, number)), None)


@dataclass(frozen=True)
class Inventory:
    """A snapshot, taken apart once."""

    host_name: str
    machine: str
    serial: str
    started_at: str
    duration_seconds: float
    verdict: str
    failure_count: int
    warning_count: int
    unknown_count: int
    findings: tuple[Finding, ...]  # the worst first
    sections: tuple[SectionView, ...]
    expected_source: str = ""  # the file that says what the machine must have, where one was compared with

    def section(self, name: str) -> SectionView | None:
        return next((one for one in self.sections if one.name == name), None)


def read_inventory(text: str) -> Inventory:
    """Of a snapshot's JSON. Raises msgspec.MsgspecError, KeyError for what is none."""
    snapshot = msgspec.json.decode(text)
    hardware = snapshot["hardware"]
    summary = hardware["summary"]
    findings = msgspec.convert(summary["findings"], tuple[Finding, ...])
    machine, serial = _machine(hardware.get("board", {}))
    return Inventory(
        host_name=snapshot["host_name"],
        machine=machine,
        serial=serial,
        started_at=snapshot["started_at"],
        duration_seconds=snapshot["duration_seconds"],
        verdict=summary["verdict"],
        failure_count=summary["failure_count"],
        warning_count=summary["warning_count"],
        unknown_count=summary["unknown_count"],
        findings=tuple(sorted(findings, key=lambda one: _WORST_FIRST.index(one.severity))),
        sections=tuple(
            _section(run, hardware.get(run["name"], {}), findings) for run in snapshot["collectors"]
        ),
        expected_source=snapshot.get("expected_source", ""),
    )


def worst(findings: Sequence[Finding]) -> str:
    """The verdict that these findings add up to."""
    severities = {finding.severity for finding in findings}
    return next((one for one in _WORST_FIRST if one in severities), "OK")


def _section(run: Mapping[str, Any], facts: Mapping[str, Any], findings: Sequence[Finding]) -> SectionView:
    name = run["name"]
    own = tuple(one for one in findings if one.component.partition("/")[0] == name)
    left = {
        key: value
        for key, value in facts.items()
        if key not in ("problems", "findings") and not any(_has_id(one) for one in _listed(value))
    }
    return SectionView(
        name=name,
        status=run["status"],
        duration_seconds=run["duration_seconds"],
        error=run.get("error", ""),
        verdict=worst(own),
        findings=own,
        problems=tuple(facts.get("problems", ())),
        components=tuple(_components(name, facts, own)),
        facts=left,
    )


def _components(section: str, facts: Mapping[str, Any], findings: Sequence[Finding]) -> Iterator[Component]:
    seen: Counter[str] = Counter()
    for kind, value in facts.items():
        for part in _listed(value):
            if not _has_id(part):
                continue
            seen[part["id"]] += 1
            own = tuple(one for one in findings if one.component == f"{section}/{part['id']}")
            yield Component(
                section=section,
                kind=kind,
                id=part["id"],
                number=seen[part["id"]] - 1,
                name=part.get("name") or part.get("model") or "",
                location=part.get("location", ""),
                serial=part.get("serial", ""),
                verdict=worst(own),
                findings=own,
                facts=part,
            )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (value,)


def _has_id(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("id"), str)


def _machine(board: Mapping[str, Any]) -> tuple[str, str]:
    """What the machine calls itself, and its serial number, in the words on its label."""
    parts = [part for part in (board.get("system"), *board.get("baseboards", ())) if part]
    named: Mapping[str, Any] = next((part for part in parts if part.get("model") or part.get("name")), {})
    product, vendor = named.get("model") or named.get("name") or "", named.get("vendor") or ""
    title = product if product.lower().startswith(vendor.lower()) else f"{vendor} {product}"
    holders = [board.get("system") or {}, *board.get("chassis", ()), *board.get("baseboards", ())]
    serial = next((part["serial"] for part in holders if part.get("serial")), "")
    return title.strip(), serial
