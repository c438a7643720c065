"""BIOS information (type 0)."""

from typing import ClassVar

from construct import Int8ul, Int16ul, Int64ul

from bee_audit.decode.smbios.structure import Layout, RawStructure, Structure, flags, numbered


class BiosInformation(Structure, frozen=True, kw_only=True):
    """BIOS Information, SMBIOS 3.7 §7.1."""

    TYPE: ClassVar[int] = 0
    NAME: ClassVar[str] = "BIOS Information"

    vendor: str | None = None
    version: str | None = None
    release_date: str | None = None  # as the firmware writes it, "09/30/2018"
    address: str | None = None  # of a BIOS that is not UEFI, "0xF0000"
    runtime_size_bytes: int | None = None
    rom_size_bytes: int | None = None
    characteristics: tuple[str, ...] | None = None
    bios_revision: str | None = None  # "5.6"
    firmware_revision: str | None = None  # of the embedded controller


_BIOS = Layout(
    vendor=Int8ul,
    version=Int8ul,
    starting_segment=Int16ul,
    release_date=Int8ul,
    rom_size=Int8ul,
    characteristics=Int64ul,
    extension_1=Int8ul,
    extension_2=Int8ul,
    bios_major=Int8ul,
    bios_minor=Int8ul,
    controller_major=Int8ul,
    controller_minor=Int8ul,
    extended_rom_size=Int16ul,
)


def decode_bios(raw: RawStructure) -> BiosInformation:
    raw.need(0x12)
    bios = _BIOS.read(raw.data)
    segment = bios.starting_segment
    return BiosInformation(
        handle=raw.handle,
        vendor=raw.text(bios.vendor),
        version=raw.text(bios.version),
        release_date=raw.text(bios.release_date),
        address=f"0x{segment:04X}0" if segment else None,
        runtime_size_bytes=(0x10000 - segment) << 4 if segment else None,
        rom_size_bytes=_rom_size(bios.rom_size, bios.extended_rom_size),
        characteristics=_characteristics(bios.characteristics, bios.extension_1, bios.extension_2),
        bios_revision=_revision(bios.bios_major, bios.bios_minor),
        firmware_revision=_revision(bios.controller_major, bios.controller_minor),
        problems=tuple(raw.problems),
    )


def _rom_size(size: int | None, extended: int | None) -> int | None:
    """From 3.1 on, 0xFF in the byte field sends to the extended one: 14 bits, unit in the top two."""
    if size is None:
        return None
    if size != 0xFF:
        return (size + 1) << 16
    if extended is None:
        return 16 << 20
    shift = {0: 20, 1: 30}.get(extended >> 14)
    return None if shift is None else (extended & 0x3FFF) << shift


def _characteristics(base: int | None, first: int | None, second: int | None) -> tuple[str, ...] | None:
    if base is None:
        return None
    words = (CHARACTERISTICS[3],) if base & 8 else flags(CHARACTERISTICS, base) or ()
    return words + (flags(EXTENSION_1, first) or ()) + (flags(EXTENSION_2, second) or ())


def _revision(major: int | None, minor: int | None) -> str | None:
    if major is None or minor is None or 0xFF in (major, minor):
        return None
    return f"{major}.{minor}"


CHARACTERISTICS = numbered(  # §7.1.1; bits 32 to 63 belong to vendors
    "BIOS characteristics not supported",
    "ISA is supported",
    "MCA is supported",
    "EISA is supported",
    "PCI is supported",
    "PC Card (PCMCIA) is supported",
    "PNP is supported",
    "APM is supported",
    "BIOS is upgradeable",
    "BIOS shadowing is allowed",
    "VLB is supported",
    "ESCD support is available",
    "Boot from CD is supported",
    "Selectable boot is supported",
    "BIOS ROM is socketed",
    "Boot from PC Card (PCMCIA) is supported",
    "EDD is supported",
    "Japanese floppy for NEC 9800 1.2 MB is supported (int 13h)",
    "Japanese floppy for Toshiba 1.2 MB is supported (int 13h)",
    '5.25"/360 kB floppy services are supported (int 13h)',
    '5.25"/1.2 MB floppy services are supported (int 13h)',
    '3.5"/720 kB floppy services are supported (int 13h)',
    '3.5"/2.88 MB floppy services are supported (int 13h)',
    "Print screen service is supported (int 5h)",
    "8042 keyboard services are supported (int 9h)",
    "Serial services are supported (int 14h)",
    "Printer services are supported (int 17h)",
    "CGA/mono video services are supported (int 10h)",
    "NEC PC-98",
    first=3,
)
EXTENSION_1 = numbered(  # §7.1.2.1
    "ACPI is supported",
    "USB legacy is supported",
    "AGP is supported",
    "I2O boot is supported",
    "LS-120 boot is supported",
    "ATAPI Zip drive boot is supported",
    "IEEE 1394 boot is supported",
    "Smart battery is supported",
    first=0,
)
EXTENSION_2 = numbered(  # §7.1.2.2
    "BIOS boot specification is supported",
    "Function key-initiated network boot is supported",
    "Targeted content distribution is supported",
    "UEFI is supported",
    "System is a virtual machine",
    "Manufacturing mode is supported",
    "Manufacturing mode is enabled",
    first=0,
)
