"""GPUs as PCI shows them, driver or not: what the machine is made of."""

import msgspec

from bee_bus.documents.gpus import GpuLink
from bee_machine import Entry, Machine
from bee_machine.gpus import GPU_VENDORS, is_gpu, is_nvswitch
from bee_machine.ports import is_made_up

DEVICES = "/sys/bus/pci/devices"
_IDS = ("vendor", "device", "class", "subsystem_vendor", "subsystem_device", "numa_node")
_LINK = ("current_link_speed", "current_link_width", "max_link_speed", "max_link_width")
_NO_WIDTH = 255  # what the kernel shows when the link's registers cannot be read


class PciGpu(msgspec.Struct, frozen=True):
    """``id`` is the PCI address as sysfs writes it."""

    id: str
    vendor_id: str
    vendor: str
    pci_id: str
    pci_subsystem_id: str | None
    numa_node: int | None
    driver: str | None
    link: GpuLink | None


class PciView(msgspec.Struct, frozen=True):
    """``seen``: PCI could be read at all, so that what is not in it is not there."""

    gpus: tuple[PciGpu, ...]
    nvswitches: tuple[str, ...]
    seen: bool


async def read_pci(machine: Machine) -> PciView:
    entries = await machine.read_entries(DEVICES, files=(*_IDS, *_LINK), links=("driver", "physfn"))
    gpus = [(entry, _port(entry)) for entry in entries if _is_gpu(entry)]
    wanted = {f"{DEVICES}/{port}/{name}" for _, port in gpus if port for name in (*_IDS[:2], *_LINK[2:])}
    ports = {path: raw.decode("ascii", "replace") for path, raw in (await machine.read_files(wanted)).items()}
    return PciView(
        gpus=tuple(_gpu(entry, port, ports) for entry, port in gpus),
        nvswitches=tuple(
            entry.name for entry in entries if is_nvswitch(_hex(entry, "vendor"), _class(entry))
        ),
        seen=bool(entries),
    )


def pci_address(address: str) -> str:
    """An address as the kernel writes it: NVML's and the driver's may have a domain of eight digits."""
    domain, _, rest = address.lower().partition(":")
    return f"{domain[-4:] if domain[:-4].strip('0') == '' else domain}:{rest}"


def _is_gpu(entry: Entry) -> bool:
    return is_gpu(
        _hex(entry, "vendor"),
        _class(entry),
        virtual_function="physfn" in entry.links,
        in_root_complex=_port(entry) is None and not _width(entry.text("current_link_width")),
    )


def _gpu(entry: Entry, port: str | None, ports: dict[str, str]) -> PciGpu:
    vendor = _hex(entry, "vendor")
    subsystem = (_hex(entry, "subsystem_vendor"), _hex(entry, "subsystem_device"))
    numa_node = entry.integer("numa_node")
    if is_made_up(*(ports.get(f"{DEVICES}/{port}/{name}", "").strip()[2:] for name in _IDS[:2])):
        port = None  # what it claims is not what the host's port can do
    link = GpuLink(
        port=port,
        speed_gtps=_speed(entry.text("current_link_speed")),
        width=_width(entry.text("current_link_width")),
        max_speed_gtps=_speed(entry.text("max_link_speed")),
        max_width=_width(entry.text("max_link_width")),
        port_max_speed_gtps=_speed(ports.get(f"{DEVICES}/{port}/max_link_speed")),
        port_max_width=_width(ports.get(f"{DEVICES}/{port}/max_link_width")),
    )
    return PciGpu(
        id=entry.name,
        vendor_id=vendor,
        vendor=GPU_VENDORS.get(vendor, vendor),
        pci_id=f"{vendor}:{_hex(entry, 'device')}",
        pci_subsystem_id=":".join(subsystem) if all(subsystem) else None,
        numa_node=numa_node if numa_node is not None and numa_node >= 0 else None,
        driver=entry.link_name("driver"),
        link=None if link == GpuLink(port=port) else link,
    )


def _port(entry: Entry) -> str | None:
    """The port above: the folder that the device's own lies in, unless that is the root of the bus."""
    parent = entry.real_path.split("/")[-2]
    return parent if parent.count(":") == 2 else None


def _hex(entry: Entry, name: str) -> str:
    value = entry.integer(name)
    return "" if value is None else f"{value & 0xFFFF:04x}"


def _class(entry: Entry) -> str:
    value = entry.integer("class")
    return "" if value is None else f"{value >> 8 & 0xFFFF:04x}"


def _width(text: str | None) -> int | None:
    width = int(text) if text and text.strip().isdecimal() else 0
    return width if 0 < width < _NO_WIDTH else None


def _speed(text: str | None) -> float | None:
    """ "32.0 GT/s PCIe"."""
    first = text.split()[0] if text and text.strip() else ""
    try:
        return float(first)
    except ValueError:
        return None
