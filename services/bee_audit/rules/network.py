"""Rules over network interfaces, and the table of all of the area. A port without a cable is no fault."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.infiniband import port_down, port_errors, port_narrow, port_unlike_peers
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Threshold
from bee_bus.documents.network import NetworkInterface

# What programmers of adapters leave in an EEPROM that nobody filled.
FILLER_MACS = (
    *("00:01:02:03:04:05", "00:11:22:33:44:55", "01:02:03:04:05:06", "12:34:56:78:9a:bc"),
    *("88:88:88:88:87:88", "00:e0:4c:68:00:01", "00:e0:4c:00:00:01"),
)
# Interfaces of an adapter in switch mode that stand for one of its functions, not for a port.
_STAND_IN = re.compile(r"pf\d+(?:vf|sf)\d+|hpf")
CABLE = "Reseat or replace cable and transceiver, and try another port of the switch."


def link_slow(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A link slower than its ends allow, as with a broken pair in the cable."""
    for interface in _ports(hardware):
        speed, own, partner = interface.speed_mbps, interface.max_speed_mbps, interface.partner_speed_mbps
        if not interface.carrier or speed is None or own is None:
            continue
        ability = min(own, partner) if partner is not None else own
        if speed >= ability:
            continue
        allowed = "both ends can do" if partner is not None else "the port can do"
        yield Finding(
            rule="network.link-slow",
            severity="Warning",
            component=f"network/{interface.id}",
            where=where(interface, hardware),
            message=f"{interface.id} runs at {_gbps(speed)}, {allowed} {_gbps(ability)}",
            next_step=CABLE
            if partner is not None
            else f"Look what the switch's port, the transceiver and the cable can do. {CABLE}",
            value=speed,
            threshold=Threshold(
                name="network.link_speed",
                value=ability,
                unit="Mb/s",
                source="link modes of the port" + (" and of the other end" if partner is not None else ""),
                layer="device",
            ),
        )


def half_duplex(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for interface in _ports(hardware):
        if interface.carrier and interface.duplex == "half":
            yield Finding(
                rule="network.half-duplex",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"{interface.id} runs at half duplex: one end does not negotiate",
                next_step="Set the switch's port to negotiate its speed; then replace the cable.",
                value="half",
            )


def crc_errors(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    limit = thresholds["network.crc_error_ratio"]
    minimum = thresholds.number("network.crc_errors_minimum")
    for interface in _ports(hardware):
        errors = interface.errors
        count = (errors.rx_crc_errors if errors else None) or 0
        ratio = count / max(1, (errors.rx_packets if errors else None) or 0, count)
        if count > minimum and ratio > thresholds.number(limit.name):
            yield Finding(
                rule="network.crc-errors",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"{interface.id} received {count} damaged frames since its driver was loaded, "
                f"{ratio:.1e} of all",
                next_step=CABLE,
                value=ratio,
                threshold=limit,
            )


def link_losses(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    limit = thresholds["network.link_losses"]
    for interface in _ports(hardware):
        count = (interface.errors.carrier_down_count if interface.errors else None) or 0
        if count > thresholds.number(limit.name):
            yield Finding(
                rule="network.link-losses",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"The link of {interface.id} went down {count} times since boot",
                next_step=CABLE,
                value=count,
                threshold=limit,
            )


def filler_mac(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """An address that nobody assigned: the adapter's own memory is empty or damaged."""
    for interface in _ports(hardware):
        mac = interface.permanent_mac or interface.mac
        if mac is None:
            continue
        if interface.mac_assignment == "random" and interface.permanent_mac in (None, interface.mac):
            reason = "the driver found no valid one and made this up"
        elif _is_filler(mac):
            reason = "which is a vendor's filler"
        else:
            continue
        yield Finding(
            rule="network.filler-mac",
            severity="Warning",
            component=f"network/{interface.id}",
            where=where(interface, hardware),
            message=f"{interface.id} has the MAC address {mac}, {reason}",
            next_step="Have the adapter's MAC address written by its vendor's tool, or replace the adapter.",
            value=mac,
        )


def duplicate_mac(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Two adapters with one address. Bonds share one on purpose, so that the permanent one counts."""
    owners: dict[str, list[NetworkInterface]] = defaultdict(list)
    for interface in _ports(hardware):
        mac = interface.permanent_mac
        if mac is None and interface.mac_assignment in (None, "permanent") and interface.bond is None:
            mac = interface.mac
        if mac is not None and not _is_filler(mac):
            owners[mac].append(interface)
    for mac, interfaces in owners.items():
        for interface in interfaces[1:]:
            yield Finding(
                rule="network.duplicate-mac",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"{interface.id} has the same MAC address {mac} as {interfaces[0].id}",
                next_step="Have the MAC address of one of them written anew by the vendor's tool.",
                value=mac,
            )


def firmware_unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Identical adapters with different firmware."""
    peers: dict[tuple[str | None, ...], list[NetworkInterface]] = defaultdict(list)
    for interface in _ports(hardware):
        if interface.firmware is not None and interface.device_id is not None:
            kind = (
                *(interface.vendor_id, interface.device_id),
                *(interface.subsystem_vendor_id, interface.subsystem_device_id),
            )
            peers[kind].append(interface)
    for group in peers.values():
        counts = Counter(interface.firmware for interface in group)
        usual = max(counts, key=lambda version: (counts[version], version or ""))
        for interface in group:
            if interface.firmware == usual:
                continue
            yield Finding(
                rule="network.firmware-unlike-peers",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"{interface.id} ({interface.name}) has firmware {interface.firmware}, "
                f"others of its kind {usual}",
                next_step="Bring all adapters of this kind to one firmware.",
                value=interface.firmware,
                threshold=Threshold(
                    name="network.firmware",
                    value=usual or "",
                    source=f"the usual version of the {len(group)} identical ports of this machine",
                    layer="device",
                ),
            )


def speed_unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Of drivers that do not tell what a port can do, its peers tell."""
    peers: dict[tuple[str | None, ...], list[NetworkInterface]] = defaultdict(list)
    for interface in _ports(hardware):
        if interface.max_speed_mbps is not None or interface.device_id is None:
            continue
        if interface.carrier and interface.speed_mbps:
            kind = (interface.vendor_id, interface.device_id, interface.subsystem_device_id)
            peers[kind].append(interface)
    for group in peers.values():
        best = max(interface.speed_mbps or 0 for interface in group)
        for interface in group:
            if interface.speed_mbps is None or interface.speed_mbps >= best:
                continue
            yield Finding(
                rule="network.speed-unlike-peers",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"{interface.id} runs at {_gbps(interface.speed_mbps)}, "
                f"others of its kind at {_gbps(best)}",
                next_step=CABLE,
                value=interface.speed_mbps,
                threshold=Threshold(
                    name="network.speed_unlike_peers",
                    value=best,
                    unit="Mb/s",
                    source=f"the fastest of the {len(group)} identical ports of this machine",
                    layer="device",
                ),
            )


def where(interface: NetworkInterface, hardware: Hardware) -> str:
    """For hands: "eth2, 0000:3b:00.0 in SLOT 4, MAC 0c:42:a1:00:00:01"."""
    parts = [interface.id]
    if interface.pci_address is not None:
        devices = hardware.pcie.devices if hardware.pcie else ()
        slot = next((device.location for device in devices if device.id == interface.pci_address), None)
        parts.append(f"{interface.pci_address} in {slot}" if slot else interface.pci_address)
    if interface.mac is not None:
        parts.append(f"MAC {interface.mac}")
    return ", ".join(parts)


def _ports(hardware: Hardware) -> Iterator[NetworkInterface]:
    """The ports of the machine's own adapters: no virtual functions, no USB links to a BMC, no tunnels."""
    for interface in hardware.network.interfaces if hardware.network else ():
        own = interface.physical and not interface.virtual_function and interface.bus != "usb"
        if own and interface.type == "ethernet" and not _STAND_IN.search(interface.port_name or ""):
            yield interface


def _is_filler(mac: str) -> bool:
    octets = mac.split(":")
    if len(octets) != 6:
        return False
    return (
        mac in FILLER_MACS
        or len(set(octets)) == 1
        or octets[:3] == ["00"] * 3
        or octets[3:] in (["00"] * 3, ["ff"] * 3)
        or bool(int(octets[0], 16) & 1)  # a group's address cannot be a sender's
    )


def _gbps(mbps: int) -> str:
    return f"{mbps / 1000:g} Gb/s" if mbps >= 1000 else f"{mbps} Mb/s"


RULES: tuple[Rule, ...] = (
    link_slow,
    half_duplex,
    crc_errors,
    link_losses,
    filler_mac,
    duplicate_mac,
    firmware_unlike_peers,
    speed_unlike_peers,
    port_down,
    port_narrow,
    port_errors,
    port_unlike_peers,
)
