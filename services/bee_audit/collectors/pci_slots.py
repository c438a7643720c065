"""Where PCI devices are on the board, by the slots and onboard devices of SMBIOS and the kernel's slots."""

import re
from collections.abc import Iterable, Mapping, Sequence

from bee_audit.decode.smbios import Smbios, SystemSlot
from bee_bus.documents.pcie import OnboardDevice, PcieDevice, PcieSlot

SPEED_OF_GENERATION = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}


def slots_of(smbios: Smbios, devices: Sequence[PcieDevice]) -> tuple[PcieSlot, ...]:
    """The slots that SMBIOS lists, each with the devices that the kernel sees in it."""
    slots: list[PcieSlot] = []
    taken: set[str] = set()
    for slot in smbios.slots:
        address = _address(slot.bus_address)
        name = slot.designation or f"slot {slot.slot_id or len(slots) + 1}"
        slots.append(
            PcieSlot(
                id=_unique(name, taken),
                name=name,
                address=address,
                type=slot.slot_type,
                width=_lanes(slot.data_bus_width),
                speed_gtps=SPEED_OF_GENERATION.get(_generation(slot) or 0),
                usage=slot.current_usage,
                devices=devices_at(address, devices) if address else (),
            )
        )
    return tuple(slots)


def onboard_of(smbios: Smbios, devices: Sequence[PcieDevice]) -> tuple[OnboardDevice, ...]:
    """The onboard devices that SMBIOS lists."""
    known = {device.id for device in devices}
    found: list[OnboardDevice] = []
    taken: set[str] = set()
    for part in smbios.onboard_devices:
        address = _address(part.bus_address)
        name = part.reference_designation or part.device_type or "onboard device"
        found.append(
            OnboardDevice(
                id=_unique(name, taken),
                name=name,
                type=part.device_type,
                address=address,
                enabled=part.enabled,
                seen=address in known if address else None,
            )
        )
    return tuple(found)


def locations(
    devices: Sequence[PcieDevice],
    slots: Iterable[PcieSlot],
    onboard: Iterable[OnboardDevice],
    kernel_slots: Mapping[str, str],
) -> dict[str, str]:
    """Device address to slot or onboard name. What stands behind a card's own bridge is in the card's slot.

    ``kernel_slots``: "0000:3b:00" to the number that the kernel has for the slot.
    """
    named: dict[str, str] = {}
    for part in onboard:
        if part.address:
            named[part.address] = part.name
    for device in devices:
        number = kernel_slots.get(device.id.rpartition(".")[0])
        if number and device.id not in named:
            named[device.id] = f"slot {number}"
    for slot in slots:
        named.update(dict.fromkeys(slot.devices, slot.name))
    parents = {device.id: device.parent for device in devices}
    found = {}
    for device in devices:
        address: str | None = device.id
        for _ in range(64):  # buses do not nest deeper
            if address is None or address in named:
                break
            address = parents.get(address)
        if address is not None:
            found[device.id] = named[address]
    return found


def devices_at(address: str, devices: Sequence[PcieDevice]) -> tuple[str, ...]:
    """The devices in a slot of which the firmware states an address.

    Some firmware states the card's address, some that of the port above the slot, and function 0 may stand
    for all functions.
    """
    here = [device for device in devices if device.id.rpartition(".")[0] == address.rpartition(".")[0]]
    port = next((device for device in here if device.id == address and _leads_down(device)), None)
    if port is not None:
        return tuple(device.id for device in devices if device.parent == port.id)
    if here:
        return tuple(device.id for device in here)
    # The address of a card that is not there, in the slot of one that numbers its functions otherwise.
    bus = address.rpartition(":")[0]
    above = {device.id for device in devices if device.port and device.port.secondary_bus == bus}
    return tuple(device.id for device in devices if device.parent in above)


def _leads_down(device: PcieDevice) -> bool:
    """Whether the slot is below this device: a port of the board, not a card with a bridge of its own.

    A conventional bridge has no link, and may itself be what the firmware calls a device in a slot.
    """
    if device.kind is not None:
        return device.kind in ("Root Port", "Downstream Port")
    return device.port is not None and device.link is not None and device.parent is None


def _address(address: str | None) -> str | None:
    """The address if the firmware states one: FF stands for unknown, and zero is the host bridge."""
    if address is None or address == "0000:00:00.0" or address.split(":")[1] == "ff":
        return None
    return address


def _lanes(width: str | None) -> int | None:
    found = re.fullmatch(r"x(\d+)", width or "")
    return int(found[1]) if found else None


def _generation(slot: SystemSlot) -> int | None:
    found = re.match(r"PCI Express (\d)(?!\+)\b", slot.slot_type or "")
    return int(found[1]) if found else slot.pcie_generation


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{name} ({number})"
        number += 1
    taken.add(candidate)
    return candidate
