"""The parts of a snapshot that have an identity of their own: what `busctl tree` shows of a machine."""

import re
from collections.abc import Iterator

import msgspec

from bee_bus.documents.audit import Finding, Hardware, Snapshot, Verdict
from bee_bus.documents.base import Section, to_json

# The worst finding of a component is its verdict.
_WORST_FIRST: tuple[Verdict, ...] = ("Critical", "Warning", "Unknown")


class Component(msgspec.Struct, frozen=True):
    """``path_element``: section and id as two elements of a D-Bus path, "storage/nvme0n1"."""

    path_element: str
    section: str
    id: str
    name: str
    location: str
    serial: str
    firmware: str
    verdict: Verdict
    findings: tuple[str, ...]
    facts: str  # JSON, as in the snapshot


def components(snapshot: Snapshot) -> Iterator[Component]:
    """Every struct with an ``id`` in the lists of the snapshot's sections, in the snapshot's order."""
    by_component: dict[str, list[Finding]] = {}
    for finding in snapshot.hardware.summary.findings:
        by_component.setdefault(finding.component, []).append(finding)
    taken: set[str] = set()
    for section_name, identity, part in _parts(snapshot.hardware):
        element = _unique(f"{section_name}/{_path_element(identity)}", taken)
        findings = by_component.get(f"{section_name}/{identity}", [])
        severities = {finding.severity for finding in findings}
        yield Component(
            path_element=element,
            section=section_name,
            id=identity,
            name=_text(part, "name") or _text(part, "model"),
            location=_text(part, "location"),
            serial=_text(part, "serial"),
            firmware=_text(part, "firmware"),
            verdict=next((verdict for verdict in _WORST_FIRST if verdict in severities), "OK"),
            findings=tuple(finding.message for finding in findings),
            facts=to_json(part).decode(),
        )


def _parts(hardware: Hardware) -> Iterator[tuple[str, str, msgspec.Struct]]:
    for field in hardware.__struct_fields__:
        section = getattr(hardware, field)
        if not isinstance(section, Section):
            continue
        for name in section.__struct_fields__:
            values = getattr(section, name)
            for value in values if isinstance(values, tuple) else (values,):
                identity = getattr(value, "id", None)
                if isinstance(value, msgspec.Struct) and isinstance(identity, str):
                    yield field, identity, value


def _text(part: msgspec.Struct, field: str) -> str:
    value = getattr(part, field, None)
    return value if isinstance(value, str) else ""


def _path_element(text: str) -> str:
    """Letters, digits and underscores are all that a D-Bus path may hold (D-Bus specification)."""
    return re.sub(r"[^A-Za-z0-9]", "_", text) or "_"


def _unique(element: str, taken: set[str]) -> str:
    candidate, number = element, 2
    while candidate in taken:
        candidate, number = f"{element}_{number}", number + 1
    taken.add(candidate)
    return candidate
