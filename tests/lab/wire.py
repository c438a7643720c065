"""What a machine said on its network, from QEMU's packet dump (filter-dump, the pcap format of tcpdump).

A live system may ask for its addresses, find its neighbours and answer who spoke to it. All else that it
sends is a *stray*: `strays` names every one.
"""

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Ethernet types (IEEE 802 numbers), IP protocols and ICMP types (IANA).
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
HOP_BY_HOP, ICMP, TCP, UDP, ICMPV6 = 0, 1, 6, 17, 58
ECHO_REPLY, ECHO_REQUEST = 0, 8
ECHO_REQUEST_V6, ECHO_REPLY_V6 = 128, 129
# Multicast listener (RFC 2710, 3810), router and neighbour solicitation, neighbour advertisement (RFC 4861).
NEIGHBOURS_V6 = {131, 132, 143, 133, 135, 136}
ADDRESSES = {(68, 67), (546, 547)}  # DHCP (RFC 2131) and DHCPv6 (RFC 8415), from the client
SYN, ACK = 0x02, 0x10


@dataclass(frozen=True)
class Packet:
    """``ports``: of TCP and UDP, source first. ``kind``: an ICMP type, or the flags of TCP.

    ``continued``: it is not the first fragment of what it belongs to, so it says neither of them.
    """

    source_mac: str
    ethernet_type: int
    source: str = ""
    target: str = ""
    protocol: int = -1
    ports: tuple[int, int] = (0, 0)
    kind: int = 0
    continued: bool = False

    def __str__(self) -> str:
        if not self.source:
            return f"Ethernet type {self.ethernet_type:#06x}"
        name = {ICMP: "ICMP", TCP: "TCP", UDP: "UDP", ICMPV6: "ICMPv6"}.get(self.protocol, str(self.protocol))
        if self.protocol in (TCP, UDP):
            return f"{name} {self.source} port {self.ports[0]} to {self.target} port {self.ports[1]}"
        return f"{name} type {self.kind} {self.source} to {self.target}"


def packets(dump: Path) -> Iterator[Packet]:
    """Every frame of a dump; the last is left out when it was cut in the middle of being written."""
    raw = dump.read_bytes()
    if len(raw) < 24:
        return
    order = "<" if raw[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    magic, link = struct.unpack_from(order + "I16xI", raw)
    if (magic, link) != (0xA1B2C3D4, 1):
        raise ValueError(f"{dump}: this is no dump of Ethernet frames")
    at = 24
    while at + 16 <= len(raw):
        (length,) = struct.unpack_from(order + "8xI", raw, at)
        frame = raw[at + 16 : at + 16 + length]
        if len(frame) == length:
            yield decode(frame)
        at += 16 + length


def decode(frame: bytes) -> Packet:
    """One Ethernet frame; what is too short for its own headers keeps what could be read."""
    source_mac = frame[6:12].hex(":")
    kind = int.from_bytes(frame[12:14], "big")
    body = frame[14:]
    if kind == IPV4 and len(body) >= 20:
        header = (body[0] & 0x0F) * 4
        source, target = (str(ipaddress.IPv4Address(body[at : at + 4])) for at in (12, 16))
        if int.from_bytes(body[6:8], "big") & 0x1FFF:
            return Packet(source_mac, kind, source, target, body[9], continued=True)
        return _above_ip(source_mac, kind, source, target, body[9], body[header:])
    if kind == IPV6 and len(body) >= 40:
        source, target = (str(ipaddress.IPv6Address(body[at : at + 16])) for at in (8, 24))
        protocol, payload = body[6], body[40:]
        if protocol == HOP_BY_HOP and len(payload) >= 2:
            protocol, payload = payload[0], payload[(payload[1] + 1) * 8 :]
        return _above_ip(source_mac, kind, source, target, protocol, payload)
    return Packet(source_mac, kind)


def _above_ip(mac: str, kind: int, source: str, target: str, protocol: int, payload: bytes) -> Packet:
    ports, detail = (0, 0), 0
    if protocol in (TCP, UDP) and len(payload) >= 4:
        ports = struct.unpack_from(">HH", payload)
    if protocol == TCP and len(payload) >= 14:
        detail = payload[13]
    if protocol in (ICMP, ICMPV6) and payload:
        detail = payload[0]
    return Packet(mac, kind, source, target, protocol, ports, detail)


def strays(seen: Iterable[Packet], mac: str) -> list[str]:
    """What the machine with this address sent of its own accord beyond finding addresses and neighbours."""
    asked: set[tuple[str, str, int, tuple[int, int]]] = set()
    found = []
    for packet in seen:
        if packet.continued:  # its first fragment is judged
            continue
        there_and_back = (packet.target, packet.source, packet.protocol, packet.ports[::-1])
        if packet.source_mac != mac:
            opens = packet.protocol == TCP and packet.kind & (SYN | ACK) == SYN
            if opens or (packet.protocol, packet.kind) in ((ICMP, ECHO_REQUEST), (ICMPV6, ECHO_REQUEST_V6)):
                asked.add(there_and_back)
        elif not _allowed(packet, (packet.source, packet.target, packet.protocol, packet.ports) in asked):
            found.append(str(packet))
    return found


def _allowed(packet: Packet, asked: bool) -> bool:
    match packet.protocol:
        case -1:
            return packet.ethernet_type == ARP
        case protocol if protocol == UDP:
            return packet.ports in ADDRESSES
        case protocol if protocol == TCP:
            return asked
        case protocol if protocol == ICMP:
            return asked and packet.kind == ECHO_REPLY
        case protocol if protocol == ICMPV6:
            return packet.kind in NEIGHBOURS_V6 or (asked and packet.kind == ECHO_REPLY_V6)
    return False
