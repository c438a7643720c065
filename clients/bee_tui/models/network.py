"""The network as the kernel tells every user, now: interfaces, their links, addresses and the way out.

The audit knows more of each interface (model, firmware, transceiver), and only at its time; a cable that is
plugged in has to show at once. DHCP is asked anew by systemd, if polkit lets us.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from bee_bus.addresses import Address, own_addresses
from bee_tui.model import Live

LOOK_SECONDS = 1.5
ACCESS = Path("/run/bee-access")  # of the live system, by its bee-sshsetup.service

_UP = 0x1  # IFF_UP, <linux/if.h>
_VALUE_BYTES_MAX = 256
_ROUTE_UP = 0x1  # RTF_UP, <linux/route.h>


class Interface(NamedTuple):
    """``up``: it is switched on. ``carrier``: None while it is off, for then it does not look.

    ``physical``: there is a device behind it.
    """

    name: str
    physical: bool
    up: bool
    carrier: bool | None
    speed_mbps: int | None
    mac: str
    driver: str
    addresses: tuple[str, ...]


class Network(Live):
    """``interfaces``: those with a device first; None until they are known. ``gateways``: of IPv4.

    ``access``: what opens it over SSH: "key", "password PASSWORD", "none"; empty where nobody says.
    """

    interfaces: tuple[Interface, ...] | None = None
    gateways: tuple[Address, ...] = ()
    access: str = ""

    def __init__(self, address: str | None = None) -> None:
        """``address``: of the bus on which systemd is; by default the system bus."""
        super().__init__()
        self._address = address

    async def renew(self) -> None:
        """Ask for addresses anew, on all interfaces. Raises BeeError."""
        from bee_bus.client import Bus
        from bee_bus.systemd1 import Systemd1Client

        async with Bus(self._address) as bus:
            await Systemd1Client(bus).restart()

    async def live(self) -> None:
        # Some drivers take their time to tell the speed of a link, and hold the reader meanwhile.
        while True:
            now = await asyncio.to_thread(lambda: (read_interfaces(), read_gateways(), read_access()))
            if now != (self.interfaces, self.gateways, self.access):
                self.interfaces, self.gateways, self.access = now
                self.changed()
            await asyncio.sleep(LOOK_SECONDS)


def read_interfaces(
    folder: Path = Path("/sys/class/net"), addresses: tuple[Address, ...] | None = None
) -> tuple[Interface, ...]:
    """Every interface but the loopback; ``addresses``: by default this machine's own."""
    known = own_addresses() if addresses is None else addresses
    try:
        names = sorted(path.name for path in folder.iterdir() if (path / "flags").is_file())
    except OSError:
        return ()
    found = [_interface(folder / name, known) for name in names if name != "lo"]
    return tuple(sorted(found, key=lambda one: (not one.physical, one.name)))


def read_gateways(path: Path = Path("/proc/net/route")) -> tuple[Address, ...]:
    """The routers of IPv4 default routes."""
    try:
        lines = path.read_text().splitlines()[1:]
    except OSError:
        return ()
    found = []
    for line in lines:
        name, destination, gateway, flags, *_ = line.split()
        if destination == "00000000" and int(flags, 16) & _ROUTE_UP:
            found.append(Address(name, socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))))
    return tuple(found)


def read_access(path: Path = ACCESS) -> str:
    """Empty on a machine that is not the live system's, and for who may not read it."""
    return _read(path)


def _interface(folder: Path, addresses: tuple[Address, ...]) -> Interface:
    up = bool(int(_read(folder / "flags") or "0", 16) & _UP)
    carrier = _read(folder / "carrier") if up else ""  # EINVAL while it is off
    speed = _read(folder / "speed")
    return Interface(
        name=folder.name,
        physical=(folder / "device").exists(),
        up=up,
        carrier=carrier == "1" if carrier else None,
        speed_mbps=int(speed) if speed.isdigit() and int(speed) > 0 else None,  # -1: unknown
        mac=_read(folder / "address"),
        driver=_driver(folder),
        addresses=tuple(one.address for one in addresses if one.interface == folder.name),
    )


def _driver(folder: Path) -> str:
    try:
        return (folder / "device" / "driver").readlink().name
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_VALUE_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError:
        return ""
