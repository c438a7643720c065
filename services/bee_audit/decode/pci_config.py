"""PCI configuration space: 64, 256 or 4096 bytes of a device, as sysfs and lspci show them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode import pci_extended as extended
from bee_audit.decode import pci_link_layers as layers
from bee_audit.decode.pci_capabilities import (
    EXTENDED_END,
    EXTENDED_START,
    Capability,
    walk_capabilities,
    walk_extended_capabilities,
)
from bee_audit.decode.pci_dump import DumpedDevice, parse_lspci_dump
from bee_audit.decode.pci_express import Express, decode_express
from bee_audit.decode.pci_header import (
    CAPABILITY_POINTER,
    COMMAND,
    HEADER,
    HEADER_BYTES,
    STATUS,
    BaseAddress,
    Bridge,
    decode_layout,
    subsystem_at,
)
from bee_audit.decode.pci_registers import bits
from bee_audit.decode.pci_standard import (
    Msi,
    MsiX,
    PowerManagement,
    decode_msi,
    decode_msi_x,
    decode_power_management,
)
from bee_bus.documents.base import Document


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
    secondary_express: layers.SecondaryExpress | None = None
    data_link_feature: layers.DataLinkFeature | None = None
    physical_layer_16: layers.PhysicalLayer | None = None
    physical_layer_32: layers.PhysicalLayer | None = None
    physical_layer_64: layers.PhysicalLayer | None = None
    third_device: layers.ThirdDevice | None = None
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
    head = HEADER.struct.parse(data)
    layout = head.header_type & 0x7F
    facts: dict[str, Any] = {}
    if not any(byte != 0xFF for byte in data[:HEADER_BYTES]):
        facts["answers"] = False
        defects.append("every byte of the header reads FF: the device does not answer")
    elif layout <= 2:
        facts |= decode_layout(data, layout, defects)
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
        for entry in walk_capabilities(standard, data[CAPABILITY_POINTER[layout]], defects):
            found.append(entry)
            if entry.id == _SUBSYSTEM_ID and "subsystem_vendor_id" not in facts:
                decoded |= subsystem_at(standard, entry.offset + 4, "the Subsystem capability", defects)
            elif entry.id in _STANDARD and _STANDARD[entry.id][0] not in decoded:
                name, decode = _STANDARD[entry.id]
                decoded[name] = decode(standard, entry.offset, defects)
    if len(data) > EXTENDED_START and _has_extended_space(standard, found):
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


def _has_extended_space(data: bytes, found: Sequence[Capability]) -> bool:
    """PCI Express has it, and PCI-X 2.0 in its mode 2; elsewhere those bytes may be an echo of the first."""
    return any(
        entry.id == _EXPRESS_ID
        or (entry.id == _PCI_X_ID and data[entry.offset + 7 : entry.offset + 8] >= _PCI_X_MODE_2)
        for entry in found
    )


Decode = Callable[[bytes, int, list[str]], Any]
_SUBSYSTEM_ID = 0x0D
_PCI_X_ID = 0x07
_PCI_X_MODE_2 = b"\x40"  # the top bits of its status: 266 or 533 MHz
_EXPRESS_ID = 0x10
_STANDARD: Mapping[int, tuple[str, Decode]] = {
    0x01: ("power_management", decode_power_management),
    0x05: ("msi", decode_msi),
    _EXPRESS_ID: ("express", decode_express),
    0x11: ("msi_x", decode_msi_x),
}
_EXTENDED: Mapping[int, tuple[str, Decode]] = {
    0x01: ("aer", extended.decode_aer),
    0x03: ("serial_number", extended.decode_serial_number),
    0x0D: ("acs", extended.decode_acs),
    0x0E: ("ari", extended.decode_ari),
    0x10: ("sriov", extended.decode_sriov),
    0x19: ("secondary_express", layers.decode_secondary),
    0x1D: ("containment", extended.decode_containment),
    0x25: ("data_link_feature", layers.decode_data_link_feature),
    0x26: ("physical_layer_16", layers.decode_physical_layer_16),
    0x2A: ("physical_layer_32", layers.decode_physical_layer_32),
    0x2F: ("third_device", layers.decode_third_device),
    0x31: ("physical_layer_64", layers.decode_physical_layer_64),
}
_BLOCKS: Mapping[int, tuple[str, Decode]] = {
    0x0B: ("vendor_specific", extended.decode_vendor_specific),
    0x23: ("designated_vendor_specific", extended.decode_designated),
}
