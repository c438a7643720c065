"""The header of configuration space in its three layouts: device, bridge, CardBus bridge (PCI 3.0 §6.1)."""

from typing import Any

from construct import Array, Int8ul, Int16ul, Int32ul

from bee_audit.decode.pci_registers import Layout, bits, read
from bee_bus.documents.base import Document

HEADER_BYTES = 0x40


class Bridge(Document):
    """What a header of type 1 or 2 says of the bus below."""

    primary_bus: int
    secondary_bus: int
    subordinate_bus: int
    secondary_status: tuple[str, ...] = ()


class BaseAddress(Document):
    """A base address register that is in use."""

    index: int
    kind: str  # "memory" or "io"
    address: str  # hex, 0x and no leading zeros
    bits: int = 32
    prefetchable: bool = False


def decode_layout(data: bytes, layout: int, defects: list[str]) -> dict[str, Any]:
    """The fields of a PciConfig that the header's layout 0, 1 or 2 has beside the common ones."""
    if layout == 0:
        return _endpoint(data)
    return _bridge(data) if layout == 1 else _cardbus(data, defects)


def subsystem_at(data: bytes, offset: int, what: str, defects: list[str]) -> dict[str, str]:
    """Subsystem vendor and device that stand at ``offset``, empty when there are none."""
    ids = read(_SUBSYSTEM, data, offset, what, defects)
    return _subsystem(ids.vendor, ids.device) if ids else {}


HEADER = Layout(  # PCI 3.0 §6.1
    "vendor" / Int16ul,
    "device" / Int16ul,
    "command" / Int16ul,
    "status" / Int16ul,
    "revision" / Int8ul,
    "prog_if" / Int8ul,
    "subclass" / Int8ul,
    "base_class" / Int8ul,
    "cache_line" / Int8ul,
    "latency" / Int8ul,
    "header_type" / Int8ul,
    "bist" / Int8ul,
)
_ENDPOINT = Layout(
    "base_addresses" / Array(6, Int32ul),
    "cardbus_cis" / Int32ul,
    "subsystem_vendor" / Int16ul,
    "subsystem_device" / Int16ul,
)
_BRIDGE = Layout(  # PCI-to-PCI Bridge 1.2 §3.2
    "base_addresses" / Array(2, Int32ul),
    "primary_bus" / Int8ul,
    "secondary_bus" / Int8ul,
    "subordinate_bus" / Int8ul,
    "latency" / Int8ul,
    "io_base" / Int8ul,
    "io_limit" / Int8ul,
    "secondary_status" / Int16ul,
)
_CARDBUS = Layout(  # PC Card Standard 8.0, as in Linux's pci_regs.h
    "base_address" / Int32ul,
    "capability" / Int8ul,
    "reserved" / Int8ul,
    "secondary_status" / Int16ul,
    "primary_bus" / Int8ul,
    "secondary_bus" / Int8ul,
    "subordinate_bus" / Int8ul,
)
_SUBSYSTEM = Layout("vendor" / Int16ul, "device" / Int16ul)
_AFTER_HEAD = HEADER.size
_INTERRUPT_PIN = 0x3D
_CARDBUS_SUBSYSTEM = 0x40
CAPABILITY_POINTER = {0: 0x34, 1: 0x34, 2: 0x14}


def _endpoint(data: bytes) -> dict[str, Any]:
    body = _ENDPOINT.struct.parse(data[_AFTER_HEAD:])
    return {
        **_subsystem(body.subsystem_vendor, body.subsystem_device),
        "base_addresses": _base_addresses(body.base_addresses),
        "interrupt_pin": _interrupt_pin(data),
    }


def _bridge(data: bytes) -> dict[str, Any]:
    body = _BRIDGE.struct.parse(data[_AFTER_HEAD:])
    return {
        "bridge": Bridge(
            primary_bus=body.primary_bus,
            secondary_bus=body.secondary_bus,
            subordinate_bus=body.subordinate_bus,
            secondary_status=bits(body.secondary_status, SECONDARY_STATUS),
        ),
        "base_addresses": _base_addresses(body.base_addresses),
        "interrupt_pin": _interrupt_pin(data),
    }


def _cardbus(data: bytes, defects: list[str]) -> dict[str, Any]:
    body = _CARDBUS.struct.parse(data[_AFTER_HEAD:])
    facts: dict[str, Any] = {
        "bridge": Bridge(
            primary_bus=body.primary_bus,
            secondary_bus=body.secondary_bus,
            subordinate_bus=body.subordinate_bus,
            secondary_status=bits(body.secondary_status, SECONDARY_STATUS),
        ),
        "interrupt_pin": _interrupt_pin(data),
    }
    if len(data) > HEADER_BYTES:  # its subsystem ids stand behind the 64 bytes that anyone may read
        facts |= subsystem_at(data, _CARDBUS_SUBSYSTEM, "the CardBus subsystem", defects)
    return facts


def _subsystem(vendor: int, device: int) -> dict[str, str]:
    # Zero and all ones are what a function reads that has no subsystem.
    if vendor in (0, 0xFFFF):
        return {}
    return {"subsystem_vendor_id": f"{vendor:04x}", "subsystem_device_id": f"{device:04x}"}


def _interrupt_pin(data: bytes) -> str | None:
    pin = data[_INTERRUPT_PIN]
    return "ABCD"[pin - 1] if 1 <= pin <= 4 else None


def _base_addresses(registers: list[int]) -> tuple[BaseAddress, ...]:
    """PCI 3.0 §6.2.5.1: a 64-bit address takes two registers."""
    found = []
    index = 0
    while index < len(registers):
        value, start = registers[index], index
        index += 1
        if value in (0, 0xFFFFFFFF):
            continue
        if value & 1:
            found.append(BaseAddress(index=start, kind="io", address=f"{value & ~3:#x}"))
            continue
        address, width = value & ~0xF, 32
        if value & 6 == 4 and index < len(registers):
            address, width = address | registers[index] << 32, 64
            index += 1
        found.append(
            BaseAddress(
                index=start,
                kind="memory",
                address=f"{address:#x}",
                bits=width,
                prefetchable=bool(value & 8),
            )
        )
    return tuple(found)


COMMAND = {
    0: "I/O",
    1: "Mem",
    2: "BusMaster",
    3: "SpecCycle",
    4: "MemWINV",
    5: "VGASnoop",
    6: "ParErr",
    7: "Stepping",
    8: "SERR",
    9: "FastB2B",
    10: "DisINTx",
}
STATUS = {
    3: "INTx",
    4: "Cap",
    5: "66MHz",
    6: "UDF",
    7: "FastB2B",
    8: "ParErr",
    11: ">TAbort",
    12: "<TAbort",
    13: "<MAbort",
    14: ">SERR",
    15: "<PERR",
}
# Of a bridge, bit 14 is a system error that it received (PCI-to-PCI Bridge 1.2 §3.2.5.7).
SECONDARY_STATUS = {**STATUS, 14: "<SERR"}
