"""Restart the one unit that people may restart from a menu, through org.freedesktop.systemd1."""

import asyncio

from dbus_next.message import Message

from bee_bus import errors
from bee_bus.client import Bus
from bee_bus.connection import Match

NAME = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"

# It asks for addresses on every physical interface; 50-org.bee.rules lets group bee restart it.
NETWORK_UNIT = "bee-network.service"
RESTART_SECONDS = 90.0  # what systemd gives a unit to start, by default


class Systemd1Client:
    """The manager of systemd1."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def restart(self, unit: str = NETWORK_UNIT) -> None:
        """Restart a unit and return when that has been done.

        Raises NotSupported when there is no such unit, NoReply after a deadline, OtherError when it failed.
        """
        connection = self.bus.connection
        removed: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

        def job_removed(message: Message) -> None:
            _id, job, _unit, result = message.body
            removed.put_nowait((job, result))

        jobs = Match(sender=NAME, path=PATH, interface=MANAGER, member="JobRemoved")
        async with connection.subscription(jobs, job_removed):
            try:
                reply = await connection.ask(
                    NAME,
                    PATH,
                    MANAGER,
                    "RestartUnit",
                    "ss",
                    [unit, "replace"],
                    interactive=self.bus.interactive,
                )
            except errors.ServiceUnknown as error:  # NoSuchUnit too
                raise errors.NotSupported(f"this machine has no {unit}") from error
            result = await _result(removed, reply.body[0], unit)
        if result != "done":
            raise errors.OtherError(f"{unit} was not restarted ({result}): journalctl -u {unit} says why")


async def _result(removed: "asyncio.Queue[tuple[str, str]]", job: str, unit: str) -> str:
    """How the job ended."""
    try:
        async with asyncio.timeout(RESTART_SECONDS):
            while True:
                ended, result = await removed.get()
                if ended == job:
                    return result
    except TimeoutError:
        raise errors.NoReply(f"{unit} has not restarted in {RESTART_SECONDS:g} s") from None
