"""The inventory: tables of what there is in each section, all about one part, and what a search finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bee_bus.facts import Fact, facts, label, worded
from bee_bus.inventory import Component, Inventory, SectionView
from bee_web.rendering import address

RESULTS_MAX = 200
_MATCHES_MAX = 3
_PLAIN = ("id", "name", "vendor", "model", "location", "serial", "firmware")

# The columns of each list, by section and field. What no part of the list has is left out.
_COLUMNS: Mapping[tuple[str, str], str] = {
    ("cpus", "sockets"): "id model core_count thread_count max_speed_mhz firmware status",
    ("memory", "slots"): "id size_bytes type configured_speed_mts rated_speed_mts vendor part_number serial "
    "corrected_error_count uncorrected_error_count",
    ("memory", "controllers"): "id name size_bytes corrected_error_count uncorrected_error_count",
    ("storage", "disks"): "id location model size_bytes serial firmware temperature_celsius percentage_used "
    "power_on_hours",
    ("storage", "controllers"): "id model driver firmware condition status",
    ("storage", "arrays"): "id level state size_bytes missing_disks sync_action",
    ("pcie", "devices"): "id name location class_name driver",
    ("pcie", "slots"): "id type width speed_gtps usage",
    ("network", "interfaces"): "id model driver permanent_mac mac speed_mbps carrier firmware",
    ("network", "infiniband"): "id model firmware node_guid",
    ("psus", "psus"): "id name present model serial capacity_watts input_watts output_watts power_watts",
    ("sensors", "sensors"): "name location value unit status",
    ("bmc", "controllers"): "id vendor name firmware ipmi_version",
    ("bmc", "fru_devices"): "id name vendor model part_number serial",
    ("gpus", "gpus"): "id name location serial firmware driver condition",
    ("firmware", "versions"): "kind name location version id",
}
_NUMBERS = ("_bytes", "_celsius", "_watts", "_mhz", "_mts", "_gtps", "_mbps", "_count", "_hours")
_NUMBER_NAMES = ("value", "width", "percentage_used", "missing_disks")


class Column(NamedTuple):
    key: str
    label: str
    number: bool


class Row(NamedTuple):
    """``cells``: as the columns; empty where it is not known. ``href``: to all about it."""

    cells: tuple[str, ...]
    href: str
    verdict: str


class Table(NamedTuple):
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Found(NamedTuple):
    """A part that a search found, and the facts that it was found by."""

    section: str
    part: Component
    href: str
    matches: tuple[Fact, ...]


def part_address(part: Component) -> str:
    return address("inventory", part.section, part=part.id, n=part.number or "")


def tables(section: SectionView) -> tuple[Table, ...]:
    """One for each kind of part."""
    by_kind: dict[str, list[Component]] = {}
    for part in section.components:
        by_kind.setdefault(part.kind, []).append(part)
    return tuple(_table(section.name, kind, parts) for kind, parts in by_kind.items())


def section_facts(section: SectionView) -> tuple[Fact, ...]:
    """What is known of a section beside its parts."""
    return tuple(facts(section.facts, section=section.name))


def part_facts(part: Component) -> tuple[Fact, ...]:
    return tuple(facts(part.facts, section=part.section))


def search(inventory: Inventory, text: str) -> tuple[Found, ...]:
    """Parts in whose facts every word of the text is found; at most RESULTS_MAX."""
    wanted = [word.casefold() for word in text.split()]
    found: list[Found] = []
    for section in inventory.sections if wanted else ():
        for part in section.components:
            known = [(fact, f"{fact.label} {fact.value}".casefold()) for fact in part_facts(part)]
            whole = " ".join([section.name.casefold(), *(text for _, text in known)])
            if not all(word in whole for word in wanted):
                continue
            matches = [fact for fact, text in known if fact.value and any(word in text for word in wanted)]
            found.append(Found(section.name, part, part_address(part), tuple(matches[:_MATCHES_MAX])))
            if len(found) >= RESULTS_MAX:
                return tuple(found)
    return tuple(found)


def _table(section: str, key: str, parts: Sequence[Component]) -> Table:
    names = _COLUMNS.get((section, key), "").split() or _PLAIN
    used = [name for name in names if any(part.facts.get(name) not in (None, "", []) for part in parts)]
    columns = tuple(Column(name, _label(name), _is_number(name)) for name in used)
    rows = tuple(
        Row(tuple(_cells(part, used)), part_address(part), "" if part.verdict == "OK" else part.verdict)
        for part in parts
    )
    return Table(_label(key) or section, columns, rows)


def _cells(part: Component, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = part.facts.get(name)
        if isinstance(value, list):
            value = ", ".join(str(one) for one in value)
        yield "" if value is None else worded(name, value, part.section)


def _label(name: str) -> str:
    words = label(name)
    return words if words[:2].isupper() else f"{words[:1].upper()}{words[1:]}"


def _is_number(name: str) -> bool:
    return name.endswith(_NUMBERS) or name in _NUMBER_NAMES
