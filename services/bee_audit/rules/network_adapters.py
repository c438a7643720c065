"""Rules over network adapters that PCI shows and the kernel's network does not."""

from collections.abc import Iterator

from bee_audit.rules.pci_places import component, devices_of, is_unmanned, where
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.pcie import PcieDevice

ADAPTERS = ("0200", "0207")  # Ethernet and InfiniBand controllers (PCI Code and ID Assignment 1.14 §1.3)


def without_ports(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A driver that has its adapter and made no port of it, as where the firmware asks to be recovered.

    Some adapters have functions that never are ports (a T6's first four, for virtual functions): these have
    ids of their own, beside others of the same card that do have ports.
    """
    if hardware.network is None:
        return
    adapters = [
        one
        for one in devices_of(hardware)
        if one.class_id in ADAPTERS and one.answers and one.physical_function is None and not is_unmanned(one)
    ]
    seen = {one.pci_address for one in hardware.network.interfaces}
    seen |= {one.pci_address for one in hardware.network.infiniband}
    kinds = {_kind(one) for one in adapters if one.id in seen}
    cards = {card for card, *_ in kinds}
    for device in adapters:
        if device.id in seen or (_card(device) in cards and _kind(device) not in kinds):
            continue
        yield Finding(
            rule="network.no-port",
            severity="Unknown",
            component=component(device),
            where=where(device),
            message=f"{device.name}: its driver {device.driver} made no port of it, so that none was seen",
            next_step="Look what the driver says (journalctl -k). A firmware in recovery mode is burnt anew; "
            "if it stays so after that, replace the card.",
            value=device.driver,
        )


def _card(device: PcieDevice) -> str:
    return device.id.rpartition(".")[0]


def _kind(device: PcieDevice) -> tuple[str, str, str]:
    return _card(device), device.vendor_id, device.device_id
