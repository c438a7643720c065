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
AUTONEGOTIATION = 6


@dataclass(frozen=True)
class Driver:
    """``supported`` and ``partner``: link mode bits. ``module``: a transceiver's memory."""

    name: str = "ice"
    firmware: str = "4.40 0x8001c967 1.3534.0"
    permanent_mac: str | None = None
    speed: int = 0xFFFFFFFF
    duplex: int = FULL
    supported: tuple[int, ...] = ()
    partner: tuple[int, ...] = ()
    module: bytes | None = None


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
        struct.pack(head, 0x4C, driver.speed, driver.duplex, 0, 0, autonegotiation, 0, 0, 0, WORDS, *[0] * 11)
        + masks
    )


def _mask(bits: tuple[int, ...]) -> bytes:
    return sum(1 << bit for bit in bits).to_bytes(4 * WORDS, "little")


def _module_info(driver: Driver, request: bytes) -> bytes | None:
    return struct.pack("=III8I", 0x42, 3, len(driver.module), *[0] * 8) if driver.module else None


def _module_eeprom(driver: Driver, request: bytes) -> bytes | None:
    _, _, offset, length = struct.unpack_from("=IIII", request)
    if not driver.module or offset + length > len(driver.module):
        return None
    return request[:16] + driver.module[offset : offset + length]


def qsfp28(*, vendor: str = "Mellanox", part_number: str = "MCP1600-C003E30L", serial: str = "MT2") -> bytes:
    """A copper cable of three metres (SFF-8636)."""
    memory = bytearray(256)
    memory[0] = memory[128] = 0x11
    memory[130] = 0x23
    memory[131] = 0x80
    memory[146], memory[147] = 3, 0xA0
    memory[148:164] = vendor.encode().ljust(16)
    memory[168:184] = part_number.encode().ljust(16)
    memory[184:186] = b"A5"
    memory[192] = 0x0B
    memory[196:212] = serial.encode().ljust(16)
    memory[212:220] = b"210709  "
    memory[191] = sum(memory[128:191]) & 0xFF
    memory[223] = sum(memory[192:223]) & 0xFF
    return bytes(memory)


def sfp(*, temperature: float = 36.5) -> bytes:
    """An optical transceiver for 10GBASE-SR with diagnostics (SFF-8472)."""
    memory = bytearray(512)
    memory[0], memory[2], memory[3] = 0x03, 0x07, 0x10
    memory[18] = 30
    memory[20:36] = b"Intel Corp".ljust(16)
    memory[40:56] = b"FTLX8571D3BCV-IT".ljust(16)
    memory[56:60] = b"A   "
    memory[68:84] = b"MVV0DE5".ljust(16)
    memory[84:92] = b"150903  "
    memory[92] = 0x68
    memory[63] = sum(memory[0:63]) & 0xFF
    memory[95] = sum(memory[64:95]) & 0xFF
    memory[352:354] = round(temperature * 256).to_bytes(2, "big", signed=True)
    return bytes(memory)


def osfp() -> bytes:
    """An active optical cable of 10 m (CMIS 5.2)."""
    memory = bytearray(256)
    memory[0] = memory[128] = 0x19
    memory[14:16] = (41 * 256).to_bytes(2, "big")
    memory[129:145] = b"NVIDIA".ljust(16)
    memory[148:164] = b"MFA7U10-H010".ljust(16)
    memory[164:166] = b"A1"
    memory[166:182] = b"MT2315FT00001".ljust(16)
    memory[182:190] = b"230412  "
    memory[202], memory[203] = 1 << 6 | 10, 0x23
    memory[222] = sum(memory[128:222]) & 0xFF
    return bytes(memory)
