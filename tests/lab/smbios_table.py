"""SMBIOS structures as firmware writes them (DMTF DSP0134, SMBIOS 3.7.0), for the emulated server.

Each function returns one structure with its strings, which is what ``qemu -smbios file=`` takes. The first
argument is its handle.
"""

from uuid import UUID

NOT_PROVIDED = 0xFFFE
NO_CACHE = 0xFFFF
DDR5, DIMM = 0x22, 0x09
KIB = 1024


class _Structure:
    """Formatted fields in their order, with strings numbered as they come."""

    def __init__(self, structure_type: int, handle: int) -> None:
        self._type, self._handle = structure_type, handle
        self._fields = bytearray()
        self._strings: list[bytes] = []

    def text(self, *values: str) -> None:
        for value in values:
            if value:
                self._strings.append(value.encode())
            self._fields.append(len(self._strings) if value else 0)

    def number(self, width: int, *values: int) -> None:
        for value in values:
            self._fields += value.to_bytes(width, "little")

    def raw(self, value: bytes) -> None:
        self._fields += value

    def done(self) -> bytes:
        header = bytes((self._type, 4 + len(self._fields))) + self._handle.to_bytes(2, "little")
        strings = b"".join(text + b"\0" for text in self._strings) or b"\0"
        return header + bytes(self._fields) + strings + b"\0"


def bios(handle: int, *, vendor: str, version: str, date: str) -> bytes:
    """Type 0 (§7.1): 16 MiB of ROM, PCI and UEFI."""
    table = _Structure(0, handle)
    table.text(vendor, version)
    table.number(2, 0xF000)
    table.text(date)
    table.number(1, 0xFF)
    table.number(8, 1 << 7 | 1 << 11)
    table.number(1, 0x03, 0x0D, 5, 32, 0xFF, 0xFF)
    table.number(2, 16)
    return table.done()


def system(
    handle: int, *, vendor: str, product: str, version: str, serial: str, uuid: UUID, sku: str, family: str
) -> bytes:
    """Type 1 (§7.2)."""
    table = _Structure(1, handle)
    table.text(vendor, product, version, serial)
    table.raw(uuid.bytes_le)
    table.number(1, 0x06)  # woken by the power switch
    table.text(sku, family)
    return table.done()


def baseboard(
    handle: int, *, vendor: str, product: str, version: str, serial: str, asset_tag: str, chassis: int
) -> bytes:
    """Type 2 (§7.3): a motherboard."""
    table = _Structure(2, handle)
    table.text(vendor, product, version, serial, asset_tag)
    table.number(1, 0x09)
    table.text("Part Component")
    table.number(2, chassis)
    table.number(1, 0x0A, 0)
    return table.done()


def enclosure(handle: int, *, vendor: str, version: str, serial: str, asset_tag: str, sku: str) -> bytes:
    """Type 3 (§7.4): a rack-mount chassis of 4 units, all safe."""
    table = _Structure(3, handle)
    table.text(vendor)
    table.number(1, 0x17)
    table.text(version, serial, asset_tag)
    table.number(1, 3, 3, 3, 3)
    table.number(4, 0)
    table.number(1, 4, 2, 0, 0)
    table.text(sku)
    return table.done()


def processor(
    handle: int,
    *,
    socket: str,
    vendor: str,
    version: str,
    serial: str,
    part_number: str,
    speed_mhz: int,
    cores: int,
    threads: int,
    populated: bool = True,
) -> bytes:
    """Type 4 (§7.5)."""
    table = _Structure(4, handle)
    table.text(socket)
    table.number(1, 3, 0xB3 if populated else 2)
    table.text(vendor if populated else "")
    table.number(8, 0x0F8BFBFF_000806F8 if populated else 0)
    table.text(version if populated else "")
    table.number(1, 0x8A if populated else 0)
    table.number(2, 100, speed_mhz + 1000 if populated else 0, speed_mhz if populated else 0)
    table.number(1, 0x41 if populated else 0x00, 0x3D)
    table.number(2, NO_CACHE, NO_CACHE, NO_CACHE)
    table.text(serial if populated else "", "", part_number if populated else "")
    count = (cores, cores, threads) if populated else (0, 0, 0)
    table.number(1, *count)
    table.number(2, 0xFC if populated else 0, 0xB3 if populated else 2, *count)
    return table.done()


def slot(
    handle: int,
    *,
    name: str,
    slot_type: int,
    lanes_code: int,
    used: bool,
    number: int,
    address: tuple[int, int],
) -> bytes:
    """Type 9 (§7.10). ``address``: bus, and device and function in one byte."""
    table = _Structure(9, handle)
    table.text(name)
    table.number(1, slot_type, lanes_code, 4 if used else 3, 4)
    table.number(2, number)
    table.number(1, 0x04, 0x01)
    table.number(2, 0)
    table.number(1, *address)
    return table.done()


def memory_array(handle: int, *, slots: int, capacity_bytes: int) -> bytes:
    """Type 16 (§7.17): system memory on the board, multi-bit ECC."""
    table = _Structure(16, handle)
    table.number(1, 3, 3, 6)
    table.number(4, capacity_bytes // KIB)
    table.number(2, NOT_PROVIDED, slots)
    table.number(8, 0)
    return table.done()


def memory_device(
    handle: int,
    *,
    array: int,
    locator: str,
    bank: str,
    size_mib: int,
    vendor: str = "",
    serial: str = "",
    part_number: str = "",
    speed_mt_s: int = 0,
    configured_mt_s: int = 0,
) -> bytes:
    """Type 17 (§7.18): a DDR5 RDIMM with ECC; with a size of 0, an empty slot."""
    fitted = size_mib > 0
    table = _Structure(17, handle)
    table.number(2, array, NOT_PROVIDED)
    table.number(2, *((80, 64) if fitted else (0, 0)))
    table.number(2, size_mib)
    table.number(1, DIMM, 0)
    table.text(locator, bank)
    table.number(1, DDR5 if fitted else 0x02)
    table.number(2, 0x2080 if fitted else 0x0004)  # registered, synchronous
    table.number(2, speed_mt_s)
    table.text(*((vendor, serial, "", part_number) if fitted else ("NO DIMM",) * 4))
    table.number(1, 2 if fitted else 0)
    table.number(4, 0)
    table.number(2, configured_mt_s, *((1100,) * 3 if fitted else (0,) * 3))
    table.number(1, 3 if fitted else 2)  # technology: DRAM
    table.number(2, 0x0008 if fitted else 0x0004)
    table.text("")
    table.number(2, 0x2C80 if fitted else 0, 0, 0, 0)
    table.number(8, 0, size_mib << 20, 0, 0)
    table.number(4, 0, 0)
    return table.done()


def power_supply(
    handle: int, *, unit: int, location: str, vendor: str, serial: str, part_number: str, watts: int
) -> bytes:
    """Type 39 (§7.40): present, hot-replaceable, switching, status OK."""
    table = _Structure(39, handle)
    table.number(1, unit)
    table.text(location, f"PSU{unit}", vendor, serial, "", part_number, "1.2")
    table.number(2, watts, 4 << 10 | 3 << 7 | 4 << 3 | 0x03)
    table.number(2, 0xFFFF, 0xFFFF, 0xFFFF)
    return table.done()


def onboard_device(
    handle: int, *, name: str, device_type: int, instance: int, address: tuple[int, int]
) -> bytes:
    """Type 41 (§7.42): enabled."""
    table = _Structure(41, handle)
    table.text(name)
    table.number(1, 0x80 | device_type, instance)
    table.number(2, 0)
    table.number(1, *address)
    return table.done()
