"""The firmware section: every version that the other sections have seen, in one table."""

from collections.abc import Iterator

import msgspec

from bee_bus.documents.audit import Hardware
from bee_bus.documents.firmware import FirmwareKind, FirmwareSection, FirmwareVersion
from bee_bus.documents.network import NetworkSection
from bee_bus.documents.psus import Psu
from bee_bus.documents.storage import StorageController


def firmware_table(hardware: Hardware) -> FirmwareSection:
    return FirmwareSection(versions=tuple(_versions(hardware)))


def _versions(hardware: Hardware) -> Iterator[FirmwareVersion]:
    if hardware.board and hardware.board.bios:
        yield from _of("board", "BIOS", hardware.board.bios)
    for controller in hardware.bmc.controllers if hardware.bmc else ():
        yield from _of("bmc", "BMC", controller)
    for cpu in hardware.cpus.sockets if hardware.cpus else ():
        yield from _of("cpus", "microcode", cpu)
    for slot in hardware.memory.slots if hardware.memory else ():
        yield from _of("memory", "memory", slot)
    for adapter in hardware.storage.controllers if hardware.storage else ():
        yield from _of("storage", "HBA", adapter)
        yield from _of_drives(adapter)
    for disk in hardware.storage.disks if hardware.storage else ():
        yield from _of("storage", "disk", disk)
    if hardware.network:
        yield from _of_network(hardware.network)
    for gpu in hardware.gpus.gpus if hardware.gpus else ():
        yield from _of("gpus", "GPU", gpu)
    for psu in hardware.psus.psus if hardware.psus else ():
        yield from _of_psu(psu)


def _of(section: str, kind: FirmwareKind, part: msgspec.Struct) -> Iterator[FirmwareVersion]:
    """The version of a component, by the names that all components share."""
    version = getattr(part, "firmware", None)
    if version:
        yield FirmwareVersion(
            id=f"{section}/{getattr(part, 'id', '')}",
            kind=kind,
            version=version,
            name=getattr(part, "model", None) or getattr(part, "name", None),
            location=getattr(part, "location", None),
        )


def _of_drives(controller: StorageController) -> Iterator[FirmwareVersion]:
    """The drives that only their RAID controller sees."""
    for drive in controller.drives:
        if drive.firmware:
            yield FirmwareVersion(
                id=f"storage/{controller.id}/{drive.slot}",
                kind="disk",
                version=drive.firmware,
                name=drive.model,
                location=f"slot {drive.slot}",
            )


def _of_network(network: NetworkSection) -> Iterator[FirmwareVersion]:
    """An adapter may show itself as an interface and as an InfiniBand device: once is enough."""
    shown = set()
    for interface in network.interfaces:
        if interface.physical and not interface.virtual_function and interface.firmware:
            shown.add(interface.pci_address)
            yield from _of("network", "NIC", interface)
    for adapter in network.infiniband:
        if not adapter.virtual_function and adapter.pci_address not in shown:
            yield from _of("network", "NIC", adapter)


def _of_psu(psu: Psu) -> Iterator[FirmwareVersion]:
    """A power supply states one version, in its FRU data."""
    if psu.version:
        yield FirmwareVersion(
            id=f"psus/{psu.id}",
            kind="PSU",
            version=psu.version,
            name=psu.model or psu.name,
            location=psu.location,
        )
