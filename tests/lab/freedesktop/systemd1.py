"""A systemd that restarts nothing. Usage: systemd1.py [--without] [--failing]

It has bee-network.service and ssh.service. Jobs are told with JobRemoved, to those who asked for them.
"""

import argparse
import asyncio
from functools import partial
from typing import Any

from dbus_next.constants import MessageType
from dbus_next.message import Message

from bee_bus.connection import Connection
from lab.freedesktop import SYSTEMD1
from lab.freedesktop.fake import Fake, Method, Refused, serve

PATH = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
MODES = ("replace", "fail", "isolate", "ignore-dependencies", "ignore-requirements", "replace-irreversibly")
START_SECONDS = 0.3


class Systemd1(Fake):
    def __init__(self, connection: Connection, *, without: bool, failing: bool) -> None:
        self._units = {"ssh.service", *(() if without else ("bee-network.service",))}
        self._failing = failing
        self._jobs = 100
        self._restarts: set[asyncio.Task[None]] = set()
        super().__init__(connection, {(PATH, MANAGER, "RestartUnit"): Method("ss", "o", self._restart)})

    async def _restart(self, message: Message) -> list[Any]:
        unit, mode = message.body
        if mode not in MODES:
            raise Refused("org.freedesktop.DBus.Error.InvalidArgs", f"Job mode {mode} invalid")
        if unit not in self._units:
            raise Refused("org.freedesktop.systemd1.NoSuchUnit", f"Unit {unit} not found.")
        answer = await self.permitted(
            message, "org.freedesktop.systemd1.manage-units", unit=unit, verb="restart"
        )
        if answer is None:
            raise Refused("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
        if not answer:
            raise Refused("org.freedesktop.DBus.Error.AccessDenied", "Permission denied")
        self.said.append(f"restart {unit}")
        self._jobs += 2
        others = self._remove(self._jobs - 1, "ssh.service", "done", message.sender, 0)
        own = self._remove(
            self._jobs, unit, "failed" if self._failing else "done", message.sender, START_SECONDS
        )
        for coroutine in (others, own):
            task = asyncio.get_running_loop().create_task(coroutine)
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)
        return [f"{PATH}/job/{self._jobs}"]

    async def _remove(self, number: int, unit: str, result: str, client: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.connection.send(
            Message(
                destination=client,
                path=PATH,
                interface=MANAGER,
                member="JobRemoved",
                signature="uoss",
                body=[number, f"{PATH}/job/{number}", unit, result],
                message_type=MessageType.SIGNAL,
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", action="store_true")
    parser.add_argument("--failing", action="store_true")
    asked = parser.parse_args()
    serve(SYSTEMD1, partial(Systemd1, without=asked.without, failing=asked.failing))


if __name__ == "__main__":
    main()
