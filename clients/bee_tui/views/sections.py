"""One section of the audit, and one component: everything that is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import urwid

from bee_bus.facts import facts
from bee_bus.text import clean
from bee_tui.palette import style_of
from bee_tui.screen import Screen
from bee_tui.views.findings import FindingLine
from bee_tui.widgets import Markup, Pressable, Scroll

if TYPE_CHECKING:
    from bee_bus.inventory import Component, SectionView
    from bee_tui.app import App
    from bee_tui.models.audit import AuditModel

_LABEL_COLUMNS = 30
_INDENT = 2


class _Listed(Screen):
    """A list made of a part of the last audit, made anew when there is another audit."""

    def __init__(self, app: App, model: AuditModel) -> None:
        super().__init__(app, model)
        self._model = model
        self._list = Scroll()
        self._shown: object = self

    def body(self) -> urwid.Widget:
        return self._list

    def refresh(self) -> None:
        inventory = self._model.inventory
        if inventory is not self._shown:
            self._shown = inventory
            self._list.replace(self.lines())

    def lines(self) -> Sequence[urwid.Widget]:
        """The list's widgets."""
        raise NotImplementedError


class SectionScreen(_Listed):
    """Its findings, its components, and what is known beside them."""

    def __init__(self, app: App, model: AuditModel, name: str) -> None:
        super().__init__(app, model)
        self.title = clean(name, limit=20)
        self._name = name

    def lines(self) -> Sequence[urwid.Widget]:
        section = self._model.inventory.section(self._name) if self._model.inventory else None
        if section is None:
            return [urwid.Text(" The last audit has not looked at this.")]
        parts = [
            _notes(section),
            [FindingLine(one, self.app.explain) for one in section.findings],
            [
                Pressable(_component_line(one), partial(self._open, one.id, one.number))
                for one in section.components
            ],
            fact_lines(section.facts, section.name),
        ]
        return _apart(parts) or [urwid.Text(" There is nothing of it in this machine.")]

    def _open(self, identity: str, number: int) -> None:
        self.app.push(ComponentScreen(self.app, self._model, self._name, identity, number))


class ComponentScreen(_Listed):
    """Its findings, and all facts."""

    def __init__(self, app: App, model: AuditModel, section: str, identity: str, number: int = 0) -> None:
        super().__init__(app, model)
        self.title = clean(identity, limit=30)
        self._section = section
        self._identity = (identity, number)

    def lines(self) -> Sequence[urwid.Widget]:
        section = self._model.inventory.section(self._section) if self._model.inventory else None
        component = section.component(*self._identity) if section else None
        if component is None:
            return [urwid.Text(" The last audit has not found it.")]
        findings = [FindingLine(one, self.app.explain) for one in component.findings]
        return _apart([findings, fact_lines(component.facts, self._section)])


def fact_lines(known: Mapping[str, Any], section: str) -> list[urwid.Widget]:
    """A line for each fact; a value that is too long goes on below itself."""
    lines: list[urwid.Widget] = []
    for fact in facts(known, section=section):
        label = clean(f" {'':{fact.depth * _INDENT}}{fact.label}")
        if not fact.value:
            lines.append(urwid.Text(("title", label)))
            continue
        columns = max(_LABEL_COLUMNS, len(label) + 1)
        value = urwid.Text(clean(fact.value, limit=1000))
        lines.append(urwid.Columns([(columns, urwid.Text(("quiet", label))), value]))
    return lines


def _notes(section: SectionView) -> list[urwid.Widget]:
    """What could not be read, and why."""
    notes = [section.error] if section.error else []
    return [urwid.Text(("Warning", f" {clean(note)}")) for note in (*notes, *section.problems)]


def _component_line(component: Component) -> Markup:
    beside = [component.location, component.serial and f"serial {component.serial}"]
    verdict = [(style_of(component.verdict), f" {component.verdict}")] if component.findings else []
    name = component.name if component.name != component.id else ""
    return [
        ("title", f" {clean(component.id, limit=30)}"),
        f"  {clean(name, limit=60)}" if name else "",
        ("quiet", f"  {clean(', '.join(filter(None, beside)))}") if any(beside) else "",
        *verdict,
    ]


def _apart(parts: Iterable[Sequence[urwid.Widget]]) -> list[urwid.Widget]:
    """All that there is, an empty line between the parts."""
    lines: list[urwid.Widget] = []
    for part in parts:
        if part:
            lines += [*([urwid.Divider()] if lines else []), *part]
    return lines
