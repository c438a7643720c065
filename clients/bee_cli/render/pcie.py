"""PCI Express: what sits on a link of its own, and how that link runs."""

from collections.abc import Iterator

from bee_bus.documents.pcie import PcieDevice, PcieLink, PcieSection
from bee_bus.units import joined, number, ranges, several
from bee_cli.render.page import Page

_BRIDGE = "06"
# Display and accelerator devices lower their link's speed when they have nothing to do.
_IDLES = ("03", "12")


def put_pcie(page: Page, pcie: PcieSection) -> None:
    used = sum(1 for slot in pcie.slots if slot.devices)
    slots = f"{used} of {several(len(pcie.slots), 'slot')} used" if pcie.slots else ""
    page.heading("pcie", joined(several(len(pcie.devices), "function"), slots))
    page.table(("=address", "device", "slot", "link"), _rows(pcie))


def link_text(link: PcieLink, *, idles: bool = False) -> str:
    """ "32 GT/s x16", and what both ends could do when that is more: "8 GT/s x8 of 32 GT/s x16".

    ``idles``: the device slows its link down when idle, so the speed that it has proven counts.
    """
    speed = (link.equalized_gtps if idles else None) or link.current_speed_gtps
    now = _pair(speed, link.current_width)
    able = _pair(link.ability_speed_gtps, link.ability_width)
    slower = bool(speed and link.ability_speed_gtps and speed < link.ability_speed_gtps)
    narrower = bool(link.current_width and link.ability_width and link.current_width < link.ability_width)
    return f"{now} of {able}" if slower or narrower else now


def _rows(pcie: PcieSection) -> Iterator[tuple[str, str, str, str]]:
    """The devices at the end of a link, equal ones in one row; bridges and virtual functions are left out."""
    groups: dict[tuple[str, str], list[PcieDevice]] = {}
    for device in pcie.devices:
        if device.link is None or device.class_id.startswith(_BRIDGE) or device.physical_function:
            continue
        text = link_text(device.link, idles=device.class_id.startswith(_IDLES))
        groups.setdefault((device.name, text), []).append(device)
    for (name, link), devices in groups.items():
        first = devices[0]
        more = f" +{len(devices) - 1}" if len(devices) > 1 else ""
        times = f"{len(devices)} × {name}" if len(devices) > 1 else name
        places = ranges(device.location for device in devices if device.location)
        yield f"{first.id}{more}", times, places, link


def _pair(speed_gtps: float | None, width: int | None) -> str:
    speed = f"{number(speed_gtps)} GT/s" if speed_gtps else ""
    lanes = f"x{width}" if width else ""
    return " ".join(part for part in (speed, lanes) if part)
