"""Rules over InfiniBand ports. RoCE ports are judged as the Ethernet interfaces that they are."""

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
        if port.state != "ACTIVE" or port.lanes is None:
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
    """One active port slower than those of the same model of adapter."""
    rates: dict[tuple[str | None, str | None], list[tuple[InfinibandAdapter, InfinibandPort]]] = defaultdict(
        list
    )
    for adapter, port in _ports(hardware):
        if port.state == "ACTIVE" and port.rate_gbps:
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
                        source=f"the fastest of the {len(group)} active ports of this model in the machine",
                        layer="device",
                    ),
                )


def _ports(hardware: Hardware) -> Iterator[tuple[InfinibandAdapter, InfinibandPort]]:
    for adapter in hardware.network.infiniband if hardware.network else ():
        if adapter.virtual_function:
            continue
        for port in adapter.ports:
            if port.link_layer != "Ethernet":
                yield adapter, port


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
