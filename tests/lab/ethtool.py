"""A network driver's answers to ethtool, in the structures of <linux/ethtool.h>.

As strict as the kernel: it knows the sizes that a request must leave room for, and has no answer to what it
does not know.
"""

import errno
import struct
from dataclasses import dataclass

from bee_machine import ControlError

WORDS = 4
FULL, HALF, UNKNOWN_DUPLEX = 1, 0, 0xFF
# Bits of enum ethtool_link_mode_bit_indices.
GIGABIT, TEN_GIGABIT, TWENTY_FIVE_GIGABIT, HUNDRED_GIGABIT, MEGABITS_100 = 5, 12, 31, 36, 3
FOUR_HUNDRED_GIGABIT = 70
AUTONEGOTIATION = 6
TWISTED_PAIR, FIBRE = 0, 3


@dataclass(frozen=True)
class Driver:
    """``supported`` and ``partner``: link mode bits. ``module``: a transceiver's memory, page behind page.

    ``pages``: of a driver that reads modules by pages only, which ones follow page 0 in that memory.
    """

    name: str = "ice"
    firmware: str = "4.40 0x8001c967 1.3534.0"
    permanent_mac: str | None = None
    speed: int = 0xFFFFFFFF
    duplex: int = FULL
    port: int = TWISTED_PAIR
    supported: tuple[int, ...] = ()
    partner: tuple[int, ...] = ()
    module: bytes | None = None
    pages: tuple[int, ...] | None = None


class Pages:
    """The control operation "ethtool-module" of a machine, by interface."""

    def __init__(self, **drivers: Driver | OSError) -> None:
        self._drivers = drivers
        self.asked: list[tuple[int, int]] = []  # page and offset

    def __call__(self, device: str, request: bytes) -> bytes:
        driver = self._drivers.get(device)
        if not isinstance(driver, Driver) or driver.pages is None or driver.module is None:
            raise ControlError(errno.EOPNOTSUPP, f"{device}: Operation not supported")
        assert len(request) == 40, "five attributes of eight bytes"
        _, _, offset, _, _, length, _, _, page = struct.unpack_from("=HHIHHIHHB", request)
        self.asked.append((page, offset))
        place = offset if page == 0 else 256 + 128 * driver.pages.index(page) + offset - 128
        return driver.module[place : place + length]


class Drivers:
    """The control operation "ethtool" of a machine, by interface."""

    def __init__(self, **drivers: Driver | OSError) -> None:
        self._drivers = drivers

    def __call__(self, device: str, request: bytes) -> bytes:
        driver = self._drivers.get(device)
        if driver is None:
            raise ControlError(errno.ENODEV, f"{device}: No such device")
        if isinstance(driver, OSError):
            raise driver
        (command,) = struct.unpack_from("=I", request)
        answer = {
            0x03: _driver_info,
            0x20: _permanent_address,
            0x4C: _link_settings,
            0x42: _module_info,
            0x43: _module_eeprom,
        }[command](driver, request)
        if answer is None:
            raise ControlError(errno.EOPNOTSUPP, f"{device}: Operation not supported")
        assert len(answer) <= len(request), "the kernel would write behind the request"
        return answer + request[len(answer) :]


def _driver_info(driver: Driver, request: bytes) -> bytes:
    texts = (driver.name, "6.12.0", driver.firmware, "0000:3b:00.0", "")
    return struct.pack("=I32s32s32s32s32s12s5I", 0x03, *(text.encode() for text in texts), b"", *[0] * 5)


def _permanent_address(driver: Driver, request: bytes) -> bytes:
    address = bytes.fromhex((driver.permanent_mac or "00:00:00:00:00:00").replace(":", ""))
    return struct.pack("=II", 0x20, len(address)) + address


def _link_settings(driver: Driver, request: bytes) -> bytes | None:
    (words,) = struct.unpack_from("=b", request, 15)
    head = "=IIBBBBBBBbBBBB7I"
    if words != WORDS:
        return struct.pack(head, 0x4C, *[0] * 8, -WORDS, *[0] * 11)
    masks = b"".join(_mask(bits) for bits in (driver.supported, driver.supported, driver.partner))
    autonegotiation = int(AUTONEGOTIATION in driver.supported)
    return (
        struct.pack(
            head,
            *(0x4C, driver.speed, driver.duplex, driver.port, 0, autonegotiation, 0, 0, 0, WORDS),
            *[0] * 11,
        )
        + masks
    )


def _mask(bits: tuple[int, ...]) -> bytes:
    return sum(1 << bit for bit in bits).to_bytes(4 * WORDS, "little")


def _module_info(driver: Driver, request: bytes) -> bytes | None:
    if driver.module is None or driver.pages is not None:
        return None
    return struct.pack("=III8I", 0x42, 3, len(driver.module), *[0] * 8)


def _module_eeprom(driver: Driver, request: bytes) -> bytes | None:
    _, _, offset, length = struct.unpack_from("=IIII", request)
    if not driver.module or offset + length > len(driver.module):
        return None
    return request[:16] + driver.module[offset : offset + length]


def qsfp28(
    *,
    vendor: str = "Mellanox",
    part_number: str = "MCP1600-C003E30L",
    serial: str = "MT2",
    standard: int = 0x0B,
    bit_rate: tuple[int, int] = (0xFF, 0x67),
    ends: int = 0,
) -> bytes:
    """A copper cable of three metres (SFF-8636). ``ends``: what it says of lanes that an end has not."""
    memory = bytearray(256)
    memory[0] = memory[128] = 0x11
    memory[113], memory[130] = ends, 0x23
    memory[131] = 0x80 if standard else 0
    memory[140], memory[222] = bit_rate
    memory[146], memory[147] = 3, 0xA0
    memory[148:164] = vendor.encode().ljust(16)
    memory[168:184] = part_number.encode().ljust(16)
    memory[184:186] = b"A5"
    memory[192] = standard
    memory[196:212] = serial.encode().ljust(16)
    memory[212:220] = b"210709  "
    memory[191] = sum(memory[128:191]) & 0xFF
    memory[223] = sum(memory[192:223]) & 0xFF
    return bytes(memory)


def with_page_3(memory: bytes, **limits: tuple[int, int, int, int]) -> bytes:
    """A QSFP that measures itself: 41 °C, 3.3 V, and 1 mW in and out of each lane with 7 mA.

    ``limits``: others than the usual (upper and lower alarm, upper and lower warning).
    """
    lower = bytearray(memory[:256].ljust(512, b"\0"))
    lower[2] &= ~0x04
    lower[22:24] = (41 * 256).to_bytes(2, "big")
    lower[26:28] = (33000).to_bytes(2, "big")
    for lane in range(4):
        for at, value in ((34, 10000), (42, 3500), (50, 10000)):
            lower[at + 2 * lane : at + 2 * lane + 2] = value.to_bytes(2, "big")
    page = bytearray(128)
    usual = {
        "temperature": (0, (75 * 256, 0xFB00, 70 * 256, 0)),
        "voltage": (16, (36300, 29700, 34650, 31350)),
        "received": (48, (21878, 646, 17378, 1023)),
        "current": (56, (6500, 1500, 6000, 2000)),
        "transmitted": (64, (21878, 1778, 17378, 2818)),
    }
    for name, (at, numbers) in usual.items():
        for index, number in enumerate(limits.get(name, numbers)):
            page[at + 2 * index : at + 2 * index + 2] = number.to_bytes(2, "big")
    return bytes(lower + page)


def sfp(
    *,
    temperature: float = 36.5,
    standard: int = 0,
    ten_gigabit: int = 0x10,
    bit_rate: tuple[int, int] = (0x67, 0),
    encoding: int = 6,
    connector: int = 0x07,
    received_milliwatts: float = 0.5,
    monitoring: int = 0x68,
) -> bytes:
    """An optical transceiver, for 10GBASE-SR unless told otherwise, with diagnostics (SFF-8472)."""
    memory = bytearray(512)
    memory[0], memory[2], memory[3] = 0x03, connector, ten_gigabit
    memory[11], memory[12], memory[66] = encoding, *bit_rate
    memory[18], memory[36] = 30, standard
    memory[20:36] = b"Intel Corp".ljust(16)
    memory[40:56] = b"FTLX8571D3BCV-IT".ljust(16)
    memory[56:60] = b"A   "
    memory[68:84] = b"MVV0DE5".ljust(16)
    memory[84:92] = b"150903  "
    memory[92] = monitoring
    memory[63] = sum(memory[0:63]) & 0xFF
    memory[95] = sum(memory[64:95]) & 0xFF
    memory[352:354] = round(temperature * 256).to_bytes(2, "big", signed=True)
    memory[360:362] = round(received_milliwatts * 10000).to_bytes(2, "big")
    memory[256:264] = bytes.fromhex("4b00 fb00 4600 0000")  # 75, -5, 70 and 0 degrees
    memory[288:296] = bytes.fromhex("2710 0064 1f07 009e")  # 1, 0.01, 0.7943 and 0.0158 mW
    return bytes(memory)


def osfp(*, hosts: tuple[int, ...] = ()) -> bytes:
    """An active optical cable of 10 m (CMIS 5.2). ``hosts``: the host's sides of its applications."""
    memory = bytearray(256)
    memory[0] = memory[128] = 0x19
    memory[2] = 0x80
    memory[14:16] = (41 * 256).to_bytes(2, "big")
    memory[86:118] = b"".join(bytes([host, 0x1C, 0x44, 0x01]) for host in hosts).ljust(32, b"\xff")
    memory[129:145] = b"NVIDIA".ljust(16)
    memory[148:164] = b"MFA7U10-H010".ljust(16)
    memory[164:166] = b"A1"
    memory[166:182] = b"MT2315FT00001".ljust(16)
    memory[182:190] = b"230412  "
    memory[202], memory[203] = 1 << 6 | 10, 0x23
    memory[222] = sum(memory[128:222]) & 0xFF
    return bytes(memory)


def osfp_pages(
    *, received: tuple[int, ...] = (10000,) * 4, missing_lanes: int = 0xF0, on: int = 8, stray: int = 1
) -> bytes:
    """Optics for 400 Gb/s with pages 2 and 11h: four lanes of light behind eight of the host.

    ``received``: in 0.1 µW; ``stray``: what is sent where no light is. ``missing_lanes``: as a mask.
    ``on``: how many data paths are activated.
    """
    memory = bytearray(osfp(hosts=(0x11, 0x1C, 0x32)))
    memory[2] = 0
    memory[16:18] = (33000).to_bytes(2, "big")
    memory[210] = missing_lanes
    memory[222] = sum(memory[128:222]) & 0xFF
    limits, lanes = bytearray(128), bytearray(128)
    for at, numbers in (
        (0, (75 * 256, 0xFB00, 70 * 256, 0)),
        (8, (36300, 29700, 34650, 31350)),
        (48, (31622, 1000, 25118, 1584)),
        (64, (31622, 646, 25118, 1023)),
    ):
        limits[at : at + 8] = struct.pack(">4H", *numbers)
    lanes[0:4] = int("4" * on or "0", 16).to_bytes(4, "little")
    lanes[26:42] = struct.pack(">8H", *[12000] * 4, *[stray] * 4)
    lanes[58:74] = struct.pack(">8H", *(*received, *[0] * 8)[:8])
    return bytes(memory + limits + lanes)
