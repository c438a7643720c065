"""The two chains of PCI capabilities, and the names of what stands in them.

The chains are written by the device: a pointer may lead nowhere, backwards or in a circle. What is wrong
with a chain is told, and what came before it is kept.
"""

from collections.abc import Iterator, Mapping

from bee_audit.decode.pci_header import HEADER_BYTES
from bee_bus.documents.base import Document

EXTENDED_START = 0x100
EXTENDED_END = 0x1000
# An entry takes at least four bytes of its space, so that a longer chain must meet itself.
CHAIN_LIMIT = (EXTENDED_START - HEADER_BYTES) // 4
EXTENDED_CHAIN_LIMIT = (EXTENDED_END - EXTENDED_START) // 4


class Capability(Document):
    """One entry of a chain: where it stands (offset in bytes), what it is."""

    offset: int
    id: int
    name: str
    version: int | None = None  # extended capabilities only


def walk_capabilities(data: bytes, first: int, defects: list[str]) -> Iterator[Capability]:
    """The chain in the first 256 bytes (PCI 3.0 §6.7), which begins at the pointer ``first``."""
    seen: set[int] = set()
    where = first & ~3  # the lowest two bits are reserved
    while where:
        if where < HEADER_BYTES or where + 2 > min(len(data), EXTENDED_START):
            defects.append(f"the capability chain leads to {where:#04x}, outside its space")
            return
        if where in seen:
            defects.append(f"the capability chain runs in a circle at {where:#04x}")
            return
        seen.add(where)
        number = data[where]
        if number == 0xFF:
            defects.append(f"the capability chain is broken at {where:#04x}: the id is FF")
            return
        name = CAPABILITIES.get(number, f"Capability {number:#04x}")
        yield Capability(offset=where, id=number, name=name)
        where = data[where + 1] & ~3


def walk_extended_capabilities(data: bytes, defects: list[str]) -> Iterator[Capability]:
    """The chain from 0x100 on (PCIe 6.0 §7.6.3)."""
    seen: set[int] = set()
    where = EXTENDED_START
    while where:
        if where < EXTENDED_START or where + 4 > len(data):
            defects.append(f"the extended capability chain leads to {where:#05x}, outside its space")
            return
        if where in seen:
            defects.append(f"the extended capability chain runs in a circle at {where:#05x}")
            return
        seen.add(where)
        header = int.from_bytes(data[where : where + 4], "little")
        if header in (0, 0xFFFFFFFF):
            if header and where != EXTENDED_START:
                defects.append(f"the extended capability chain is broken at {where:#05x}: all bits are set")
            return
        number = header & 0xFFFF
        name = EXTENDED_CAPABILITIES.get(number, f"Extended Capability {number:#06x}")
        yield Capability(offset=where, id=number, name=name, version=header >> 16 & 0xF)
        where = header >> 20 & ~3


# PCI Code and ID Assignment Specification 1.17, §2. The names are those that lspci prints.
CAPABILITIES: Mapping[int, str] = {
    0x00: "Null",
    0x01: "Power Management",
    0x02: "AGP",
    0x03: "Vital Product Data",
    0x04: "Slot ID",
    0x05: "MSI",
    0x06: "CompactPCI hot-swap",
    0x07: "PCI-X",
    0x08: "HyperTransport",
    0x09: "Vendor Specific Information",
    0x0A: "Debug port",
    0x0B: "CompactPCI central resource control",
    0x0C: "Hot-plug capable",
    0x0D: "Subsystem",
    0x0E: "AGP3",
    0x0F: "Secure device",
    0x10: "Express",
    0x11: "MSI-X",
    0x12: "SATA HBA",
    0x13: "PCI Advanced Features",
    0x14: "Enhanced Allocation (EA)",
    0x15: "Flattening Portal Bridge",
}

# The same, §3.
EXTENDED_CAPABILITIES: Mapping[int, str] = {
    0x00: "Null",
    0x01: "Advanced Error Reporting",
    0x02: "Virtual Channel",
    0x03: "Device Serial Number",
    0x04: "Power Budgeting",
    0x05: "Root Complex Link",
    0x06: "Root Complex Internal Link",
    0x07: "Root Complex Event Collector",
    0x08: "Multi-Function Virtual Channel",
    0x09: "Virtual Channel",
    0x0A: "Root Bridge Control Block",
    0x0B: "Vendor Specific Information",
    0x0C: "Configuration Access Correlation",
    0x0D: "Access Control Services",
    0x0E: "Alternative Routing-ID Interpretation (ARI)",
    0x0F: "Address Translation Service (ATS)",
    0x10: "Single Root I/O Virtualization (SR-IOV)",
    0x11: "Multi-Root I/O Virtualization",
    0x12: "Multicast",
    0x13: "Page Request Interface (PRI)",
    0x14: "Reserved for AMD",
    0x15: "Physical Resizable BAR",
    0x16: "Dynamic Power Allocation",
    0x17: "Transaction Processing Hints",
    0x18: "Latency Tolerance Reporting",
    0x19: "Secondary PCI Express",
    0x1A: "Protocol Multiplexing",
    0x1B: "Process Address Space ID (PASID)",
    0x1C: "LN Requester",
    0x1D: "Downstream Port Containment",
    0x1E: "L1 PM Substates",
    0x1F: "Precision Time Measurement",
    0x20: "PCI Express over M_PHY",
    0x21: "FRS Queueing",
    0x22: "Readiness Time Reporting",
    0x23: "Designated Vendor-Specific",
    0x24: "Virtual Resizable BAR",
    0x25: "Data Link Feature",
    0x26: "Physical Layer 16.0 GT/s",
    0x27: "Lane Margining at the Receiver",
    0x28: "Hierarchy ID",
    0x29: "Native PCIe Enclosure Management",
    0x2A: "Physical Layer 32.0 GT/s",
    0x2B: "Alternate Protocol",
    0x2C: "System Firmware Intermediary",
    0x2D: "Shadow Functions",
    0x2E: "Data Object Exchange",
    0x2F: "Device 3",
    0x30: "Integrity & Data Encryption",
    0x31: "Physical Layer 64.0 GT/s",
    0x32: "Flit Logging",
    0x33: "Flit Performance Measurement",
    0x34: "Flit Error Injection",
    0x35: "Streamlined Virtual Channel",
    0x36: "MMIO Register Block Locator",
}
