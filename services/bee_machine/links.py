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


async def await_links(interfaces: Path = INTERFACES, uptime: Path = UPTIME) -> None:
    """Return when every Ethernet port has its link, or those without have had their time.

    At once on a machine that has been up for two minutes.
    """
    if await in_thread(_seconds_up, uptime) >= JUST_STARTED_SECONDS:
        return
    began = time.monotonic()
    all_up_at: float | None = None
    while True:
        flags, carriers = await in_thread(_ports, interfaces)
        now = time.monotonic()
        if all(carriers):
            return
        if all(one & UP for one in flags):
            all_up_at = now if all_up_at is None else all_up_at
            if now - all_up_at >= LINK_SECONDS:
                return
        elif now - began >= PORTS_SECONDS:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _ports(interfaces: Path) -> tuple[list[int], list[bool]]:
    """Flags and carrier of each Ethernet port. A port that is down has no carrier to be read."""
    flags, carriers = [], []
    for port in sorted(interfaces.iterdir()) if interfaces.is_dir() else ():
        try:
            if not (port / "device").exists() or int((port / "type").read_text()) != ETHERNET:
                continue
            flags.append(int((port / "flags").read_text(), 16))
        except (OSError, ValueError):
            continue  # it has just gone
        try:
            carriers.append((port / "carrier").read_text().strip() == "1")
        except OSError:
            carriers.append(False)
    return flags, carriers


def _seconds_up(uptime: Path) -> float:
    return float(uptime.read_text().split()[0])
