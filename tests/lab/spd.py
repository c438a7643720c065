"""SPD images of DDR4 and DDR5 modules to order, byte by byte after JEDEC 21-C Annex L and JESD400-5."""

import struct


def crc16(data: bytes) -> int:
    """Bit by bit, as the standards print it."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def ddr4(
    *,
    density: int = 6,  # 16 Gbit
    package: int = 0,
    ranks: int = 2,
    device_width: int = 0,  # x4
    ecc: bool = True,
    cycle: tuple[int, int] = (5, 0),  # 625 ps
    module: int = 1,  # RDIMM
    maker: bytes = b"\x80\xce",
    serial: bytes = bytes.fromhex("03F7A1C2"),
    part: bytes = b"M393A8G40AB2-CWE",
    made: tuple[int, int] = (0x22, 0x07),
) -> bytes:
    spd = bytearray(512)
    spd[0:19] = bytes((0x23, 0x12, 0x0C, module, density | 0x40, 0x29, package, *bytes(12)))
    spd[12] = ranks - 1 << 3 | device_width
    spd[13] = 3 | (0x08 if ecc else 0)
    spd[18], spd[125] = cycle[0], cycle[1] & 0xFF
    spd[126:128] = struct.pack("<H", crc16(bytes(spd[:126])))
    spd[254:256] = struct.pack("<H", crc16(bytes(spd[128:254])))
    spd[320:325] = maker + b"\x01" + bytes(made)
    spd[325:329] = serial
    spd[329:349] = part.ljust(20)
    spd[349:352] = b"\x00\x80\xce"
    return bytes(spd)


def ddr5(
    *,
    density: int = 4,  # 16 Gbit, one die
    ranks: int = 2,
    io_width: int = 0,  # x4
    ecc_code: int = 2,  # 8 bits per sub-channel
    cycle: int = 416,
    module: int = 1,
    maker: bytes = b"\x80\xad",
    serial: bytes = bytes.fromhex("8C2F01A7"),
    part: bytes = b"HMCG94AGBRA177N",
    made: tuple[int, int] = (0x23, 0x41),
) -> bytes:
    spd = bytearray(1024)
    spd[0:9] = bytes((0x30, 0x12, 0x12, module, density, 0x00, io_width << 5, 0x62, 0x00))
    spd[20:22] = struct.pack("<H", cycle)
    spd[234] = ranks - 1 << 3
    spd[235] = 1 << 5 | ecc_code << 3 | 2
    spd[510:512] = struct.pack("<H", crc16(bytes(spd[:510])))
    spd[512:517] = maker + b"\x01" + bytes(made)
    spd[517:521] = serial
    spd[521:551] = part.ljust(30)
    spd[551:554] = b"\x00\x80\xad"
    return bytes(spd)
