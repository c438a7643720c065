"""The SMBIOS table, read once per machine for every collector that wants a part of it."""

from bee_audit.decode.smbios import Smbios, decode_smbios
from bee_machine import Machine

ENTRY_POINT = "/sys/firmware/dmi/tables/smbios_entry_point"
TABLE = "/sys/firmware/dmi/tables/DMI"


async def read_smbios(machine: Machine) -> Smbios | None:
    """The machine's SMBIOS, None when it has none. Raises DecodeError, or OSError when it cannot be read."""
    return await machine.once("smbios", lambda: _read(machine))


async def _read(machine: Machine) -> Smbios | None:
    try:
        entry_point = await machine.read_bytes(ENTRY_POINT)
        table = await machine.read_bytes(TABLE)
    except FileNotFoundError:
        return None
    return decode_smbios(entry_point, table)
