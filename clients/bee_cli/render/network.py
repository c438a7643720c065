"""Network interfaces with a device of their own, and InfiniBand adapters."""

from bee_bus.documents.network import InfinibandAdapter, InfinibandPort, NetworkInterface, NetworkSection
from bee_bus.units import joined, number, several, words
from bee_cli.render.page import Page


def put_network(page: Page, network: NetworkSection) -> None:
    shown = [one for one in network.interfaces if one.physical and not one.virtual_function]
    functions = sum(1 for one in network.interfaces if one.virtual_function)
    page.heading(
        "network",
        joined(
            several(len(shown), "interface"),
            several(functions, "virtual function") if functions else "",
        ),
    )
    page.table(("=interface", "device", "=mac", "=link", "plugged in"), map(_interface, shown))
    adapters = [adapter for adapter in network.infiniband if not adapter.virtual_function]
    rows = [_port(adapter, port) for adapter in adapters for port in adapter.ports]
    page.table(("=infiniband", "model", "=firmware", "port", "state"), rows)


def bit_rate(mbps: int | None) -> str:
    """400 Gb/s, 100 Mb/s."""
    if mbps is None:
        return ""
    return f"{number(mbps / 1000)} Gb/s" if mbps >= 1000 else f"{mbps} Mb/s"


def _interface(one: NetworkInterface) -> tuple[str, ...]:
    return (
        one.id,
        words(one.vendor, one.model) or one.driver or "",
        one.permanent_mac or one.mac or "",
        _link(one),
        words(one.transceiver.vendor, one.transceiver.part_number) if one.transceiver else "",
    )


def _link(one: NetworkInterface) -> str:
    if one.admin_up is False:
        return "switched off"
    if one.carrier is False:
        return "no link"
    if one.carrier is None:
        return ""
    speed = bit_rate(one.speed_mbps)
    half = "half duplex" if one.duplex == "half" else ""
    return joined(speed or "up", half)


def _port(adapter: InfinibandAdapter, port: InfinibandPort) -> tuple[str, ...]:
    rate = f"{number(port.rate_gbps)} Gb/s" if port.rate_gbps else ""
    width = f"{port.lanes} lanes" if port.lanes else ""
    return (
        adapter.id,
        words(adapter.vendor, adapter.model),
        adapter.firmware or "",
        words(port.number, port.link_layer),
        joined(words(port.state, port.physical_state), rate, width, port.signaling),
    )
