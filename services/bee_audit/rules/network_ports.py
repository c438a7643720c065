"""Which interfaces the rules judge, and where they are."""

import re
from collections.abc import Iterator

from bee_bus.documents.audit import Hardware
from bee_bus.documents.network import NetworkInterface

# Interfaces of an adapter in switch mode that stand for one of its functions, not for a port.
_STAND_IN = re.compile(r"pf\d+(?:vf|sf)\d+|hpf")


def ports(hardware: Hardware) -> Iterator[NetworkInterface]:
    """The ports of the machine's own adapters: no virtual functions, no USB links to a BMC, no tunnels."""
    for interface in hardware.network.interfaces if hardware.network else ():
        own = interface.physical and not interface.virtual_function and interface.bus != "usb"
        if own and interface.type == "ethernet" and not _STAND_IN.search(interface.port_name or ""):
            yield interface


def where(interface: NetworkInterface, hardware: Hardware) -> str:
    """For hands: "eth2, 0000:3b:00.0 in SLOT 4, MAC 0c:42:a1:00:00:01"."""
    parts = [interface.id]
    if interface.pci_address is not None:
        devices = hardware.pcie.devices if hardware.pcie else ()
        slot = next((device.location for device in devices if device.id == interface.pci_address), None)
        parts.append(f"{interface.pci_address} in {slot}" if slot else interface.pci_address)
    if interface.mac is not None:
        parts.append(f"MAC {interface.mac}")
    return ", ".join(parts)
