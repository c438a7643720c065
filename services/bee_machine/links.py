"""A machine that has just started: its network ports are brought up, and then look for their links.

Copper takes seconds to negotiate, a fast port to train (IEEE 802.3 clauses 28 and 73). Who reads sooner sees
no link on a port with a good cable, and judges none.
"""

import asyncio
import time
from pathlib import Path

from bee_machine.threads import in_thread

INTERFACES = Path("/sys/class/net")
UPTIME = Path("/proc/uptime")
ETHERNET = 1  # linux/if_arp.h
UP = 1  # linux/if.h

JUST_STARTED_SECONDS = 120.0
PORTS_SECONDS = 15.0  # until they are brought up by whoever sets up the network; some never are
LINK_SECONDS = 5.0
LOOK_SECONDS = 0.25


class Links:
    """The links of this machine's ports, and since when each port has been seen up and without one.

    Who asks again is not kept for what a port has had already.
    """

    def __init__(self, interfaces: Path = INTERFACES, uptime: Path = UPTIME) -> None:
        self._interfaces = interfaces
        self._uptime = uptime
        self._first_look: float | None = None
        self._up_since: dict[str, float] = {}

    async def wait(self) -> None:
        """Return when every Ethernet port has its link, or those without have had their time.

        At once on a machine that has been up for two minutes.
        """
        if await in_thread(_seconds_up, self._uptime) >= JUST_STARTED_SECONDS:
            return
        while True:
            if await in_thread(self._have_had_their_time):
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _have_had_their_time(self) -> bool:
        now = time.monotonic()
        if self._first_look is None:
            self._first_look = now
        without = {name: is_up for name, is_up, has_link in _ports(self._interfaces) if not has_link}
        up_since = {name: self._up_since.get(name, now) for name, is_up in without.items() if is_up}
        self._up_since = up_since
        over = now - self._first_look >= PORTS_SECONDS
        return all(now - up_since[name] >= LINK_SECONDS if is_up else over for name, is_up in without.items())


def _ports(interfaces: Path) -> list[tuple[str, bool, bool]]:
    """Name, whether it is up, and whether it has a carrier, of each Ethernet port."""
    ports = []
    for port in sorted(interfaces.iterdir()) if interfaces.is_dir() else ():
        try:
            if not (port / "device").exists() or int((port / "type").read_text()) != ETHERNET:
                continue
            is_up = bool(int((port / "flags").read_text(), 16) & UP)
        except (OSError, ValueError):
            continue  # it has just gone
        try:
            has_link = (port / "carrier").read_text().strip() == "1"
        except OSError:  # so the kernel says of a port that is down
            has_link = False
        ports.append((port.name, is_up, has_link))
    return ports


def _seconds_up(uptime: Path) -> float:
    return float(uptime.read_text().split()[0])
