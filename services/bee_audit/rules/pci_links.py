"""Links against what both of their ends can do. A link is judged once, at its lower end."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from bee_audit.rules.pci_places import (
    BRIDGE,
    below_hypervisor,
    component,
    lower_ends,
    saves_power_by_speed,
    takes_whole_slot,
    where,
)
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Severity, Threshold
from bee_bus.documents.pcie import PcieDevice, PcieLink, PcieSection

RESEAT = (
    "Switch the machine off, reseat the card with its riser and cables, look at the contacts, and audit "
    "again; if it stays, try the card in another slot to tell card from slot."
)
UNDER_LOAD = "Measure the link under load (bee sat nvidia), or audit again while the GPU works."
Number = TypeVar("Number", int, float)

LOWEST_GTPS = 2.5
# From 8 GT/s on a link equalizes before it runs, and its registers keep that it did.
EQUALIZED_FROM_GTPS = 8.0
# Idle GPUs go down to the first two speeds; one in between was not chosen to save power.
IDLE_GTPS = 5.0


def link_width(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Width is negotiated when a link comes up and stays: fewer lanes than both ends have is a fault."""
    for device, link in _links(hardware):
        current, ability = link.current_width, link.ability_width
        if not current or ability is None or current >= ability or takes_whole_slot(link):
            continue
        yield Finding(
            rule="pcie.link-width",
            severity="Critical",
            component=component(device),
            where=where(device),
            message=f"{device.name} runs on {current} of {ability} lanes: it has {link.max_width}, "
            f"its port {device.parent} has {link.port_max_width}",
            next_step=RESEAT,
            value=current,
            threshold=_ability(device, "pcie.link_width", ability, "lanes"),
        )


def link_speed(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A speed below that of both ends is a fault, except of a GPU, which may be saving power."""
    if hardware.pcie is None:
        return
    for device, link in _links(hardware):
        current, ability = link.current_speed_gtps, link.ability_speed_gtps
        if current is None or ability is None or current >= ability:
            continue
        if saves_power_by_speed(device, hardware.pcie):
            judged = _idle_gpu(link, current, ability)
        else:
            judged = _slow(device, link, current, ability)
        if judged is None:
            continue
        severity, reason, next_step = judged
        yield Finding(
            rule="pcie.link-speed",
            severity=severity,
            component=component(device),
            where=where(device),
            message=f"{device.name} runs at {current:g} GT/s, both ends can do {ability:g}{reason}",
            next_step=next_step,
            value=current,
            threshold=_ability(device, "pcie.link_speed", ability, "GT/s"),
        )


def other_end_unseen(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """In a virtual machine the port above a device may be hidden: then nobody knows what the link can do."""
    if hardware.pcie is None:
        return
    for device, link in _links(hardware):
        if link.ability_width is not None or not link.current_width or link.max_width is None:
            continue
        narrow = link.current_width < link.max_width
        slow = (
            link.current_speed_gtps is not None
            and link.max_speed_gtps is not None
            and link.current_speed_gtps < link.max_speed_gtps
            and not saves_power_by_speed(device, hardware.pcie)
        )
        if narrow or slow:
            yield Finding(
                rule="pcie.other-end-unseen",
                severity="Unknown",
                component=component(device),
                where=where(device),
                message=f"{device.name} runs at {_shape(link.current_speed_gtps, link.current_width)}, "
                f"can do {_shape(link.max_speed_gtps, link.max_width)}, and the port above it cannot be seen",
                next_step="Audit the machine without a hypervisor, or look at the host's port.",
                value=link.current_width if narrow else link.current_speed_gtps,
            )


def slot_lanes(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A port set up for fewer lanes than slot and card have: the setup has divided the slot (bifurcation)."""
    for device, link in _links(hardware):
        lanes, port = link.slot_width, link.port_max_width
        if lanes is None or port is None or link.max_width is None or not port < lanes <= link.max_width:
            continue
        yield Finding(
            rule="pcie.slot-lanes",
            severity="Warning",
            component=component(device),
            where=where(device),
            message=f"{device.name} and its slot have {link.max_width} and {lanes} lanes, "
            f"and the port {device.parent} is set up for {port}",
            next_step="Look at the bifurcation of this slot in the BIOS setup, and at the riser.",
            value=port,
            threshold=Threshold(
                name="pcie.slot_lanes",
                value=lanes,
                unit="lanes",
                source=f"SMBIOS type 9 of {device.location}",
                layer="device",
            ),
        )


def unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Identical devices with links that differ: each may be within its limits, and the odd one is visible."""
    if hardware.pcie is None:
        return
    peers: dict[tuple[str | None, ...], list[tuple[PcieDevice, PcieLink]]] = defaultdict(list)
    for device, link in _links(hardware):
        if device.class_id != BRIDGE and link.current_width:
            kind = (
                *(device.vendor_id, device.device_id),
                *(device.subsystem_vendor_id, device.subsystem_device_id),
            )
            peers[kind].append((device, link))
    for group in peers.values():
        yield from _odd_ones(group, hardware.pcie)


def _odd_ones(group: list[tuple[PcieDevice, PcieLink]], section: PcieSection) -> Iterator[Finding]:
    width = _usual(link.current_width for _, link in group)
    by_speed = not saves_power_by_speed(group[0][0], section)
    speed = _usual(link.current_speed_gtps for _, link in group) if by_speed else None
    for device, link in group:
        narrow = width is not None and (link.current_width or 0) < width
        slow = speed is not None and link.current_speed_gtps is not None and link.current_speed_gtps < speed
        # What both ends allow and the link does not reach is another rule's finding.
        if not (narrow and _reaches_width(link)) and not (slow and _reaches_speed(link)):
            continue
        yield Finding(
            rule="pcie.unlike-peers",
            severity="Warning",
            component=component(device),
            where=where(device),
            message=f"{device.name} runs at {_shape(link.current_speed_gtps, link.current_width)}, "
            f"most of the {len(group)} of its kind at {_shape(speed, width)}",
            next_step="Look whether this card belongs in a slot like those of the others.",
            value=link.current_width if narrow else link.current_speed_gtps,
            threshold=Threshold(
                name="pcie.unlike_peers",
                value=float((width if narrow else speed) or 0),
                unit="lanes" if narrow else "GT/s",
                source=f"the usual value of the {len(group)} identical devices of this machine",
                layer="device",
            ),
        )


def _links(hardware: Hardware) -> Iterator[tuple[PcieDevice, PcieLink]]:
    if hardware.pcie is not None:
        unseen = below_hypervisor(hardware.pcie)
        for device in lower_ends(hardware.pcie):
            if device.link is not None:
                yield device, _alone(device.link) if device.id in unseen else device.link


def _alone(link: PcieLink) -> PcieLink:
    """The device's own end, without what a port says that is not the other end."""
    return msgspec.structs.replace(
        link,
        port_max_speed_gtps=None,
        port_max_width=None,
        ability_speed_gtps=None,
        ability_width=None,
        target_speed_gtps=None,
    )


def _slow(device: PcieDevice, link: PcieLink, current: float, ability: float) -> tuple[Severity, str, str]:
    target, slot = link.target_speed_gtps, link.slot_speed_gtps
    if target is not None and LOWEST_GTPS < target <= current:
        reason = f", and the port {device.parent} is set to at most {target:g}"
        return "Warning", reason, "Set the slot's link speed to automatic in the BIOS setup, and audit again."
    if slot is not None and slot <= current:
        reason = f"; SMBIOS calls its slot one of {slot:g} GT/s"
        return "Warning", reason, "Compare the slot's generation in the board's manual with the card's."
    return "Critical", "", RESEAT


def _idle_gpu(link: PcieLink, current: float, ability: float) -> tuple[Severity, str, str] | None:
    """None when the link has run at its full speed once and saves power now, at one of the lowest speeds.

    One that ran at its full speed and is at a speed in between now may have fallen back on errors.
    """
    equalized = link.equalized_gtps
    if equalized is not None and equalized >= ability >= EQUALIZED_FROM_GTPS:
        if current <= IDLE_GTPS:
            return None
        return "Unknown", "; it did so once, and an idle GPU goes further down than this", UNDER_LOAD
    if current > IDLE_GTPS:
        reason = ", and this is no speed that an idle GPU chooses"
        return "Warning", reason, f"{UNDER_LOAD} If the speed stays: {RESEAT[0].lower()}{RESEAT[1:]}"
    return "Unknown", "; an idle GPU lowers it, and nothing shows that this one ever ran faster", UNDER_LOAD


def _reaches_width(link: PcieLink) -> bool:
    return (
        link.ability_width is None
        or (link.current_width or 0) >= link.ability_width
        or takes_whole_slot(link)
    )


def _reaches_speed(link: PcieLink) -> bool:
    return link.ability_speed_gtps is None or (link.current_speed_gtps or 0) >= link.ability_speed_gtps


def _usual(values: Iterable[Number | None]) -> Number | None:
    """The most frequent value, of several equally frequent ones the highest."""
    counts = Counter(value for value in values if value is not None)
    return max(counts, key=lambda value: (counts[value], value)) if len(counts) > 1 else None


def _shape(speed_gtps: float | None, width: int | None) -> str:
    parts = [f"{speed_gtps:g} GT/s" if speed_gtps else "", f"x{width}" if width else ""]
    return " ".join(filter(None, parts)) or "an unknown speed"


def _ability(device: PcieDevice, name: str, value: float, unit: str) -> Threshold:
    return Threshold(
        name=name,
        value=value,
        unit=unit,
        source=f"link capabilities of {device.id} and its port {device.parent}",
        layer="device",
    )
