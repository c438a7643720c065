"""Every firmware version in one table, equal ones together."""

from collections.abc import Iterator

from bee_bus.documents.firmware import FirmwareSection, FirmwareVersion
from bee_bus.units import ranges
from bee_cli.render.page import Page


def put_firmware(page: Page, firmware: FirmwareSection) -> None:
    page.heading("firmware")
    page.table(("=kind", "component", "where", "=version"), _rows(firmware))


def _rows(firmware: FirmwareSection) -> Iterator[tuple[str, str, str, str]]:
    groups: dict[tuple[str, str, str], list[FirmwareVersion]] = {}
    for one in firmware.versions:
        groups.setdefault((one.kind, one.name or "", one.version), []).append(one)
    for (kind, name, version), same in groups.items():
        times = f"{len(same)} × {name}" if len(same) > 1 else name
        yield kind, times, ranges(filter(None, map(_place, same))), version


def _place(one: FirmwareVersion) -> str:
    """Where it runs: the component, when that says more than its kind."""
    component = one.id.partition("/")[2]
    return one.location or (component if component.lower() != one.kind.lower() else "")
