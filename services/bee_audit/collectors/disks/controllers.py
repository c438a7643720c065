"""The controllers that disks hang on: what their drivers show, and what their vendors' tools add."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from bee_audit.collectors.disks.kernel import Kernel, pci_address
from bee_audit.decode import DecodeError
from bee_audit.decode.filler import genuine
from bee_audit.decode.raid_tools import (
    decode_arcconf,
    decode_arcconf_count,
    decode_sas_ircu,
    decode_sas_ircu_list,
    decode_ssacli,
    decode_storcli,
)
from bee_bus.documents.storage import Disk, StorageController
from bee_machine import Machine, ToolError, ToolMissing

DEADLINE_SECONDS = 30.0  # vendors' tools talk to slow firmware; a full storcli takes 10 s with many drives
MAXIMUM_CONTROLLERS = 16
USB_DRIVERS = ("usb-storage", "uas")
STORCLI = ("storcli64", "storcli", "perccli64", "perccli")
MPT_DRIVERS = ("mpt2sas", "mpt3sas")


class Controllers(msgspec.Struct, frozen=True):
    found: tuple[StorageController, ...]
    problems: tuple[str, ...]


async def read_controllers(machine: Machine, kernel: Kernel, volumes: Iterable[Disk]) -> Controllers:
    """``volumes``: the disks that are volumes of a controller. Tools run only where their hardware is."""
    shown = _shown_by_drivers(kernel)
    volume_addresses = {volume.controller for volume in volumes}
    drivers = {controller.driver for controller in shown}
    if not any(one.driver in MPT_DRIVERS and one.id in volume_addresses for one in shown):
        drivers -= set(MPT_DRIVERS)  # an HBA without volumes hides nothing, its driver shows all
    readers = dict.fromkeys(
        _READERS[driver] for driver in sorted(filter(None, drivers)) if driver in _READERS
    )
    problems: list[str] = []
    answers = await asyncio.gather(*(_ask(reader, machine, problems) for reader in readers))
    told = [controller for answer in answers for controller in answer]
    found = [_merged(one, told, shown) for one in shown]
    known = {one.id for one in found}
    alone = [
        one for one in told if one.id not in known and not any(one.serial == two.serial for two in found)
    ]
    return Controllers(
        found=tuple(
            msgspec.structs.replace(one, raid=one.raid or bool(one.volumes) or one.id in volume_addresses)
            for one in (*found, *alone)
        ),
        problems=tuple(problems),
    )


def _shown_by_drivers(kernel: Kernel) -> list[StorageController]:
    """One per PCI function, however many SCSI hosts it has (an AHCI controller has one per port)."""
    controllers: dict[str, StorageController] = {}
    for host in kernel.hosts:
        address, driver = pci_address(host.real_path), host.text("proc_name")
        if address is None or driver in USB_DRIVERS:
            continue
        known = controllers.get(address)
        if known is not None:
            controllers[address] = msgspec.structs.replace(known, hosts=(*known.hosts, host.name))
            continue
        controllers[address] = StorageController(
            id=address,
            driver=driver,
            location=kernel.pci_place_of(address),
            vendor=host.text("vendor"),
            model=host.text("board_name") or host.text("model"),
            part_number=host.text("board_assembly"),
            serial=genuine(host.text("serial_number")),
            firmware=_version(
                host.text("version_fw")
                or host.text("firmware_version")
                or host.text("firmware_revision")
                or host.text("hba_kernel_version")
            ),
            bios_version=_version(host.text("version_bios") or host.text("hba_bios_version")),
            hosts=(host.name,),
        )
    return list(controllers.values())


def _version(text: str | None) -> str | None:
    """None for the zeros of a board without the part."""
    return text if text is not None and text.strip("0.") else None


def _merged(
    one: StorageController, told: list[StorageController], shown: list[StorageController]
) -> StorageController:
    """The driver's view with the tool's over it; by PCI address, or because there is only one of its kind."""
    match = next((other for other in told if other.id == one.id), None)
    if match is None:
        unplaced = [other for other in told if ":" not in other.id]
        same_tool = [
            other for other in shown if _READERS.get(other.driver or "") == _READERS.get(one.driver or "")
        ]
        if one.driver not in _READERS or len(unplaced) != 1 or len(same_tool) != 1:
            return one
        match = unplaced[0]
    fields = {
        name: value
        for name in match.__struct_fields__
        if name not in ("id", "location") and (value := getattr(match, name))
    }
    return msgspec.structs.replace(one, **fields)


Reader = Callable[[Machine], Awaitable[tuple[StorageController, ...]]]


async def _ask(reader: Reader, machine: Machine, problems: list[str]) -> tuple[StorageController, ...]:
    try:
        return await reader(machine)
    except ToolMissing:
        return ()
    except (ToolError, DecodeError) as error:
        problems.append(f"a RAID controller could not be asked: {error}")
        return ()


async def _storcli(machine: Machine) -> tuple[StorageController, ...]:
    for tool in STORCLI:
        try:
            overview, drives = await asyncio.gather(
                machine.run(tool, "/call", "show", "all", "J", deadline_seconds=DEADLINE_SECONDS),
                machine.run(tool, "/call/eall/sall", "show", "all", "J", deadline_seconds=DEADLINE_SECONDS),
            )
        except ToolMissing:
            continue
        return decode_storcli(overview.stdout, drives.stdout)
    raise ToolMissing("storcli is not installed")


async def _ssacli(machine: Machine) -> tuple[StorageController, ...]:
    result = await machine.run(
        "ssacli", "ctrl", "all", "show", "config", "detail", deadline_seconds=DEADLINE_SECONDS
    )
    return decode_ssacli(result.stdout)


async def _arcconf(machine: Machine) -> tuple[StorageController, ...]:
    first = await machine.run("arcconf", "getconfig", "1", deadline_seconds=DEADLINE_SECONDS)
    count = min(decode_arcconf_count(first.stdout), MAXIMUM_CONTROLLERS)
    others = await asyncio.gather(
        *(
            machine.run("arcconf", "getconfig", str(number), deadline_seconds=DEADLINE_SECONDS)
            for number in range(2, count + 1)
        )
    )
    return tuple(decode_arcconf(one.stdout, number=number) for number, one in enumerate((first, *others), 1))


async def _smartpqi(machine: Machine) -> tuple[StorageController, ...]:
    """HPE's tool or Microchip's: the same chip under two names."""
    try:
        return await _ssacli(machine)
    except ToolMissing:
        return await _arcconf(machine)


async def _sas_ircu(machine: Machine) -> tuple[StorageController, ...]:
    found: list[StorageController] = []
    missing = 0
    for tool in ("sas3ircu", "sas2ircu"):  # each knows one generation of chips
        try:
            listed = await machine.run(tool, "LIST", deadline_seconds=DEADLINE_SECONDS)
        except ToolMissing:
            missing += 1
            continue
        adapters = dict(list(decode_sas_ircu_list(listed.stdout).items())[:MAXIMUM_CONTROLLERS])
        shown = await asyncio.gather(
            *(
                machine.run(tool, str(number), "DISPLAY", deadline_seconds=DEADLINE_SECONDS)
                for number in adapters
            )
        )
        found += [
            decode_sas_ircu(one.stdout, address=address)
            for one, address in zip(shown, adapters.values(), strict=True)
        ]
    if missing == 2:
        raise ToolMissing("neither sas3ircu nor sas2ircu is installed")
    return tuple(found)


_READERS: Mapping[str, Reader] = {
    "megaraid_sas": _storcli,
    "hpsa": _ssacli,
    "smartpqi": _smartpqi,
    "aacraid": _arcconf,
    "mpt3sas": _sas_ircu,
    "mpt2sas": _sas_ircu,
}
