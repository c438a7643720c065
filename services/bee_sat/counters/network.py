"""Errors of network links. None of them fails a run: no pack loads the network, and people pull cables.

A counter that is no longer there is not told of: an adapter that left the bus is missed among PCIe's devices.
"""

from collections.abc import Iterator

from bee_bus.documents.network import InfinibandAdapter, NetworkInterface, NetworkSection
from bee_sat.counters.reading import Counting, Kind, Part, Reading

_CABLE = "Check the cable, the transceiver (its temperature too) and the switch port."

CRC_ERRORS = Kind(
    "network.crc_errors",
    "frames that arrived damaged",
    _CABLE,
    severity="Warning",
    falls=True,  # counted since the driver was loaded, which anybody may do again
    starts_absent=True,
    told_by=("network.crc-errors",),
)
LINK_LOSSES = Kind(
    "network.link_losses",
    "times that its link went down",
    _CABLE,
    severity="Warning",
    falls=True,
    starts_absent=True,
    told_by=("network.link-losses",),
)
INFINIBAND_ERRORS = Kind(
    "network.infiniband_errors",
    "errors of its InfiniBand link",
    _CABLE,
    severity="Warning",
    falls=True,
    starts_absent=True,
    told_by=("network.infiniband-errors",),
)
# Of the port's counters those that tell of its link (InfiniBand architecture 1.7 §16.1.3.5).
_OF_THE_LINK = (
    "symbol_error",
    "link_error_recovery",
    "link_downed",
    "port_rcv_errors",
    "local_link_integrity_errors",
)


def readings(section: NetworkSection) -> Iterator[Reading]:
    for interface in section.interfaces:
        if interface.physical and not interface.virtual_function and interface.bus != "usb":
            yield from _interface(interface)
    for adapter in section.infiniband:
        if not adapter.virtual_function:
            yield from _infiniband(adapter)


def _interface(interface: NetworkInterface) -> Counting:
    place = f"{interface.id}, {interface.model}" if interface.model else interface.id
    counting = Counting(f"network/{interface.id}", place)
    if interface.errors is not None:
        counting.add(CRC_ERRORS, interface.errors.rx_crc_errors)
        counting.add(LINK_LOSSES, interface.errors.carrier_down_count)
    return counting


def _infiniband(adapter: InfinibandAdapter) -> Counting:
    counting = Counting(f"network/{adapter.id}", f"{adapter.id}, {adapter.model or 'InfiniBand'}")
    for port in adapter.ports:
        for name in _OF_THE_LINK:
            counting.add(INFINIBAND_ERRORS, port.errors.get(name), part=f"port {port.number}, {name}")
    return counting


def parts(section: NetworkSection) -> Iterator[Part]:
    """None: interfaces come and go with their drivers."""
    return iter(())
