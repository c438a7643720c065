"""InfiniBand and RoCE adapters, as the kernel's RDMA stack shows them in sysfs."""

import re

from bee_audit.decode.pci_ids import PciIds
from bee_bus.documents.network import InfinibandAdapter, InfinibandPort
from bee_machine import Entry, Machine

ADAPTERS = "/sys/class/infiniband"
# Linux, Documentation/ABI/stable/sysfs-class-infiniband: errors only, no traffic.
ERROR_COUNTERS = (
    *("symbol_error", "link_error_recovery", "link_downed", "port_rcv_errors", "port_xmit_discards"),
    *("local_link_integrity_errors", "excessive_buffer_overrun_errors", "VL15_dropped"),
)
ADAPTER_FILES = ("fw_ver", "board_id", "node_guid", "device/vendor", "device/device")
PORT_FILES = (
    *("state", "phys_state", "rate", "link_layer", "lid"),
    *(f"counters/{name}" for name in ERROR_COUNTERS),
)


async def read_adapters(machine: Machine, names: PciIds | None) -> tuple[InfinibandAdapter, ...]:
    adapters = []
    for entry in await machine.read_entries(ADAPTERS, files=ADAPTER_FILES, links=("device", "device/physfn")):
        ports = await machine.read_entries(f"{ADAPTERS}/{entry.name}/ports", files=PORT_FILES)
        adapters.append(_adapter(entry, ports, names))
    return tuple(adapters)


def _adapter(entry: Entry, ports: tuple[Entry, ...], names: PciIds | None) -> InfinibandAdapter:
    vendor_id, device_id = entry.integer("device/vendor"), entry.integer("device/device")
    ids = {}
    if vendor_id is not None and device_id is not None:
        ids = {"vendor_id": f"{vendor_id:04x}", "device_id": f"{device_id:04x}"}
    vendor = names.vendor(ids["vendor_id"]) if names and ids else None
    model = names.device(ids["vendor_id"], ids["device_id"]) if names and ids else None
    address = entry.link_name("device")
    return InfinibandAdapter(
        id=entry.name,
        name=" ".join(filter(None, (vendor, model))) or entry.name,
        vendor=vendor,
        model=model,
        **ids,
        pci_address=address if address and re.fullmatch(r"[0-9a-f:]+\.[0-7]", address) else None,
        virtual_function="device/physfn" in entry.links,
        firmware=entry.text("fw_ver"),
        board_id=entry.text("board_id"),
        node_guid=_guid(entry.text("node_guid")),
        ports=tuple(_port(port) for port in sorted(ports, key=_number)),
    )


def _number(port: Entry) -> int:
    return int(port.name) if port.name.isdecimal() else 0


def _port(entry: Entry) -> InfinibandPort:
    rate = re.match(r"([\d.]+) Gb/sec(?: \((\d+)X ?(\w+)?\))?", entry.text("rate") or "")
    counters = {name: entry.integer(f"counters/{name}") for name in ERROR_COUNTERS}
    return InfinibandPort(
        number=_number(entry),
        link_layer=entry.text("link_layer"),
        state=_word(entry.text("state")),
        physical_state=_word(entry.text("phys_state")),
        rate_gbps=float(rate[1]) if rate else None,
        lanes=int(rate[2]) if rate and rate[2] else None,
        signaling=rate[3] if rate else None,
        lid=entry.integer("lid"),
        errors={name: count for name, count in counters.items() if count},
    )


def _word(text: str | None) -> str | None:
    """The word of "4: ACTIVE"."""
    return text.partition(":")[2].strip() or text if text else None


def _guid(text: str | None) -> str | None:
    return text if text and set(text) - set("0:") else None
