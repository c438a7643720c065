"""The network section: interfaces by sysfs and ethtool, InfiniBand adapters by sysfs."""

import asyncio
import errno
import re
from typing import Any

import msgspec

from bee_audit.collectors.infiniband import read_adapters
from bee_audit.collectors.pci_names import read_pci_ids
from bee_audit.collectors.transceiver import read_transceiver
from bee_audit.decode import DecodeError
from bee_audit.decode.ethtool import (
    decode_driver_info,
    decode_link_settings,
    decode_permanent_address,
    mask_words,
)
from bee_audit.decode.pci_ids import PciIds
from bee_bus.documents.network import InterfaceErrors, NetworkInterface, NetworkSection
from bee_machine import ControlError, Entry, Machine, Question
from bee_machine.controls import ethtool

INTERFACES = "/sys/class/net"
PCI_FUNCTIONS = "/sys/bus/pci/devices"
PCI_NETWORK = 0x02  # base class, PCI Code and ID Assignment 1.14 §1.3
LOOPBACK = 772  # ARPHRD_LOOPBACK of <linux/if_arp.h>
TYPES = {1: "ethernet", 32: "infiniband", 512: "ppp", 801: "wireless", LOOPBACK: "loopback"}
ADDRESS_ASSIGNMENT = {0: "permanent", 1: "random", 2: "stolen", 3: "set"}  # <linux/netdevice.h>
UP = 1  # IFF_UP
DEADLINE_SECONDS = 5.0
NO_SPEEDS = (0xFFFF, 0xFFFFFFFF)  # as older kernels and drivers write that they know none

ERROR_COUNTERS = (
    *("rx_packets", "tx_packets", "rx_errors", "tx_errors", "rx_crc_errors", "rx_frame_errors"),
    *("rx_missed_errors", "tx_carrier_errors"),
)
FILES = (
    *("address", "addr_assign_type", "type", "flags", "carrier", "operstate", "speed", "duplex", "mtu"),
    *("carrier_changes", "carrier_down_count", "dev_port", "phys_port_name"),
    *("device/vendor", "device/device", "device/subsystem_vendor", "device/subsystem_device"),
    *(f"statistics/{name}" for name in ERROR_COUNTERS),
)
LINKS = ("device", "device/driver", "device/subsystem", "device/physfn", "master")


async def collect(machine: Machine) -> NetworkSection | None:
    await machine.await_links()
    entries = await machine.read_entries(INTERFACES, files=FILES, links=LINKS)
    entries = tuple(entry for entry in entries if entry.integer("type") != LOOPBACK)
    names = await read_pci_ids(machine)
    adapters = await read_adapters(machine, names)
    if not entries and not adapters and not await _has_adapters(machine):
        return None
    problems: list[str] = []
    interfaces = await asyncio.gather(*(_interface(machine, entry, names, problems) for entry in entries))
    return NetworkSection(problems=tuple(sorted(problems)), interfaces=tuple(interfaces), infiniband=adapters)


async def _has_adapters(machine: Machine) -> bool:
    """Whether there is a network to be judged although the kernel shows no port of it."""
    functions = await machine.read_entries(PCI_FUNCTIONS, files=("class",))
    return any((one.integer("class") or 0) >> 16 == PCI_NETWORK for one in functions)


async def _interface(
    machine: Machine, entry: Entry, names: PciIds | None, problems: list[str]
) -> NetworkInterface:
    interface = _from_sysfs(entry, names)
    if not interface.physical:
        return interface
    try:
        found = await machine.converse(entry.name, _from_ethtool())
    except ControlError as error:
        found = {}
        if error.errno == errno.ETIMEDOUT:
            problems.append(
                f"{entry.name} did not answer ethtool within {DEADLINE_SECONDS:g} s: "
                "its firmware, link modes and transceiver are not known"
            )
        elif await machine.exists(f"{INTERFACES}/{entry.name}"):  # and was not renamed meanwhile
            problems.append(
                f"{entry.name} has lost its device: the driver gave it up, "
                "as it does when the adapter's firmware no longer answers"
            )
    return msgspec.structs.replace(interface, **found)


def _from_sysfs(entry: Entry, names: PciIds | None) -> NetworkInterface:
    physical = "device" in entry.links
    bus = entry.link_name("device/subsystem")
    address = _pci_address(entry.real_path) if physical and bus != "usb" else None
    ids: dict[str, Any] = _pci_ids_of(entry) if bus == "pci" else {}
    named = _pci_name(ids, names)
    speed = entry.integer("speed")
    carrier = entry.integer("carrier")
    duplex = entry.text("duplex")
    assignment = entry.integer("addr_assign_type")
    flags = entry.integer("flags")
    return NetworkInterface(
        id=entry.name,
        name=named.pop("name", None) or entry.name,
        physical=physical,
        **named,
        **ids,
        type=TYPES.get(entry.integer("type") or 0),
        bus=bus if physical else None,
        pci_address=address,
        port=entry.integer("dev_port") if physical else None,
        port_name=entry.text("phys_port_name") if physical else None,
        virtual_function="device/physfn" in entry.links,
        driver=entry.link_name("device/driver"),
        mac=_mac(entry.text("address"), physical),
        mac_assignment=ADDRESS_ASSIGNMENT.get(assignment) if assignment is not None else None,
        bond=entry.link_name("master"),
        admin_up=bool(flags & UP) if flags is not None else None,
        carrier=bool(carrier) if carrier is not None else None,
        operstate=entry.text("operstate"),
        speed_mbps=speed if speed and speed > 0 and speed not in NO_SPEEDS else None,
        duplex=duplex if duplex in ("half", "full") else None,
        mtu=entry.integer("mtu"),
        errors=_errors(entry) if physical else None,
    )


def _pci_address(real_path: str) -> str | None:
    """The PCI function that a device of sysfs belongs to: the last one on its path."""
    found = re.findall(r"/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?=/)", real_path)
    return found[-1] if found else None


def _pci_ids_of(entry: Entry) -> dict[str, str]:
    ids = {}
    for name in ("vendor", "device", "subsystem_vendor", "subsystem_device"):
        number = entry.integer(f"device/{name}")
        if number is not None:
            ids[f"{name}_id"] = f"{number:04x}"
    return ids


def _pci_name(ids: dict[str, str], names: PciIds | None) -> dict[str, Any]:
    """``name``, ``vendor`` and ``model`` of a PCI device, those that the database has."""
    if names is None or "vendor_id" not in ids or "device_id" not in ids:
        return {}
    vendor = names.vendor(ids["vendor_id"])
    model = names.device(ids["vendor_id"], ids["device_id"])
    return {"name": " ".join(filter(None, (vendor, model))) or None, "vendor": vendor, "model": model}


def _mac(text: str | None, physical: bool) -> str | None:
    """An address of the link layer. The kernel writes zeros for none, as of a tunnel; of a card they tell."""
    return text if text and (physical or set(text) - set("0:")) else None


def _errors(entry: Entry) -> InterfaceErrors | None:
    counters = {name: entry.integer(f"statistics/{name}") for name in ERROR_COUNTERS}
    counters["carrier_changes"] = entry.integer("carrier_changes")
    counters["carrier_down_count"] = entry.integer("carrier_down_count")
    known = {name: count for name, count in counters.items() if count is not None}
    return InterfaceErrors(**known) if known else None


async def _from_ethtool() -> dict[str, Any]:
    """The conversation with a driver: what it alone knows. Raises ControlError as `_ask` does."""
    facts: dict[str, Any] = {}
    reply = await _ask(ethtool.driver_info())
    try:
        if reply is not None:
            info = decode_driver_info(reply)
            facts |= {"driver_version": info.version, "firmware": info.firmware}
        reply = await _ask(ethtool.permanent_address())
        if reply is not None:
            facts["permanent_mac"] = decode_permanent_address(reply)
        facts |= await _link_settings()
        facts |= await read_transceiver(_ask)
    except DecodeError:
        pass  # an answer that is none: what was read before it stands
    return facts


async def _link_settings() -> dict[str, Any]:
    first = await _ask(ethtool.link_settings(0))
    words = mask_words(first) if first is not None else 0
    if not 0 < words < 128:
        return {}
    reply = await _ask(ethtool.link_settings(words))
    if reply is None:
        return {}
    link = decode_link_settings(reply)
    return {
        "autonegotiation": link.autonegotiation,
        "max_speed_mbps": link.supported_mbps,
        "partner_speed_mbps": link.partner_mbps,
        "connector": link.port,
    }


async def _ask(request: bytes, operation: str = ethtool.OPERATION) -> bytes | None:
    """The reply; None when the driver does not have it.

    Raises ControlError when it does not answer (ETIMEDOUT) and when it has no device (ENODEV, dev_ethtool in
    net/ethtool/ioctl.c).
    """
    try:
        return await Question(operation, request, DEADLINE_SECONDS)
    except ControlError as error:
        if error.errno in (errno.ETIMEDOUT, errno.ENODEV):
            raise
        return None
