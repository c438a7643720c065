"""Restart and switch off, through org.freedesktop.login1: polkit decides who may."""

from typing import Literal

from bee_bus import errors
from bee_bus.client import Bus
from bee_bus.connection import Reply

NAME = "org.freedesktop.login1"
PATH = "/org/freedesktop/login1"
MANAGER = "org.freedesktop.login1.Manager"

PowerAction = Literal["Reboot", "PowerOff"]


class Login1Client:
    """The manager of login1 (systemd-logind). Raises NotSupported where there is none."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def can(self, action: PowerAction) -> str:
        """What login1 says beforehand: "yes", "no", "challenge" (a password), "na" (not on this machine)
        or, since systemd 257, one of the words that end with "inhibitor-blocked".
        """
        return str((await self._ask(f"Can{action}")).body[0])

    async def act(self, action: PowerAction) -> None:
        """Begin to restart or to switch off. Raises Busy when a program holds that up, and says which."""
        try:
            await self._ask(action, "b", [self.bus.interactive])
        except (errors.AccessDenied, errors.OtherError) as error:
            # systemd before 258 refuses for an inhibitor in the words that it has for a missing right.
            if blocked := await self._blocked():
                raise errors.Busy(blocked) from error
            raise

    async def _blocked(self) -> str:
        """Who does not let the machine go down, and why; empty when nobody."""
        reply = await self._ask("ListInhibitors")
        held = [
            f"{who}: {why}"
            for what, who, why, mode, _uid, _pid in reply.body[0]
            if mode.startswith("block") and "shutdown" in what.split(":")
        ]
        return f"this machine may not go down now: {'; '.join(held)}" if held else ""

    async def _ask(self, member: str, signature: str = "", body: list[bool] | None = None) -> Reply:
        try:
            return await self.bus.connection.ask(
                NAME, PATH, MANAGER, member, signature, body or [], interactive=self.bus.interactive
            )
        except errors.ServiceUnknown as error:
            raise errors.NotSupported("nobody on this bus restarts or switches off this machine") from error
