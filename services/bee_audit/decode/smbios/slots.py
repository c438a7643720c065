"""System slots (type 9) and onboard devices (type 41): where PCI addresses are on the board."""

from typing import ClassVar

import msgspec
from construct import Int8ul, Int16ul

from bee_audit.decode.smbios.structure import (
    Layout,
    RawStructure,
    Structure,
    bus_address,
    flags,
    numbered,
    word,
)


class SlotPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Another device behind the same slot, as on a riser or a bifurcated slot (SMBIOS 3.7 §7.10.9)."""

    bus_address: str
    data_bus_width: int  # lanes


class SystemSlot(Structure, frozen=True, kw_only=True):
    """System Slots, SMBIOS 3.7 §7.10."""

    TYPE: ClassVar[int] = 9
    NAME: ClassVar[str] = "System Slot Information"

    designation: str | None = None
    slot_type: str | None = None
    data_bus_width: str | None = None
    current_usage: str | None = None
    length: str | None = None
    slot_id: int | None = None
    slot_id_second_byte: int | None = None
    characteristics: tuple[str, ...] | None = None
    bus_address: str | None = None  # "0000:3b:00.0"
    data_bus_width_base: int | None = None  # lanes of the device at bus_address
    peer_devices: tuple[SlotPeer, ...] | None = None
    pcie_generation: int | None = None
    physical_width: str | None = None
    pitch_mm: float | None = None
    height: str | None = None


class OnboardDevice(Structure, frozen=True, kw_only=True):
    """Onboard Devices Extended Information, SMBIOS 3.7 §7.42."""

    TYPE: ClassVar[int] = 41
    NAME: ClassVar[str] = "Onboard Device"

    reference_designation: str | None = None
    device_type: str | None = None
    enabled: bool | None = None
    type_instance: int | None = None
    bus_address: str | None = None  # "0000:3b:00.0"


_SLOT = Layout(
    designation=Int8ul,
    slot_type=Int8ul,
    data_bus_width=Int8ul,
    current_usage=Int8ul,
    length=Int8ul,
    slot_id=Int8ul,
    slot_id_second_byte=Int8ul,
    characteristics_1=Int8ul,
    characteristics_2=Int8ul,
    segment=Int16ul,
    bus=Int8ul,
    device_function=Int8ul,
    data_bus_width_base=Int8ul,
    peer_count=Int8ul,
)
_PEER = Layout(segment=Int16ul, bus=Int8ul, device_function=Int8ul, data_bus_width=Int8ul)
_SLOT_TAIL = Layout(slot_information=Int8ul, physical_width=Int8ul, pitch=Int16ul, height=Int8ul)
_ONBOARD = Layout(
    reference_designation=Int8ul,
    device_type=Int8ul,
    type_instance=Int8ul,
    segment=Int16ul,
    bus=Int8ul,
    device_function=Int8ul,
)


def decode_slot(raw: RawStructure) -> SystemSlot:
    raw.need(0x0C)
    slot = _SLOT.read(raw.data)
    tail_start = 4 + _SLOT.size + (slot.peer_count or 0) * _PEER.size
    tail = _SLOT_TAIL.read(raw.data, tail_start)
    # Only the types that are PCI Express of no stated generation say it here (SMBIOS 3.7 §7.10.10).
    return SystemSlot(
        handle=raw.handle,
        designation=raw.text(slot.designation),
        slot_type=word(SLOT_TYPE, slot.slot_type),
        data_bus_width=word(SLOT_WIDTH, slot.data_bus_width),
        current_usage=word(SLOT_USAGE, slot.current_usage),
        length=word(SLOT_LENGTH, slot.length),
        slot_id=slot.slot_id,
        slot_id_second_byte=slot.slot_id_second_byte,
        characteristics=_slot_characteristics(slot.characteristics_1, slot.characteristics_2),
        bus_address=bus_address(slot.segment, slot.bus, slot.device_function),
        data_bus_width_base=slot.data_bus_width_base,
        peer_devices=_peers(raw, slot.peer_count),
        pcie_generation=tail.slot_information or None,
        physical_width=word(SLOT_WIDTH, tail.physical_width or None),
        pitch_mm=tail.pitch / 100 if tail.pitch else None,
        height=word(SLOT_HEIGHT, tail.height),
        problems=tuple(raw.problems),
    )


def decode_onboard_device(raw: RawStructure) -> OnboardDevice:
    raw.need(0x0B)
    device = _ONBOARD.read(raw.data)
    kind = device.device_type
    return OnboardDevice(
        handle=raw.handle,
        reference_designation=raw.text(device.reference_designation),
        device_type=word(ONBOARD_TYPE, None if kind is None else kind & 0x7F),
        enabled=None if kind is None else bool(kind & 0x80),
        type_instance=device.type_instance,
        bus_address=bus_address(device.segment, device.bus, device.device_function),
        problems=tuple(raw.problems),
    )


def _peers(raw: RawStructure, count: int | None) -> tuple[SlotPeer, ...] | None:
    if count is None:
        return None
    start = 4 + _SLOT.size
    if start + count * _PEER.size > len(raw.data):
        raw.problems.append(f"{count} peer devices do not fit in {len(raw.data)} bytes")
        return None
    peers = []
    for index in range(count):
        peer = _PEER.read(raw.data, start + index * _PEER.size)
        function = peer.device_function
        address = f"{peer.segment:04x}:{peer.bus:02x}:{function >> 3:02x}.{function & 7:x}"
        peers.append(SlotPeer(bus_address=address, data_bus_width=peer.data_bus_width))
    return tuple(peers)


def _slot_characteristics(first: int | None, second: int | None) -> tuple[str, ...] | None:
    if first is None:
        return None
    if first & 1:  # the first bit says that the rest is unknown
        return ("Unknown",)
    return (flags(SLOT_CHARACTERISTICS_1, first) or ()) + (flags(SLOT_CHARACTERISTICS_2, second) or ())


# SMBIOS 3.7 §7.10.1
SLOT_TYPE = (
    numbered(
        *("Other", "Unknown", "ISA", "MCA", "EISA", "PCI", "PC Card (PCMCIA)", "VLB", "Proprietary"),
        *("Processor Card", "Proprietary Memory Card", "I/O Riser Card", "NuBus", "PCI-66"),
        *("AGP", "AGP 2x", "AGP 4x", "PCI-X", "AGP 8x"),
        *("M.2 Socket 1-DP", "M.2 Socket 1-SD", "M.2 Socket 2", "M.2 Socket 3"),
        *("MXM Type I", "MXM Type II", "MXM Type III", "MXM Type III-HE", "MXM Type IV"),
        *("MXM 3.0 Type A", "MXM 3.0 Type B"),
        *("PCI Express 2 SFF-8639 (U.2)", "PCI Express 3 SFF-8639 (U.2)"),
        "PCI Express Mini 52-pin with bottom-side keep-outs",
        "PCI Express Mini 52-pin without bottom-side keep-outs",
        "PCI Express Mini 76-pin",
        *("PCI Express 4 SFF-8639 (U.2)", "PCI Express 5 SFF-8639 (U.2)"),
        "OCP NIC 3.0 Small Form Factor (SFF)",
        "OCP NIC 3.0 Large Form Factor (LFF)",
        "OCP NIC Prior to 3.0",
    )
    | {0x30: "CXL Flexbus 1.0"}
    | numbered("PC-98/C20", "PC-98/C24", "PC-98/E", "PC-98/Local Bus", "PC-98/Card", first=0xA0)
    | {
        base + offset: f"PCI Express{generation}{lanes}"
        for base, generation in ((0xA5, ""), (0xAB, " 2"), (0xB1, " 3"), (0xB8, " 4"), (0xBE, " 5"))
        for offset, lanes in enumerate(("", " x1", " x2", " x4", " x8", " x16"))
    }
    | numbered("PCI Express 6+", "EDSFF E1", "EDSFF E3", first=0xC4)
)
# §7.10.2; the first seven are bits of a parallel bus, the others PCI Express lanes
SLOT_WIDTH = numbered(
    *("Other", "Unknown", "8 bit", "16 bit", "32 bit", "64 bit", "128 bit"),
    *("x1", "x2", "x4", "x8", "x12", "x16", "x32"),
)
SLOT_USAGE = numbered("Other", "Unknown", "Available", "In Use", "Unavailable")  # §7.10.3
SLOT_LENGTH = numbered(  # §7.10.4
    "Other", "Unknown", "Short", "Long", '2.5" drive form factor', '3.5" drive form factor'
)
SLOT_CHARACTERISTICS_1 = numbered(  # §7.10.6
    "5.0 V is provided",
    "3.3 V is provided",
    "Opening is shared",
    "PC Card-16 is supported",
    "Cardbus is supported",
    "Zoom Video is supported",
    "Modem ring resume is supported",
)
SLOT_CHARACTERISTICS_2 = numbered(  # §7.10.7
    "PME signal is supported",
    "Hot-plug devices are supported",
    "SMBus signal is supported",
    "PCIe slot bifurcation is supported",
    "Async/surprise removal is supported",
    "Flexbus slot, CXL 1.0 capable",
    "Flexbus slot, CXL 2.0 capable",
    "Flexbus slot, CXL 3.0 capable",
    first=0,
)
SLOT_HEIGHT = numbered(
    "Not applicable", "Other", "Unknown", "Full height", "Low-profile", first=0
)  # §7.10.14
ONBOARD_TYPE = numbered(  # §7.42.2
    *("Other", "Unknown", "Video", "SCSI Controller", "Ethernet", "Token Ring", "Sound"),
    *("PATA Controller", "SATA Controller", "SAS Controller", "Wireless LAN", "Bluetooth"),
    *("WWAN", "eMMC", "NVMe Controller", "UFS Controller"),
)
