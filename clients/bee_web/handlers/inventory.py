"""The inventory: its sections, their parts, and a search over all."""

from __future__ import annotations

from typing import Any, NamedTuple

from bee_bus.inventory import SectionView
from bee_bus.units import several
from bee_web.handlers.base import Page, Refusal
from bee_web.views.inventory import RESULTS_MAX, part_facts, search, section_facts, tables
from bee_web.views.machine import Machine, finding_lines, machine_of, section_verdict

QUERY_CHARACTERS = 200
_NOTHING = {"absent": "This machine has no source for this section.", "": "Nothing is recorded here."}


class SectionLine(NamedTuple):
    name: str
    verdict: str
    parts: str
    number: int
    remark: str
    problems: tuple[str, ...]
    nothing: str


class Search(Page):
    def get(self) -> None:
        machine = machine_of(self.house.snapshot.read())
        query = (self.get_query_argument("q", "") or "")[:QUERY_CHARACTERS]
        found = search(machine.inventory, query) if machine.inventory else ()
        more = "the first " if len(found) >= RESULTS_MAX else ""
        self.show(
            "inventory.html",
            title="Inventory",
            machine_view=machine,
            query=query,
            found=found,
            found_words=f"{more}{several(len(found), 'part')} found" if found else "Nothing found",
            sections=section_lines(machine),
        )


class Section(Page):
    def get(self, name: str) -> None:
        machine = machine_of(self.house.snapshot.read())
        section = machine.inventory.section(name) if machine.inventory else None
        if section is None:
            raise Refusal(404, "NotFound", f"the last audit has no section {name}")
        identity = self.get_query_argument("part", "") or ""
        number = self.get_query_argument("n", "0") or "0"
        part = section.component(identity, int(number) if number.isdecimal() and len(number) < 6 else 0)
        self.show(
            "section.html",
            title=(part.name or part.id) if part else name,
            machine_view=machine,
            section=section_line(section),
            sections=section_lines(machine),
            part=part,
            findings=finding_lines(part.findings if part else section.findings),
            tables=() if part else tables(section),
            facts=part_facts(part) if part else section_facts(section),
        )


def section_lines(machine: Machine) -> tuple[SectionLine, ...]:
    return tuple(map(section_line, machine.inventory.sections)) if machine.inventory else ()


def section_line(section: SectionView) -> SectionLine:
    number = len(section.components)
    remark = section.error or {"absent": "not there", "ok": ""}.get(section.status, section.status)
    problems = f"{several(len(section.problems), 'problem')} while reading" if section.problems else ""
    return SectionLine(
        name=section.name,
        verdict=section_verdict(section),
        parts=several(number, "part") if number else "",
        number=number,
        remark=remark or problems,
        problems=section.problems,
        nothing=_NOTHING.get(section.status, _NOTHING[""]),
    )


ROUTES: list[Any] = [
    (r"/inventory", Search),
    (r"/inventory/([a-z_]{1,40})", Section),
]
