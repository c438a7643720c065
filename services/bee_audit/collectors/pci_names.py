"""The pci.ids database, read once per machine for every collector that names PCI devices."""

from bee_audit.decode import DecodeError
from bee_audit.decode.pci_ids import PciIds
from bee_machine import Machine

# Debian's package pci.ids, pciutils' own update, and the place of other distributions.
DATABASES = (
    "/usr/share/misc/pci.ids",
    "/usr/share/misc/pci.ids.gz",
    "/var/lib/pciutils/pci.ids",
    "/usr/share/hwdata/pci.ids",
)


async def read_pci_ids(machine: Machine) -> PciIds | None:
    """The database, None when the machine has none: devices then have numbers only."""
    return await machine.once("pci.ids", lambda: _read(machine))


async def _read(machine: Machine) -> PciIds | None:
    for path in DATABASES:
        try:
            return PciIds(await machine.read_bytes(path))
        except (OSError, DecodeError):
            continue
    return None
