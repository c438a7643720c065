"""SMBIOS tables to order, packed field by field after DSP0134 3.7, for tests.

Nothing here uses the product's own layouts: what these bytes say is stated a second time.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

GIB = 1 << 30


def entry_point_3(
    table_length: int, *, version: tuple[int, int, int] = (3, 7, 0), address: int = 0x20
) -> bytes:
    head = struct.pack("<5sBBBBBBBIQ", b"_SM3_", 0, 0x18, *version, 1, 0, table_length, address)
    return _with_checksum(head, 5)


def entry_point_2(
    table_length: int, count: int, *, version: tuple[int, int] = (2, 8), address: int = 0x20
) -> bytes:
    bcd = version[0] << 4 | version[1]
    dmi = _with_checksum(struct.pack("<5sBHIHB", b"_DMI_", 0, table_length, address, count, bcd), 5)
    head = struct.pack("<4sBBBBHB5s", b"_SM_", 0, 0x1F, *version, 0x100, 0, b"")
    return _with_checksum(head + dmi, 4)


def _with_checksum(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([-sum(data) & 0xFF]) + data[at + 1 :]


@dataclass
class Firmware:
    """The table of one machine. ``add`` takes a formatted area without its header, and its strings."""

    version: tuple[int, int, int] = (3, 7, 0)
    table: bytes = b""
    count: int = 0
    handles: dict[int, int] = field(default_factory=dict)

    def add(
        self, kind: int, formatted: bytes, strings: Sequence[str | bytes] = (), handle: int | None = None
    ) -> int:
        if handle is None:
            handle = kind << 8 | self.handles.get(kind, 0)
        self.handles[kind] = self.handles.get(kind, 0) + 1
        header = struct.pack("<BBH", kind, 4 + len(formatted), handle)
        texts = [text.encode() if isinstance(text, str) else text for text in strings]
        tail = b"".join(text + b"\0" for text in texts) + b"\0" if texts else b"\0\0"
        self.table += header + formatted + tail
        self.count += 1
        return handle

    def finished_table(self) -> bytes:
        return self.table + struct.pack("<BBH", 127, 4, 0xFEFF) + b"\0\0"

    def entry_point(self) -> bytes:
        length = len(self.finished_table())
        if self.version >= (3, 0, 0):
            return entry_point_3(length, version=self.version)
        return entry_point_2(length, self.count + 1, version=self.version[:2])

    def dump(self) -> bytes:
        """As ``dmidecode --dump-bin`` writes it."""
        return self.entry_point().ljust(0x20, b"\0") + self.finished_table()

    def files(self) -> dict[str, bytes]:
        """As the kernel shows it."""
        folder = "/sys/firmware/dmi/tables"
        return {f"{folder}/smbios_entry_point": self.entry_point(), f"{folder}/DMI": self.finished_table()}

    def bios(
        self,
        *,
        rom_size: int = 0xFF,
        extended_rom_size: int = 0x4000 | 2,
        vendor: str = "Bee BIOS",
        extension_2: int = 0x0D,
    ) -> int:
        return self.add(
            0,
            struct.pack(
                "<BBHBBQBBBBBBH",
                1,
                2,
                0,
                3,
                rom_size,
                0x8800,
                3,
                extension_2,
                5,
                17,
                0xFF,
                0xFF,
                extended_rom_size,
            ),
            (vendor, "1.2.3", "02/29/2024"),
        )

    def system(
        self, *, serial: str = "S1234567", uuid: bytes = bytes(range(16)), product: str = "BX-4"
    ) -> int:
        return self.add(
            1,
            struct.pack("<BBBB16sBBB", 1, 2, 3, 4, uuid, 6, 5, 6),
            ("Bee Systems", product, "A1", serial, "SKU-7", "BX"),
        )

    def baseboard(self, *, serial: str = "B7654321", contained: Sequence[int] = ()) -> int:
        formatted = struct.pack("<BBBBBBBHBB", 1, 2, 3, 4, 5, 0x09, 6, 0x0300, 10, len(contained))
        return self.add(
            2,
            formatted + struct.pack(f"<{len(contained)}H", *contained),
            ("Bee Systems", "MB-4", "1.02", serial, "Asset-2", "Rear"),
        )

    def chassis(
        self,
        *,
        kind: int = 23,
        states: tuple[int, int, int] = (3, 3, 3),
        elements: Sequence[tuple[int, int, int]] = (),
    ) -> int:
        formatted = struct.pack(
            "<BBBBBBBBBIBBBB", 1, kind, 2, 3, 4, *states, 3, 0x1234, 4, 2, len(elements), 3
        )
        formatted += b"".join(bytes(element) for element in elements) + b"\x05"
        return self.add(3, formatted, ("Bee Systems", "C", "CH-99", "Asset-3", "CH-SKU"))

    def processor(
        self,
        *,
        socket: str = "CPU1",
        status: int = 0x41,
        family: int = 0xB3,
        family_2: int = 0xB3,
        processor_id: bytes = bytes.fromhex("F8 06 08 00 FF FB EB BF"),
        version: str = "Bee(R) Xeon(R) Platinum 8480+",
        cores: int = 56,
        enabled: int = 56,
        threads: int = 112,
        threads_enabled: int = 112,
        max_speed: int = 4000,
        speed: int = 2000,
        caches: tuple[int, int, int] = (0xFFFF, 0xFFFF, 0xFFFF),
        manufacturer: str = "Intel(R) Corporation",
        kind: int = 3,
        upgrade: int = 0x3F,
        socket_type: str = "",
        length: int = 0x32,
    ) -> int:
        def byte(number: int) -> int:
            return min(number, 0xFF)

        formatted = struct.pack(
            "<BBBB8sBBHHHBBHHHBBBBBBHHHHHH",
            *(
                1,
                kind,
                family,
                2,
                processor_id,
                3,
                0x80 | 11,
                100,
                max_speed,
                speed,
                status,
                upgrade,
                *caches,
                4,
                5,
                6,
            ),
            *(
                byte(cores),
                byte(enabled),
                byte(threads),
                0xFC,
                family_2,
                cores,
                enabled,
                threads,
                threads_enabled,
            ),
        )
        strings = (socket, manufacturer, version, "CPU-SN", "CPU-Asset", "CPU-PN")
        if socket_type:
            return self.add(4, formatted + b"\x07", (*strings, socket_type))
        return self.add(4, formatted[: length - 4], strings)

    def cache(
        self,
        *,
        level: int = 1,
        kilobytes: int = 32,
        kilobytes_2: int | None = None,
        ways: int = 7,
        length: int = 0x1B,
    ) -> int:
        wide = kilobytes if kilobytes_2 is None else kilobytes_2
        short = min(kilobytes, 0x7FFF)
        formatted = struct.pack(
            "<BHHHHHBBBBII", 1, 0x180 | level - 1, short, short, 0x22, 0x20, 3, 5, 5, ways, wide, wide
        )
        return self.add(7, formatted[: length - 4], (f"L{level}-Cache",))

    def slot(
        self,
        *,
        designation: str = "PCIe Slot 1",
        kind: int = 0xC3,
        width: int = 0x0D,
        usage: int = 4,
        address: tuple[int, int, int] = (0, 0x3B, 0),
        base_width: int = 16,
        peers: Sequence[tuple[int, int, int, int]] = (),
        tail: bytes = struct.pack("<BBHB", 5, 0x0D, 2032, 3),
    ) -> int:
        formatted = struct.pack("<BBBBBHBBHBB", 1, kind, width, usage, 4, 7, 0x0C, 0x2B, *address)
        formatted += struct.pack("<BB", base_width, len(peers))
        formatted += b"".join(struct.pack("<HBBB", *peer) for peer in peers) + tail
        return self.add(9, formatted, (designation,))

    def onboard(
        self, *, name: str = "LAN1", kind: int = 0x85, address: tuple[int, int, int] = (0, 3, 0)
    ) -> int:
        return self.add(41, struct.pack("<BBBHBB", 1, kind, 1, *address), (name,))

    def memory_array(
        self, *, slots: int = 8, correction: int = 6, capacity_bytes: int = 2048 * GIB, use: int = 3
    ) -> int:
        kilobytes = capacity_bytes >> 10
        short = 0x80000000 if kilobytes >= 0x80000000 else kilobytes
        return self.add(16, struct.pack("<BBBIHHQ", 3, use, correction, short, 0xFFFE, slots, capacity_bytes))

    def memory_device(
        self,
        *,
        locator: str = "DIMM_A1",
        bank: str = "NODE 0 CHANNEL 0",
        size_bytes: int = 64 * GIB,
        array: int = 0x1000,
        total_width: int = 80,
        data_width: int = 64,
        kind: int = 0x22,
        form_factor: int = 9,
        detail: int = 0x2080,
        speed: int = 4800,
        configured: int = 4800,
        maker: str = "Samsung",
        serial: str = "80CE0123",
        part: str = "M321R8GA0BB0-CQKZJ",
        rank: int = 2,
        technology: int = 3,
        modes: int = 0x08,
        volatile_bytes: int | None = None,
        non_volatile_bytes: int = 0,
        pmic: tuple[int, int] = (0x8A8C, 0x8112),
        rcd: tuple[int, int] = (0xB304, 0x8033),
        length: int = 0x64,
        size_code: int | None = None,
    ) -> int:
        mebibytes = size_bytes >> 20
        short = min(mebibytes, 0x7FFF) if size_code is None else size_code
        volatile = size_bytes if volatile_bytes is None else volatile_bytes
        formatted = struct.pack(
            "<HHHHHBBBBBHHBBBBBIHHHHBHBHHHHQQQQIIHHHH",
            *(array, 0xFFFE, total_width, data_width, short, form_factor, 0, 1, 2, kind, detail),
            *(min(speed, 0xFFFF), 3, 4, 5, 6, rank, mebibytes, min(configured, 0xFFFF), 1100, 1100, 1100),
            *(technology, modes, 7, 0xCE80, 0, 0, 0, non_volatile_bytes, volatile, 0, 0),
            *(speed if speed >= 0xFFFF else 0, configured if configured >= 0xFFFF else 0, *pmic, *rcd),
        )
        return self.add(17, formatted[: length - 4], (locator, bank, maker, serial, "Asset-17", part, "FW 1"))

    def ipmi(
        self, *, interface: int = 1, address: int = 0xCA3, modifier: int = 0x0B, interrupt: int = 5
    ) -> int:
        return self.add(
            38, struct.pack("<BBBBQBB", interface, 0x20, 0x20, 0xFF, address, modifier, interrupt)
        )

    def power_supply(
        self, *, characteristics: int = 0x11A3, watts: int = 2700, location: str = "PSU1"
    ) -> int:
        return self.add(
            39,
            struct.pack(
                "<BBBBBBBBHHHHH", 1, 1, 2, 3, 4, 5, 6, 7, watts, characteristics, 0xFFFF, 0x1B00, 0xFFFF
            ),
            (location, "PWS-2K73A", "Bee Power", "P2K73A1", "Asset-39", "PWS-2K73A-1R", "1.3"),
        )
