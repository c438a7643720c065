"""The judge of what a live system says on the network: what it asks for is found, what it may say is not."""

import ipaddress
import struct
from pathlib import Path

import pytest

from lab.wire import decode, packets, strays

GUEST, HOST = "52:54:00:be:e0:10", "52:55:0a:00:02:02"
GUEST_IP, HOST_IP, NAMES_IP = "10.0.2.15", "10.0.2.2", "10.0.2.3"


def ethernet(source: str, kind: int, body: bytes) -> bytes:
    return b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + struct.pack(">H", kind) + body


def ipv4(source: str, target: str, protocol: int, payload: bytes, *, fragment: int = 0) -> bytes:
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed
    length = 20 + len(payload)
    return struct.pack(">BBHHHBBH", 0x45, 0, length, 1, fragment, 64, protocol, 0) + addresses + payload


def ipv6(target: str, protocol: int, payload: bytes) -> bytes:
    addresses = ipaddress.IPv6Address("fe80::1").packed + ipaddress.IPv6Address(target).packed
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload


def udp(source: int, target: int) -> bytes:
    return struct.pack(">HHHH", source, target, 8, 0)


def tcp(source: int, target: int, flags: int) -> bytes:
    return struct.pack(">HHIIBBHHH", source, target, 1, 1, 0x50, flags, 1024, 0, 0)


def said(*frames: bytes) -> list[str]:
    return strays([decode(frame) for frame in frames], GUEST)


def from_guest(protocol: int, payload: bytes, target: str = HOST_IP, *, fragment: int = 0) -> bytes:
    return ethernet(GUEST, 0x0800, ipv4(GUEST_IP, target, protocol, payload, fragment=fragment))


def from_host(protocol: int, payload: bytes) -> bytes:
    return ethernet(HOST, 0x0800, ipv4(HOST_IP, GUEST_IP, protocol, payload))


def test_a_machine_may_find_its_addresses_and_neighbours() -> None:
    assert (
        said(
            ethernet(GUEST, 0x0806, b"\0\1\x08\0\6\4\0\1" + bytes(20)),
            ethernet(GUEST, 0x0800, ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67))),
            ethernet(GUEST, 0x86DD, ipv6("ff02::1:2", 17, udp(546, 547))),
            ethernet(GUEST, 0x86DD, ipv6("ff02::2", 58, bytes((133,)) + bytes(7))),
            # A multicast report has a hop-by-hop option before it.
            ethernet(GUEST, 0x86DD, ipv6("ff02::16", 0, bytes((58, 0, 5, 2, 0, 0, 1, 0, 143)) + bytes(7))),
        )
        == []
    )


def test_it_may_answer_who_spoke_to_it() -> None:
    assert (
        said(
            from_host(6, tcp(40000, 22, 0x02)),
            from_guest(6, tcp(22, 40000, 0x12)),
            from_guest(6, tcp(22, 40000, 0x18)),
            # A large answer in fragments: only the first has the ports.
            from_guest(6, b"the middle of an answer", fragment=185),
            from_host(1, bytes((8,)) + bytes(7)),
            from_guest(1, bytes((0,)) + bytes(7)),
        )
        == []
    )


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (from_guest(17, udp(43210, 53), NAMES_IP), "UDP 10.0.2.15 port 43210 to 10.0.2.3 port 53"),
        (from_guest(17, udp(123, 123), "192.0.2.1"), "port 123"),
        (from_guest(17, udp(5353, 5353), "224.0.0.251"), "224.0.0.251 port 5353"),
        (from_guest(17, udp(68, 53)), "port 53"),
        (from_guest(6, tcp(50000, 443, 0x02), "192.0.2.1"), "TCP 10.0.2.15 port 50000 to 192.0.2.1 port 443"),
        (from_guest(6, tcp(22, 40000, 0x18)), "port 22 to 10.0.2.2 port 40000"),
        (from_guest(1, bytes((8,)) + bytes(7)), "ICMP type 8"),
        (from_guest(2, bytes((0x22,)) + bytes(7), "224.0.0.22"), "224.0.0.22"),
        (ethernet(GUEST, 0x88CC, b"lldp"), "0x88cc"),
        (ethernet(GUEST, 0x86DD, ipv6("ff02::fb", 17, udp(5353, 5353))), "ff02::fb port 5353"),
        (ethernet(GUEST, 0x86DD, ipv6("2001:db8::1", 58, bytes((128,)) + bytes(7))), "ICMPv6 type 128"),
    ],
    ids=["dns", "ntp", "mdns", "dns-as-dhcp", "https", "unasked", "ping", "igmp", "lldp", "mdns6", "ping6"],
)
def test_what_nobody_asked_for_is_a_stray(frame: bytes, words: str) -> None:
    [stray] = said(frame)
    assert words in stray


def test_an_answer_counts_only_for_who_asked() -> None:
    [stray] = said(from_host(6, tcp(40000, 22, 0x02)), from_guest(6, tcp(22, 40001, 0x12)))
    assert "port 40001" in stray


def test_a_dump_that_is_still_being_written(tmp_path: Path) -> None:
    frames = [from_guest(17, udp(1, 53)), from_guest(17, udp(2, 53))]
    raw = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
    for frame in frames:
        raw += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
    dump = tmp_path / "nic.pcap"
    dump.write_bytes(raw)
    assert [packet.ports for packet in packets(dump)] == [(1, 53), (2, 53)]
    dump.write_bytes(raw[:-5])
    assert [packet.ports for packet in packets(dump)] == [(1, 53)]
    dump.write_bytes(b"")
    assert list(packets(dump)) == []
    dump.write_bytes(b"no dump of anything, but long enough")
    with pytest.raises(ValueError, match="no dump"):
        list(packets(dump))
