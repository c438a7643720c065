"""login1, systemd1 and UDisks2 for a private bus: as strict as the real ones about what they are asked, and
asking the real polkit who may. What they were made to do they remember, and do nothing.

with LabBus(services={**login1(), **systemd1()}) as bus: ...
"""

from bee_bus.client import Bus
from lab.bus.private import python_command

LOGIN1 = "org.freedesktop.login1"
SYSTEMD1 = "org.freedesktop.systemd1"
UDISKS2 = "org.freedesktop.UDisks2"

RECORDER = "org.bee.Lab1.Recorder"


def login1(*words: str) -> dict[str, list[str]]:
    """``--inhibited``: a package manager holds a restart up. ``--sessions N``: people who are logged in."""
    return {LOGIN1: python_command("-m", "lab.freedesktop.login1", *words)}


def systemd1(*words: str) -> dict[str, list[str]]:
    """``--without``: the machine has no bee-network.service; ``--failing``: it does not start."""
    return {SYSTEMD1: python_command("-m", "lab.freedesktop.systemd1", *words)}


def udisks2(folder: str, *words: str) -> dict[str, list[str]]:
    """A machine with its own disk, the stick that it was started from, and a stick to write on.

    ``folder``: where the stick shows when it is mounted. ``--busy``: somebody has a file open on it.
    """
    return {UDISKS2: python_command("-m", "lab.freedesktop.udisks2", folder, *words)}


async def said(bus: Bus, name: str) -> list[str]:
    """What one of them has done."""
    reply = await bus.connection.ask(name, "/", RECORDER, "Said")
    return list(reply.body[0])
