"""Three capabilities of the first 256 bytes: power management and the two kinds of message interrupts."""

from construct import Int16ul

from bee_audit.decode.pci_registers import Layout, read
from bee_bus.documents.base import Document


class PowerManagement(Document):
    """PCI Bus Power Management 1.2 §3.2."""

    version: int
    state: str  # "D0" to "D3"
    no_soft_reset: bool = False


class Msi(Document):
    enabled: bool
    vectors: int
    vectors_enabled: int
    address_64bit: bool = False
    maskable: bool = False


class MsiX(Document):
    enabled: bool
    vectors: int
    masked: bool = False


_WORD = Layout("value" / Int16ul)
_POWER = Layout("header" / Int16ul, "capabilities" / Int16ul, "control" / Int16ul)


def decode_power_management(data: bytes, offset: int, defects: list[str]) -> PowerManagement | None:
    power = read(_POWER, data, offset, "Power Management", defects)
    if power is None:
        return None
    return PowerManagement(
        version=power.capabilities & 7,
        state=f"D{power.control & 3}",
        no_soft_reset=bool(power.control & 8),
    )


def decode_msi(data: bytes, offset: int, defects: list[str]) -> Msi | None:
    word = read(_WORD, data, offset + 2, "MSI", defects)
    if word is None:
        return None
    control = word.value
    return Msi(
        enabled=bool(control & 1),
        vectors=1 << (control >> 1 & 7),
        vectors_enabled=1 << (control >> 4 & 7),
        address_64bit=bool(control & 0x80),
        maskable=bool(control & 0x100),
    )


def decode_msi_x(data: bytes, offset: int, defects: list[str]) -> MsiX | None:
    word = read(_WORD, data, offset + 2, "MSI-X", defects)
    if word is None:
        return None
    control = word.value
    return MsiX(enabled=bool(control & 0x8000), masked=bool(control & 0x4000), vectors=(control & 0x7FF) + 1)
