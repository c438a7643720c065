"""How findings name PCI devices, and which device stands for a link."""

from collections.abc import Iterator

from bee_audit.decode.pci_express import DOWNSTREAM_PORTS
from bee_bus.documents.audit import Hardware
from bee_bus.documents.pcie import PcieDevice, PcieLink, PcieSection
from bee_machine.ports import is_made_up

BRIDGE = "0604"
# These drivers take a device to hand it to somebody else, and show nothing of it.
HANDING_ON = ("vfio-pci", "pci-stub", "xen-pciback", "uio_pci_generic", "igb_uio")
GPU_CLASSES = ("03", "12")  # display controllers, processing accelerators


def where(device: PcieDevice) -> str:
    """For hands: "0000:3b:00.0 in SLOT 4, serial 8C2F01"."""
    place = f"{device.id} in {device.location}" if device.location else device.id
    return f"{place}, serial {device.serial}" if device.serial else place


def component(device: PcieDevice) -> str:
    return f"pcie/{device.id}"


def devices_of(hardware: Hardware) -> tuple[PcieDevice, ...]:
    return hardware.pcie.devices if hardware.pcie else ()


def lower_ends(section: PcieSection) -> Iterator[PcieDevice]:
    """The device at the lower end of each link, once per link: the functions of a card share one.

    Ports that lead downstream are the upper ends of theirs, and virtual functions have none.
    """
    seen = set()
    ports = {device.id for device in section.devices if device.kind in DOWNSTREAM_PORTS}
    for device in section.devices:
        if device.link is None or not device.answers or leads_down(device):
            continue
        # A port has one link. The addresses alone do not say so: with ARI function 8 looks like a device.
        card = device.parent if device.parent in ports else device.id.rpartition(".")[0]
        if card not in seen and not is_suspended(device):
            seen.add(card)
            yield device


def is_unmanned(device: PcieDevice) -> bool:
    """Whether no driver shows what the device is for: there is none, or one that hands it on."""
    return device.driver is None or device.driver in HANDING_ON


def is_suspended(device: PcieDevice) -> bool:
    """Whether the kernel has taken its power, so that its registers and its link say nothing.

    D3cold alone does not tell: the kernel writes it down of every device that it finds unreachable, too.
    """
    return device.power_state == "D3cold" and device.runtime_status == "suspended"


def below_hypervisor(section: PcieSection) -> frozenset[str]:
    """Devices whose other end is not that of their link: they are passed through from the host."""
    made_up = {device.id for device in section.devices if is_made_up(device.vendor_id, device.device_id)}
    return frozenset(device.id for device in section.devices if device.parent in made_up)


def takes_whole_slot(link: PcieLink) -> bool:
    """A wide card that uses all lanes of a narrower slot, as the firmware's table has it: no fault."""
    return bool(link.slot_width and link.current_width and link.current_width >= link.slot_width)


def leads_down(device: PcieDevice) -> bool:
    """Whether a device is a port whose own link is the one below it."""
    if device.kind is not None:
        return device.kind in DOWNSTREAM_PORTS
    # Of a bridge that only sysfs shows: the upper end of a switch would know what the port above it can do.
    return device.class_id == BRIDGE and (device.link is None or device.link.port_max_width is None)


def saves_power_by_speed(device: PcieDevice, section: PcieSection) -> bool:
    """Whether the link is a GPU's: an idle GPU lowers its link's speed, and leaves the width.

    Some GPUs have a switch of their own between slot and chip; it is by the GPU's maker.
    """
    if device.class_id.startswith(GPU_CLASSES):
        return True
    inside = {device.id}
    # In the order of addresses a bridge comes before what is below it.
    for other in section.devices:
        if other.parent in inside and other.vendor_id == device.vendor_id:
            if other.class_id.startswith(GPU_CLASSES):
                return True
            inside.add(other.id)
    return False
