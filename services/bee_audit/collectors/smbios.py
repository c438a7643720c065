"""The SMBIOS table, read once per machine for every collector that wants a part of it."""

import re

from bee_audit.decode import DecodeError
from bee_audit.decode.smbios import Smbios, decode_smbios
from bee_machine import Machine

ENTRY_POINT = "/sys/firmware/dmi/tables/smbios_entry_point"
TABLE = "/sys/firmware/dmi/tables/DMI"


async def read_smbios(machine: Machine) -> Smbios | None:
    """The machine's SMBIOS, None when it has none. Raises DecodeError, or OSError when it cannot be read."""
    return await machine.once("smbios", lambda: _read(machine))


async def smbios_and_problems(machine: Machine) -> tuple[Smbios | None, tuple[str, ...]]:
    """The machine's SMBIOS, and what a section that has other sources too must say about it."""
    try:
        smbios = await read_smbios(machine)
    except (DecodeError, OSError) as error:
        return None, (f"The SMBIOS table could not be read: {error}",)
    return smbios, losses(smbios) if smbios else ()


def losses(smbios: Smbios) -> tuple[str, ...]:
    """A sentence when the table breaks off, for every section that is made of it."""
    if smbios.complete:
        return ()
    reasons = "; ".join(smbios.problems)
    return (f"The SMBIOS table breaks off, so parts that the firmware lists may be missing here: {reasons}",)


async def _read(machine: Machine) -> Smbios | None:
    try:
        entry_point = await machine.read_bytes(ENTRY_POINT)
        table = await machine.read_bytes(TABLE)
    except FileNotFoundError:
        return None
    return decode_smbios(entry_point, table)


# What hypervisors call the machines that they make; few of them set the bit that the standard has for it.
_VIRTUAL = re.compile(r"virtual|vmware|kvm|qemu|bochs|hvm domu|standard pc \(", re.IGNORECASE)


def is_virtual(smbios: Smbios) -> bool:
    bios, system = smbios.bios, smbios.system
    if bios is not None and "System is a virtual machine" in (bios.characteristics or ()):
        return True
    names = (system.manufacturer, system.product_name) if system is not None else ()
    return any(_VIRTUAL.search(name or "") for name in names)
