"""PCI configuration space: 64, 256 or 4096 bytes of a device, as sysfs and lspci show them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from construct import Array, Int8ul, Int16ul, Int32ul

from bee_audit.decode import DecodeError
from bee_audit.decode import pci_extended as extended
from bee_audit.decode.pci_capabilities import (
    EXTENDED_END,
    EXTENDED_START,
    HEADER_BYTES,
    Capability,
    walk_capabilities,
    walk_extended_capabilities,
)
from bee_audit.decode.pci_dump import DumpedDevice, parse_lspci_dump
from bee_audit.decode.pci_express import Express, decode_express
from bee_audit.decode.pci_registers import Layout, bits, read
from bee_bus.documents.base import Document


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


class PciConfig(Document):
    """One function's configuration space. Ids are lower-case hex as in pci.ids; flags are named as in lspci.

    ``capabilities`` is absent when the bytes end before the chain begins (64 bytes, as an unprivileged
    reader gets). ``answers`` is false when every byte reads FF: nothing is there (any more). ``defects``:
    what in the bytes contradicts the standard, a sentence each.
    """

    vendor_id: str
    device_id: str
    class_id: str  # base class and subclass, "0302"
    prog_if: str
    revision: str
    header_type: int
    size_bytes: int
    answers: bool = True
    multi_function: bool = False
    subsystem_vendor_id: str | None = None
    subsystem_device_id: str | None = None
    command: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    interrupt_pin: str | None = None  # "A" to "D"
    bridge: Bridge | None = None
    base_addresses: tuple[BaseAddress, ...] = ()
    capabilities: tuple[Capability, ...] | None = None
    power_management: PowerManagement | None = None
    msi: Msi | None = None
    msi_x: MsiX | None = None
    express: Express | None = None
    aer: extended.ErrorReporting | None = None
    serial_number: str | None = None  # EUI-64, "00-1b-21-ff-ff-2b-46-e0"
    sriov: extended.SrIov | None = None
    ari: extended.AlternativeRouting | None = None
    acs: extended.AccessControl | None = None
    containment: extended.Containment | None = None
    secondary_express: extended.SecondaryExpress | None = None
    data_link_feature: extended.DataLinkFeature | None = None
    physical_layer_16: extended.PhysicalLayer | None = None
    physical_layer_32: extended.PhysicalLayer | None = None
    vendor_specific: tuple[extended.VendorSpecific, ...] = ()
    designated_vendor_specific: tuple[extended.VendorSpecific, ...] = ()
    defects: tuple[str, ...] = ()


def decode_pci_config(data: bytes) -> PciConfig:
    """Decode one configuration space. Raises DecodeError when it has not even a header, or is too long."""
    if not HEADER_BYTES <= len(data) <= EXTENDED_END:
        raise DecodeError(
            f"PCI configuration space has {HEADER_BYTES} to {EXTENDED_END} bytes, not {len(data)}"
        )
    defects: list[str] = []
    head = _HEADER.struct.parse(data)
    layout = head.header_type & 0x7F
    facts: dict[str, Any] = {}
    if not any(byte != 0xFF for byte in data[:HEADER_BYTES]):
        facts["answers"] = False
        defects.append("every byte of the header reads FF: the device does not answer")
    elif layout == 0:
        facts.update(_endpoint(data))
    elif layout == 1:
        facts.update(_bridge(data))
    elif layout == 2:
        facts.update(_cardbus(data, defects))
    else:
        defects.append(f"unknown header type {layout:#04x}")
    if layout <= 2:
        facts.update(_capabilities(data, layout, head.status, facts, defects))
    return PciConfig(
        vendor_id=f"{head.vendor:04x}",
        device_id=f"{head.device:04x}",
        class_id=f"{head.base_class:02x}{head.subclass:02x}",
        prog_if=f"{head.prog_if:02x}",
        revision=f"{head.revision:02x}",
        header_type=layout,
        multi_function=bool(head.header_type & 0x80),
        command=bits(head.command, COMMAND),
        status=bits(head.status, STATUS),
        size_bytes=len(data),
        defects=tuple(defects),
        **facts,
    )


def decode_pci_file(data: bytes) -> dict[str, Any]:
    """``{"devices": [{"address": ..., "vendor_id": ...}]}`` of a dump by lspci, or of one device's own bytes.

    A device that cannot be decoded has its ``error`` instead of its fields. Raises DecodeError when the file
    is neither form.
    """
    if not _is_text(data):
        return {"devices": [msgspec.to_builtins(decode_pci_config(data))]}
    dumped = list(parse_lspci_dump(data.decode("utf-8", "replace")))
    if not dumped:
        raise DecodeError("no PCI device in this text; it should be the output of lspci -x, -xxx or -xxxx")
    return {"devices": [_dumped_device(device) for device in dumped]}


def _is_text(data: bytes) -> bool:
    """Configuration space always holds bytes that no text has: zeros, or nothing but FF."""
    return not any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in data) and data[:1] != b"\xff"


def _dumped_device(device: DumpedDevice) -> dict[str, Any]:
    facts: dict[str, Any] = {"address": device.address}
    if device.title:
        facts["title"] = device.title
    try:
        return {**facts, **msgspec.to_builtins(decode_pci_config(device.data))}
    except DecodeError as error:
        return {**facts, "error": str(error)}


_HEADER = Layout(  # PCI 3.0 §6.1
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
_WORD = Layout("value" / Int16ul)
_POWER = Layout("header" / Int16ul, "capabilities" / Int16ul, "control" / Int16ul)
_AFTER_HEAD = _HEADER.size
_INTERRUPT_PIN = 0x3D
_CARDBUS_SUBSYSTEM = 0x40
_CAPABILITY_POINTER = {0: 0x34, 1: 0x34, 2: 0x14}


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
        ids = read(_SUBSYSTEM, data, _CARDBUS_SUBSYSTEM, "the CardBus subsystem", defects)
        facts.update(_subsystem(ids.vendor, ids.device) if ids else {})
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


def _capabilities(
    data: bytes, layout: int, status: int, facts: Mapping[str, Any], defects: list[str]
) -> dict[str, Any]:
    """Both chains, and what is decoded of them. The first capability of a kind counts."""
    if len(data) <= HEADER_BYTES and status & 0x10:
        return {}
    found: list[Capability] = []
    decoded: dict[str, Any] = {}
    standard = data[:EXTENDED_START]
    if status & 0x10:
        for entry in walk_capabilities(standard, data[_CAPABILITY_POINTER[layout]], defects):
            found.append(entry)
            if entry.id == _SUBSYSTEM_ID and "subsystem_vendor_id" not in facts:
                ids = read(_SUBSYSTEM, standard, entry.offset + 4, "the Subsystem capability", defects)
                decoded.update(_subsystem(ids.vendor, ids.device) if ids else {})
            elif entry.id in _STANDARD and _STANDARD[entry.id][0] not in decoded:
                name, decode = _STANDARD[entry.id]
                decoded[name] = decode(standard, entry.offset, defects)
    # Only PCI Express has space behind the first 256 bytes; elsewhere they may be an echo of the first.
    if len(data) > EXTENDED_START and any(entry.id == _EXPRESS_ID for entry in found):
        for entry in walk_extended_capabilities(data, defects):
            found.append(entry)
            if entry.id in _BLOCKS:
                name, decode = _BLOCKS[entry.id]
                block = decode(data, entry.offset, defects)
                decoded[name] = (*decoded.get(name, ()), *([block] if block else []))
            elif entry.id in _EXTENDED and _EXTENDED[entry.id][0] not in decoded:
                name, decode = _EXTENDED[entry.id]
                decoded[name] = decode(data, entry.offset, defects)
    return {"capabilities": tuple(found), **decoded}


def _power_management(data: bytes, offset: int, defects: list[str]) -> PowerManagement | None:
    power = read(_POWER, data, offset, "Power Management", defects)
    if power is None:
        return None
    return PowerManagement(
        version=power.capabilities & 7,
        state=f"D{power.control & 3}",
        no_soft_reset=bool(power.control & 8),
    )


def _msi(data: bytes, offset: int, defects: list[str]) -> Msi | None:
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


def _msi_x(data: bytes, offset: int, defects: list[str]) -> MsiX | None:
    word = read(_WORD, data, offset + 2, "MSI-X", defects)
    if word is None:
        return None
    control = word.value
    return MsiX(enabled=bool(control & 0x8000), masked=bool(control & 0x4000), vectors=(control & 0x7FF) + 1)


Decode = Callable[[bytes, int, list[str]], Any]
_SUBSYSTEM_ID = 0x0D
_EXPRESS_ID = 0x10
_STANDARD: Mapping[int, tuple[str, Decode]] = {
    0x01: ("power_management", _power_management),
    0x05: ("msi", _msi),
    _EXPRESS_ID: ("express", decode_express),
    0x11: ("msi_x", _msi_x),
}
_EXTENDED: Mapping[int, tuple[str, Decode]] = {
    0x01: ("aer", extended.decode_aer),
    0x03: ("serial_number", extended.decode_serial_number),
    0x0D: ("acs", extended.decode_acs),
    0x0E: ("ari", extended.decode_ari),
    0x10: ("sriov", extended.decode_sriov),
    0x19: ("secondary_express", extended.decode_secondary),
    0x1D: ("containment", extended.decode_containment),
    0x25: ("data_link_feature", extended.decode_data_link_feature),
    0x26: ("physical_layer_16", extended.decode_physical_layer_16),
    0x2A: ("physical_layer_32", extended.decode_physical_layer_32),
}
_BLOCKS: Mapping[int, tuple[str, Decode]] = {
    0x0B: ("vendor_specific", extended.decode_vendor_specific),
    0x23: ("designated_vendor_specific", extended.decode_designated),
}
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
