"""A login1 that neither restarts nor switches off. Usage: login1.py [--inhibited] [--sessions N]

As systemd 257: of the manager's methods those that bee asks for, with its polkit actions and its refusals.
"""

import argparse
from functools import partial
from typing import Any

from dbus_next.message import Message

from bee_bus.connection import Connection
from lab.freedesktop import LOGIN1
from lab.freedesktop.fake import Fake, Method, Refused, serve

PATH = "/org/freedesktop/login1"
MANAGER = "org.freedesktop.login1.Manager"
ACTIONS = {"Reboot": "org.freedesktop.login1.reboot", "PowerOff": "org.freedesktop.login1.power-off"}


class Login1(Fake):
    def __init__(self, connection: Connection, *, inhibited: bool, sessions: int) -> None:
        self._inhibited = inhibited
        self._sessions = sessions
        methods = {(PATH, MANAGER, "ListInhibitors"): Method("", "a(ssssuu)", self._inhibitors)}
        for name in ACTIONS:
            methods[PATH, MANAGER, name] = Method("b", "", partial(self._act, name))
            methods[PATH, MANAGER, f"Can{name}"] = Method("", "s", partial(self._can, name))
        super().__init__(connection, methods)

    async def _permission(self, name: str, message: Message) -> bool | None:
        """With other people logged in, the right to end their sessions too is asked for as well."""
        actions = [ACTIONS[name]]
        if self._sessions > 1:
            actions.append(f"{ACTIONS[name]}-multiple-sessions")
        answers = [await self.permitted(message, action) for action in actions]
        return False if False in answers else None if None in answers else True

    async def _can(self, name: str, message: Message) -> list[Any]:
        answer = await self._permission(name, message)
        if self._inhibited:
            return ["inhibitor-blocked"]
        return ["yes" if answer else "challenge" if answer is None else "no"]

    async def _act(self, name: str, message: Message) -> list[Any]:
        answer = await self._permission(name, message)
        if answer is None:
            raise Refused("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
        if not answer or self._inhibited:
            raise Refused("org.freedesktop.DBus.Error.AccessDenied", "Access denied")
        self.said.append(name)
        return []

    async def _inhibitors(self, _: Message) -> list[Any]:
        sleep = ["sleep", "UPower", "Pause device polling", "delay", 0, 300]
        apt = ["shutdown:idle", "Unattended Upgrades", "Packages are being installed", "block", 0, 301]
        return [[sleep, apt] if self._inhibited else [sleep]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inhibited", action="store_true")
    parser.add_argument("--sessions", type=int, default=1)
    asked = parser.parse_args()
    serve(LOGIN1, partial(Login1, inhibited=asked.inhibited, sessions=asked.sessions))


if __name__ == "__main__":
    main()
