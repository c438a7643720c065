"""Rules over InfiniBand ports. RoCE ports are judged as the Ethernet interfaces that they are."""

import re
from collections import defaultdict
from collections.abc import Iterator

from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Threshold
from bee_bus.documents.network import InfinibandAdapter, InfinibandPort

JUDGED_COUNTERS = {
    "symbol_error": "symbol errors",
    "link_error_recovery": "link recoveries",
    "link_downed": "link losses",
    "port_rcv_errors": "packets received with errors",
    "local_link_integrity_errors": "link integrity errors",
    "excessive_buffer_overrun_errors": "buffer overruns",
}
# Old kernels do not tell. A cloud's adapter of its own kind has "Unspecified".
INFINIBAND = (None, "InfiniBand")
# As the kernel rounds them (rate_show in drivers/infiniband/core/sysfs.c), halves by names of their own.
GBPS_OF_FOUR_LANES = {
    "QDR": 40,
    "FDR10": 40,
    "FDR": 56,
    "EDR": 100,
    "HDR100": 100,
    "HDR": 200,
    "HDR200": 200,
    "NDR200": 200,
    "NDR": 400,
    "NDR400": 400,
    "XDR": 800,
}
_HALF = re.compile(r"\b(HDR(?=[ -]100)|NDR(?=[ -]200))[ -]")  # "HDR 100 InfiniBand (100Gb/s)"
_SIGNALING = re.compile(rf"\b({'|'.join(GBPS_OF_FOUR_LANES)})\b")
CLEAN = "Clean or replace the cable and audit again after a day of load; then try another port of the switch."


def port_down(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A port with a cable and no link. A port without a cable is no fault."""
    for adapter, port in _ports(hardware):
        cable = _cable(hardware, adapter)
        if port.state != "DOWN" or cable is None:
            continue
        yield Finding(
            rule="network.infiniband-down",
            severity="Warning",
            component=f"network/{adapter.id}",
            where=_where(adapter, port),
            message=f"{adapter.name} port {port.number} has a cable ({cable}) and no link "
            f"({port.physical_state or 'state not told'})",
            next_step="Look whether the other end is plugged in and its port is on; then replace the cable.",
            value=port.physical_state,
        )


def port_narrow(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A port on one lane has lost the others; one on two may be meant to be split."""
    limit = thresholds["network.infiniband_lanes"]
    for adapter, port in _ports(hardware):
        if not _is_linked(port) or port.lanes is None:
            continue
        if port.lanes * 2 < thresholds.number(limit.name):
            yield Finding(
                rule="network.infiniband-narrow",
                severity="Warning",
                component=f"network/{adapter.id}",
                where=_where(adapter, port),
                message=f"{adapter.name} port {port.number} runs on {port.lanes} lane"
                f"{'s' if port.lanes > 1 else ''}, at {port.rate_gbps:g} Gb/s",
                next_step=CLEAN,
                value=port.lanes,
                threshold=limit,
            )


def port_slow(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Lanes slower than those of the adapter. How many there are is judged by itself."""
    for adapter, port in _ports(hardware):
        product = _product(hardware, adapter)
        words = _SIGNALING.findall(_HALF.sub(r"\1", product or ""))
        best = max((GBPS_OF_FOUR_LANES[word] for word in words), default=None)
        if best is None or not _is_linked(port) or not port.lanes or not port.rate_gbps:
            continue
        ability = best * port.lanes / 4
        if port.rate_gbps < ability:
            yield Finding(
                rule="network.infiniband-slow",
                severity="Warning",
                component=f"network/{adapter.id}",
                where=_where(adapter, port),
                message=f"{adapter.name} port {port.number} runs at {port.rate_gbps:g} Gb/s, "
                f"the adapter can do {ability:g} on so many lanes ({port.lanes})",
                next_step=f"Look what the cable and the switch's port can do. {CLEAN}",
                value=port.rate_gbps,
                threshold=Threshold(
                    name="network.infiniband_rate",
                    value=ability,
                    unit="Gb/s",
                    source=f"vital product data of the adapter: {product}",
                    layer="device",
                ),
            )


def port_errors(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    for adapter, port in _ports(hardware):
        for counter, words in JUDGED_COUNTERS.items():
            count = port.errors.get(counter, 0)
            limit = thresholds[f"network.infiniband_{counter}"]
            if count > thresholds.number(limit.name):
                yield Finding(
                    rule="network.infiniband-errors",
                    severity="Warning",
                    component=f"network/{adapter.id}",
                    where=_where(adapter, port),
                    message=f"{adapter.name} port {port.number} has counted {count} {words}",
                    next_step=CLEAN,
                    value=count,
                    threshold=limit,
                )


def port_unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """One port slower than those of the same model of adapter."""
    rates: dict[tuple[str | None, str | None], list[tuple[InfinibandAdapter, InfinibandPort]]] = defaultdict(
        list
    )
    for adapter, port in _ports(hardware):
        if _is_linked(port) and port.rate_gbps:
            rates[adapter.device_id, adapter.board_id].append((adapter, port))
    for group in rates.values():
        best = max(port.rate_gbps or 0.0 for _, port in group)
        for adapter, port in group:
            if port.rate_gbps is not None and port.rate_gbps < best:
                yield Finding(
                    rule="network.infiniband-unlike-peers",
                    severity="Warning",
                    component=f"network/{adapter.id}",
                    where=_where(adapter, port),
                    message=f"{adapter.name} port {port.number} runs at {port.rate_gbps:g} Gb/s, "
                    f"others of its kind at {best:g}",
                    next_step="Compare cable and switch port with those of the others.",
                    value=port.rate_gbps,
                    threshold=Threshold(
                        name="network.infiniband_unlike_peers",
                        value=best,
                        unit="Gb/s",
                        source=f"the fastest of the {len(group)} linked ports of this model in the machine",
                        layer="device",
                    ),
                )


def _ports(hardware: Hardware) -> Iterator[tuple[InfinibandAdapter, InfinibandPort]]:
    for adapter in hardware.network.infiniband if hardware.network else ():
        if adapter.virtual_function:
            continue
        for port in adapter.ports:
            if port.link_layer in INFINIBAND:
                yield adapter, port


def _is_linked(port: InfinibandPort) -> bool:
    """Width and rate are settled with the link; a port without a subnet manager stays in INIT."""
    return port.state in ("INIT", "ARMED", "ACTIVE")


def _product(hardware: Hardware, adapter: InfinibandAdapter) -> str | None:
    """What the adapter calls itself: "ConnectX-6 VPI adapter card, HDR IB (200Gb/s) and 200GbE"."""
    devices = hardware.pcie.devices if hardware.pcie else ()
    return next((device.product for device in devices if device.id == adapter.pci_address), None)


def _cable(hardware: Hardware, adapter: InfinibandAdapter) -> str | None:
    """What is plugged into an adapter's port, as its interface can read it."""
    if adapter.pci_address is None or hardware.network is None:
        return None
    for interface in hardware.network.interfaces:
        if interface.pci_address == adapter.pci_address and interface.transceiver:
            plugged = interface.transceiver
            return " ".join(filter(None, (plugged.vendor, plugged.part_number))) or plugged.type
    return None


def _where(adapter: InfinibandAdapter, port: InfinibandPort) -> str:
    place = f"{adapter.id} port {port.number}"
    return f"{place}, {adapter.pci_address}" if adapter.pci_address else place
