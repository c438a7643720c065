"""The pcie section: every PCI function with its link, its errors and its place."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from bee_audit.collectors.pci_functions import FILES, LINKS, function_of, vpd_facts
from bee_audit.collectors.pci_names import read_pci_ids
from bee_audit.collectors.pci_slots import locations, onboard_of, slots_of
from bee_audit.collectors.smbios import read_smbios
from bee_audit.decode import DecodeError
from bee_audit.decode.pci_config import PciConfig, decode_pci_config
from bee_audit.decode.pci_express import DOWNSTREAM_PORTS, ExpressLink
from bee_audit.decode.smbios import Smbios
from bee_audit.decode.vpd import VPD_LIMIT_BYTES, decode_vpd
from bee_bus.documents.pcie import PcieDevice, PcieLink, PcieSection, PcieSlot
from bee_machine import Entry, Machine

Number = TypeVar("Number", int, float)

DEVICES = "/sys/bus/pci/devices"
KERNEL_SLOTS = "/sys/bus/pci/slots"
UPTIME = "/proc/uptime"
CONFIG_DEADLINE_SECONDS = 20.0
# The registers behind VPD are slow, and some devices never answer them: each has its own deadline.
VPD_DEADLINE_SECONDS = 3.0
VPD_CLASSES = ("01", "02", "03", "12")  # storage, network, display, accelerators
# A server has hundreds of functions in its processors. Those whose registers say more than sysfs does have a
# link or error reporting, or are of these classes.
CONFIG_CLASSES = ("01", "02", "03", "12", "0604")


async def collect(machine: Machine) -> PcieSection | None:
    return await read_pcie(machine)


async def read_pcie(machine: Machine) -> PcieSection | None:
    """The section, read once per machine however many collectors want it."""
    return await machine.once("pcie", lambda: _read(machine))


async def _read(machine: Machine) -> PcieSection | None:
    entries = await machine.read_entries(DEVICES, files=FILES, links=LINKS)
    if not entries:
        return None
    problems: list[str] = []
    configs, names, vpds, kernel_slots, uptime = await asyncio.gather(
        _read_configs(machine, entries, problems),
        read_pci_ids(machine),
        _read_vpds(machine, entries),
        _read_kernel_slots(machine),
        machine.read_text(UPTIME),
    )
    devices = [function_of(entry, configs.get(entry.name), names) for entry in entries]
    smbios = await _read_smbios(machine, problems)
    slots = slots_of(smbios, devices) if smbios else ()
    onboard = onboard_of(smbios, devices) if smbios else ()
    places = locations(devices, slots, onboard, kernel_slots)
    known = {device.id: device for device in devices}
    return PcieSection(
        problems=tuple(problems),
        devices=tuple(
            msgspec.structs.replace(
                device,
                location=places.get(device.id),
                link=_both_ends(device, known, slots, configs),
                **vpds.get(device.id, {}),
            )
            for device in devices
        ),
        slots=slots,
        onboard=onboard,
        uptime_seconds=_seconds(uptime),
    )


async def _read_configs(
    machine: Machine, entries: Sequence[Entry], problems: list[str]
) -> dict[str, PciConfig]:
    paths = {f"{entry.path}/config": entry for entry in entries if _wants_config(entry)}
    try:
        async with asyncio.timeout(CONFIG_DEADLINE_SECONDS):
            contents = await machine.read_files(paths)
    except TimeoutError:
        problems.append(
            f"The configuration space of {len(paths)} PCI devices could not be read in "
            f"{CONFIG_DEADLINE_SECONDS:g} s: error registers and slots are not judged"
        )
        return {}
    configs = {}
    unreadable = [entry.name for path, entry in paths.items() if path not in contents]
    for path, content in contents.items():
        address = paths[path].name
        try:
            configs[address] = decode_pci_config(content)
        except DecodeError as error:
            problems.append(f"The configuration space of {address} is not usable: {error}")
    cut = [address for address, config in configs.items() if config.answers and config.capabilities is None]
    if unreadable or cut:
        missed = sorted([*unreadable, *cut])
        problems.append(
            f"The configuration space of {len(missed)} PCI devices could not be read whole, "
            f"as without root ({missed[0]} first): error registers and slots are not judged"
        )
    return configs


def _wants_config(entry: Entry) -> bool:
    device_class = f"{(entry.integer('class') or 0) >> 8:04x}"
    has_more = "max_link_width" in entry.files or "aer_dev_fatal" in entry.files
    return has_more or device_class.startswith(CONFIG_CLASSES)


async def _read_vpds(machine: Machine, entries: Sequence[Entry]) -> dict[str, dict[str, str | None]]:
    """Facts of a device's Vital Product Data, of all devices that may have some, side by side.

    The functions of one card share it, and it is read through the first.
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        device_class = f"{(entry.integer('class') or 0) >> 16:02x}"
        if device_class in VPD_CLASSES and "physfn" not in entry.links:
            first.setdefault(_card(entry), entry)
    read = await asyncio.gather(*(_read_vpd(machine, entry) for entry in first.values()))
    facts = {card: found for card, found in zip(first, read, strict=True) if found}
    return {
        entry.name: facts[_card(entry)]
        for entry in entries
        if _card(entry) in facts and "physfn" not in entry.links
    }


def _card(entry: Entry) -> str:
    """What the functions of one card have in common: their place and their vendor."""
    return f"{entry.name.rpartition('.')[0]} {entry.text('vendor')}"


async def _read_vpd(machine: Machine, entry: Entry) -> dict[str, str | None]:
    # No serial number is no fault of the device: one without VPD, or with an empty one, is as good.
    try:
        async with asyncio.timeout(VPD_DEADLINE_SECONDS):
            content = await machine.read_bytes(f"{entry.path}/vpd", limit_bytes=VPD_LIMIT_BYTES)
        return vpd_facts(decode_vpd(content))
    except (OSError, DecodeError):
        return {}


async def _read_kernel_slots(machine: Machine) -> dict[str, str]:
    entries = await machine.read_entries(KERNEL_SLOTS, files=("address",))
    return {address: entry.name for entry in entries if (address := entry.text("address"))}


async def _read_smbios(machine: Machine, problems: list[str]) -> Smbios | None:
    try:
        return await read_smbios(machine)
    except (DecodeError, OSError) as error:
        problems.append(f"The slots' names are not known: SMBIOS could not be read: {error}")
        return None


def _both_ends(
    device: PcieDevice,
    known: Mapping[str, PcieDevice],
    slots: Sequence[PcieSlot],
    configs: Mapping[str, PciConfig],
) -> PcieLink | None:
    """The device's link with what the port above it and the slot allow."""
    link = device.link
    port = known.get(device.parent or "")
    if link is None or port is None or port.link is None:
        return link
    if not _faces_down(port, known):
        return link
    slot = next((slot for slot in slots if device.id in slot.devices), None)
    express = _registers(configs.get(port.id))
    return msgspec.structs.replace(
        link,
        port_max_speed_gtps=port.link.max_speed_gtps,
        port_max_width=port.link.max_width,
        ability_speed_gtps=_common_speed(link, port.link, _registers(configs.get(device.id)), express),
        ability_width=_smaller(link.max_width, port.link.max_width),
        target_speed_gtps=express.target_speed_gtps if express else None,
        slot_width=slot.width if slot else None,
        slot_speed_gtps=slot.speed_gtps if slot else None,
    )


def _common_speed(
    link: PcieLink, port: PcieLink, lower: ExpressLink | None, upper: ExpressLink | None
) -> float | None:
    """The highest speed of both ends. Either may leave out one between its lowest and its highest."""
    smaller = _smaller(link.max_speed_gtps, port.max_speed_gtps)
    if smaller is None or lower is None or upper is None:
        return smaller
    common = set(lower.supported_speeds_gtps) & set(upper.supported_speeds_gtps)
    return max((speed for speed in common if speed <= smaller), default=smaller)


def _registers(config: PciConfig | None) -> ExpressLink | None:
    return config.express.link if config and config.express else None


def _faces_down(port: PcieDevice, known: Mapping[str, PcieDevice]) -> bool:
    """Whether a bridge's own link is the one below it, as of a root port, and not that above it."""
    if port.kind is not None:
        return port.kind in DOWNSTREAM_PORTS
    # Without its registers: from the root on, the bridges of a path face down and up by turns.
    depth = 0
    above = known.get(port.parent or "")
    while above is not None and depth < len(known):
        depth += 1
        above = known.get(above.parent or "")
    return depth % 2 == 0


def _smaller(one: Number | None, other: Number | None) -> Number | None:
    return min(one, other) if one is not None and other is not None else None


def _seconds(uptime: str | None) -> float | None:
    try:
        return float(uptime.split()[0]) if uptime else None
    except ValueError:
        return None
