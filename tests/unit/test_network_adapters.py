"""Adapters on PCI of which the kernel's network shows no port."""

from msgspec.structs import replace

from bee_audit.rules.network_adapters import without_ports
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.network import InfinibandAdapter, NetworkInterface, NetworkSection
from bee_bus.documents.pcie import PcieDevice, PcieSection
from bee_bus.thresholds import Thresholds
from lab.judging import NOT_JUDGED

E810 = PcieDevice(
    id="0000:3b:00.0",
    name="Ethernet Controller E810-C for QSFP",
    vendor_id="8086",
    device_id="1592",
    class_id="0200",
    location="SLOT 4",
    driver="ice",
)


def interface(name: str, address: str) -> NetworkInterface:
    return NetworkInterface(id=name, name=name, physical=True, pci_address=address)


def judged(
    *devices: PcieDevice,
    interfaces: tuple[NetworkInterface, ...] = (),
    infiniband: tuple[InfinibandAdapter, ...] = (),
) -> list[Finding]:
    hardware = Hardware(
        summary=NOT_JUDGED,
        pcie=PcieSection(devices=devices),
        network=NetworkSection(interfaces=interfaces, infiniband=infiniband),
    )
    return list(without_ports(hardware, Thresholds({})))


def test_an_adapter_whose_firmware_asks_to_be_recovered() -> None:
    """Its driver stays, for whoever burns the firmware, and makes no interface."""
    port = replace(E810, id="0000:5e:00.0")
    (finding,) = judged(E810, port, interfaces=(interface("ens5f0", port.id),))
    assert (finding.rule, finding.severity) == ("network.no-port", "Unknown")
    assert (finding.component, finding.where) == ("pcie/0000:3b:00.0", "0000:3b:00.0 in SLOT 4")
    assert finding.value == "ice"


def test_one_of_two_ports_of_a_card() -> None:
    second = replace(E810, id="0000:3b:00.1")
    (finding,) = judged(E810, second, interfaces=(interface("ens4f0", E810.id),))
    assert finding.component == "pcie/0000:3b:00.1"


def test_functions_that_never_are_ports() -> None:
    """A Chelsio T6: its functions 0 to 3 are for virtual functions, all ports are on the fourth."""
    t6 = replace(E810, vendor_id="1425", driver="cxgb4")
    functions = [replace(t6, id=f"0000:3b:00.{number}", device_id="600d") for number in range(4)]
    ports = replace(t6, id="0000:3b:00.4", device_id="640d")
    found = (interface("ens4f4", ports.id), interface("ens4f4d1", ports.id))
    assert judged(*functions, ports, interfaces=found) == []
    assert len(judged(*functions, ports)) == 5, "a card without any port"


def test_adapters_with_infiniband_only() -> None:
    connectx = replace(E810, vendor_id="15b3", device_id="1021", class_id="0207", driver="mlx5_core")
    adapter = InfinibandAdapter(id="mlx5_0", name="mlx5_0", pci_address=connectx.id)
    assert judged(connectx, infiniband=(adapter,)) == []
    assert len(judged(connectx)) == 1


def test_what_others_tell_of_and_what_is_no_port() -> None:
    handed_on = replace(E810, driver="vfio-pci")
    virtual = replace(E810, physical_function="0000:3b:00.0")
    lost = replace(E810, answers=False)
    wireless = replace(E810, class_id="0280")
    assert judged(handed_on, replace(E810, driver=None), virtual, lost, wireless) == []


def test_a_network_that_was_not_looked_at_is_not_judged() -> None:
    hardware = Hardware(summary=NOT_JUDGED, pcie=PcieSection(devices=(E810,)))
    assert list(without_ports(hardware, Thresholds({}))) == []
