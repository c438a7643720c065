"""What the fakes have in common: calls that must fit, polkit, a memory of what was done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from dbus_next.message import Message
from dbus_next.signature import Variant

from bee_bus.connection import Connection
from bee_bus.names import POLKIT, POLKIT_INTERFACE, POLKIT_PATH
from lab.freedesktop import RECORDER

Handler = Callable[[Message], Awaitable[list[Any]]]


class Refused(Exception):
    """An error reply."""

    def __init__(self, name: str, text: str = "refused") -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class Method(NamedTuple):
    takes: str
    gives: str
    handler: Handler


class Fake:
    """``methods``: by path, interface and member."""

    def __init__(self, connection: Connection, methods: Mapping[tuple[str, str, str], Method]) -> None:
        self.connection = connection
        self.said: list[str] = []
        self._methods = {**methods, ("/", RECORDER, "Said"): Method("", "as", self._said)}
        self._tasks: set[asyncio.Task[None]] = set()
        connection.on_call(self._called)

    async def permitted(self, message: Message, action: str, **details: str) -> bool | None:
        """What polkit says of the caller: yes, no, or None for "after a password"."""
        reply = await self.connection.ask(
            POLKIT,
            POLKIT_PATH,
            POLKIT_INTERFACE,
            "CheckAuthorization",
            "(sa{sv})sa{ss}us",
            [["system-bus-name", {"name": Variant("s", message.sender)}], action, details, 0, ""],
        )
        authorised, challenge, _ = reply.body[0]
        return True if authorised else None if challenge else False

    def _called(self, message: Message) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        try:
            method = self._methods.get((message.path, message.interface, message.member))
            if method is None:
                known = {path for path, _, _ in self._methods}
                what = "UnknownMethod" if message.path in known else "UnknownObject"
                raise Refused(f"org.freedesktop.DBus.Error.{what}")
            if message.signature != method.takes:
                raise Refused("org.freedesktop.DBus.Error.InvalidArgs", f"it takes {method.takes!r}")
            body = await method.handler(message)
        except Refused as refused:
            self.connection.send(Message.new_error(message, refused.name, refused.text))
        else:
            self.connection.send(Message.new_method_return(message, method.gives, body))

    async def _said(self, _: Message) -> list[Any]:
        return [self.said]


def serve(name: str, make: Callable[[Connection], object]) -> None:
    """Be this service until the bus goes."""

    async def run() -> None:
        logging.basicConfig(level=logging.INFO)
        connection = await Connection.open()
        service = make(connection)
        await connection.own_name(name)
        await connection.lost
        del service

    asyncio.run(run())
