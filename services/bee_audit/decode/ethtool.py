"""The kernel's answers to ethtool requests (structures of <linux/ethtool.h>, in the machine's byte order)."""

from collections.abc import Iterator, Mapping

import msgspec
from construct import Array, Bytes, Int8sn, Int8un, Int32un, Padding, Struct

from bee_audit.decode import DecodeError

UNKNOWN_SPEED = 0xFFFFFFFF


class DriverInfo(msgspec.Struct, frozen=True):
    driver: str | None
    version: str | None
    firmware: str | None
    bus_address: str | None


class LinkSettings(msgspec.Struct, frozen=True):
    """Speeds in Mb/s, None when unknown. The maxima come from the link modes that each side offers.

    ``partner_mbps``: what the other end advertises; None where it does not say (no autonegotiation, or a
    driver that does not tell).
    """

    speed_mbps: int | None
    duplex: str | None
    port: str | None
    autonegotiation: bool
    supported_mbps: int | None
    advertised_mbps: int | None
    partner_mbps: int | None


_DRIVER_INFO = Struct(
    "command" / Int32un,
    "driver" / Bytes(32),
    "version" / Bytes(32),
    "firmware" / Bytes(32),
    "bus" / Bytes(32),
)
_LINK_SETTINGS = Struct(
    "command" / Int32un,
    "speed" / Int32un,
    "duplex" / Int8un,
    "port" / Int8un,
    "phy_address" / Int8un,
    "autonegotiation" / Int8un,
    "mdio" / Int8un,
    "crossover" / Int8un,
    "crossover_control" / Int8un,
    "words" / Int8sn,
    Padding(4 + 7 * 4),
)
_ADDRESS = Struct("command" / Int32un, "size" / Int32un)
_MODULE_INFO = Struct("command" / Int32un, "type" / Int32un, "length" / Int32un)
_EEPROM = Struct("command" / Int32un, "magic" / Int32un, "offset" / Int32un, "length" / Int32un)


def decode_driver_info(reply: bytes) -> DriverInfo:
    """ETHTOOL_GDRVINFO. Raises DecodeError."""
    _need(reply, _DRIVER_INFO, "driver information")
    info = _DRIVER_INFO.parse(reply)
    return DriverInfo(_text(info.driver), _text(info.version), _text(info.firmware), _text(info.bus))


def decode_permanent_address(reply: bytes) -> str | None:
    """ETHTOOL_GPERMADDR: "0c:42:a1:00:00:01"; None when the driver knows none. Raises DecodeError."""
    _need(reply, _ADDRESS, "a permanent address")
    head = _ADDRESS.parse(reply)
    address = reply[_ADDRESS.sizeof() :][: head.size]
    return address.hex(":") if any(address) else None


def decode_module_info(reply: bytes) -> int:
    """ETHTOOL_GMODULEINFO: how many bytes the module's memory has. Raises DecodeError."""
    _need(reply, _MODULE_INFO, "module information")
    return int(_MODULE_INFO.parse(reply).length)


def decode_module_eeprom(reply: bytes) -> bytes:
    """ETHTOOL_GMODULEEEPROM: the bytes that were read. Raises DecodeError."""
    _need(reply, _EEPROM, "a module's memory")
    return reply[_EEPROM.sizeof() :][: _EEPROM.parse(reply).length]


def mask_words(reply: bytes) -> int:
    """How many words per mask the kernel has, of its answer to a request for none. Raises DecodeError."""
    _need(reply, _LINK_SETTINGS, "link settings")
    return -int(_LINK_SETTINGS.parse(reply).words)


def decode_link_settings(reply: bytes) -> LinkSettings:
    """ETHTOOL_GLINKSETTINGS. Raises DecodeError."""
    _need(reply, _LINK_SETTINGS, "link settings")
    link = _LINK_SETTINGS.parse(reply)
    size = _LINK_SETTINGS.sizeof()
    words = max(0, link.words)
    if len(reply) < size + 12 * words:
        raise DecodeError(f"link settings state {words} words a mask, and have {len(reply)} bytes")
    masks = Array(3, Array(words, Int32un)).parse(reply[size:])
    supported, advertised, partner = (_best_speed(mask) for mask in masks)
    return LinkSettings(
        speed_mbps=link.speed if link.speed not in (0, UNKNOWN_SPEED) else None,
        duplex=_DUPLEX.get(link.duplex),
        port=_PORT.get(link.port),
        autonegotiation=link.autonegotiation == 1,
        supported_mbps=supported,
        advertised_mbps=advertised,
        partner_mbps=partner,
    )


def _need(reply: bytes, layout: Struct, what: str) -> None:
    if len(reply) < layout.sizeof():
        raise DecodeError(f"{what} in {len(reply)} bytes, at least {layout.sizeof()} expected")


def _text(raw: bytes) -> str | None:
    text = raw.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return text if text and text.isprintable() and text.upper() not in ("N/A", "UNKNOWN") else None


def _best_speed(mask: list[int]) -> int | None:
    bits = (32 * index + bit for index, word in enumerate(mask) for bit in range(32) if word >> bit & 1)
    return max((speed for bit in bits if (speed := LINK_MODES_MBPS.get(bit))), default=None)


_DUPLEX = {0: "half", 1: "full"}
_PORT = {
    0: "twisted pair",
    1: "AUI",
    2: "MII",
    3: "fibre",
    4: "BNC",
    5: "direct attach",
}


def _modes() -> Iterator[tuple[int, int]]:
    """Bit and Mb/s of enum ethtool_link_mode_bit_indices, Linux 6.16; bits that are no speed are left out."""
    for mbps, bits in {
        10: (0, 1, 92, 99, 100, 101, 102),
        100: (2, 3, 67, 90, 91),
        1000: (4, 5, 17, 41, 68),
        2500: (15, 47),
        5000: (48,),
        10000: (12, 18, 19, 20, *range(42, 47)),
        20000: (21, 22),
        25000: (31, 32, 33, 125),
        40000: (23, 24, 25, 26),
        50000: (34, 35, 40, *range(52, 57)),
        56000: (27, 28, 29, 30),
        100000: (36, 37, 38, 39, *range(57, 62), *range(75, 80)),
        200000: (*range(62, 67), *range(80, 85), *range(103, 109)),
        400000: (*range(69, 74), *range(85, 90), *range(109, 115)),
        800000: (*range(93, 99), *range(115, 121)),
        1600000: (*range(121, 125),),
    }.items():
        for bit in bits:
            yield bit, mbps


LINK_MODES_MBPS: Mapping[int, int] = dict(_modes())
