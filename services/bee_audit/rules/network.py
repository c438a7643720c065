"""Rules over network interfaces, and the table of all of the area. A port without a cable is no fault."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.infiniband import port_down, port_errors, port_narrow, port_slow, port_unlike_peers
from bee_audit.rules.network_adapters import without_ports
from bee_audit.rules.network_ports import ports, where
from bee_audit.rules.thresholds import Thresholds
from bee_audit.rules.transceivers import past_alarm
from bee_bus.documents.audit import Finding, Hardware, Threshold
from bee_bus.documents.network import NetworkInterface

# What programmers of adapters leave in an EEPROM that nobody filled.
FILLER_MACS = (
    *("00:01:02:03:04:05", "00:11:22:33:44:55", "01:02:03:04:05:06", "12:34:56:78:9a:bc"),
    *("88:88:88:88:87:88", "00:e0:4c:68:00:01", "00:e0:4c:00:00:01"),
)
GIGABIT, TEN_GIGABIT = 1000, 10000  # Mb/s
CABLE = "Reseat or replace cable and transceiver, and try another port of the switch."


def link_slow(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A link slower than its ends allow, as with a broken pair in the cable.

    Drivers list what a port can do with any transceiver; the one that is plugged in may do less.
    """
    for interface in ports(hardware):
        speed, own, partner = interface.speed_mbps, interface.max_speed_mbps, interface.partner_speed_mbps
        if not interface.carrier or speed is None or own is None:
            continue
        module = interface.transceiver
        plugged = module.max_speed_mbps if module and module.checksum_valid else None
        ability = min(one for one in (own, plugged, partner) if one is not None)
        if speed >= ability or (partner is None and speed >= GIGABIT and _is_twisted_pair(interface)):
            continue
        own_side = "the port and its transceiver" if plugged is not None else "the port"
        allowed = "both ends can do" if partner is not None else f"{own_side} can do"
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
                source="link modes of the port"
                + (", standard of its transceiver" if plugged is not None else "")
                + (" and those of the other end" if partner is not None else ""),
                layer="device",
            ),
        )


def half_duplex(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for interface in ports(hardware):
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
    for interface in ports(hardware):
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
    for interface in ports(hardware):
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
    for interface in ports(hardware):
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
    """Two adapters with one address. Bonds share one on purpose, so that the permanent one counts.

    In clouds a virtual function has the address of the interface that it is a part of.
    """
    owners: dict[str, list[NetworkInterface]] = defaultdict(list)
    for interface in ports(hardware):
        mac = interface.permanent_mac
        if mac is None and interface.mac_assignment in (None, "permanent") and interface.bond is None:
            mac = interface.mac
        if mac is not None and not _is_filler(mac):
            owners[mac].append(interface)
    for mac, interfaces in owners.items():
        wholes = [one for one in interfaces if one.bond not in {other.id for other in interfaces}]
        for interface in wholes[1:]:
            yield Finding(
                rule="network.duplicate-mac",
                severity="Warning",
                component=f"network/{interface.id}",
                where=where(interface, hardware),
                message=f"{interface.id} has the same MAC address {mac} as {wholes[0].id}",
                next_step="Have the MAC address of one of them written anew by the vendor's tool.",
                value=mac,
            )


def firmware_unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Identical adapters with different firmware."""
    peers: dict[tuple[str | None, ...], list[NetworkInterface]] = defaultdict(list)
    for interface in ports(hardware):
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
    for interface in ports(hardware):
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


def _is_twisted_pair(interface: NetworkInterface) -> bool:
    """Whether the cable has four pairs, which 1 Gb/s needs whole: a broken one leaves 100 Mb/s.

    So above it the switch decides. That of a management network has 1 Gb/s, for ports that could do ten times
    that, and most drivers of such ports do not tell what the other end offers.
    """
    plugged = interface.transceiver
    if plugged is not None:
        return plugged.connector == "RJ45"
    return interface.connector == "twisted pair" and (interface.max_speed_mbps or 0) <= TEN_GIGABIT


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
    without_ports,
    link_slow,
    half_duplex,
    crc_errors,
    link_losses,
    filler_mac,
    duplicate_mac,
    firmware_unlike_peers,
    speed_unlike_peers,
    past_alarm,
    port_down,
    port_narrow,
    port_slow,
    port_errors,
    port_unlike_peers,
)
