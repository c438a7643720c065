"""A polkit that misbehaves, and remembers what it was asked. Usage: polkit.py hang|error|garbage|late-yes

As strict as the real one about what it is asked: a call of the wrong shape is refused.
"""

import asyncio
import logging
import sys

from dbus_next.message import Message

from bee_bus.connection import Connection
from bee_bus.names import POLKIT, POLKIT_INTERFACE, POLKIT_PATH

CHECK_SIGNATURE = "(sa{sv})sa{ss}us"
RECORDER = "org.bee.Lab1.Polkit"


class Polkit:
    def __init__(self, connection: Connection, manner: str) -> None:
        self._connection = connection
        self._manner = manner
        self._pending: dict[str, Message] = {}
        self._said: list[str] = []

    def called(self, message: Message) -> None:
        if message.interface == RECORDER:
            self._answer(message, "as", [self._said])
        elif (message.path, message.interface) != (POLKIT_PATH, POLKIT_INTERFACE):
            self._refuse(message, "org.freedesktop.DBus.Error.UnknownMethod")
        elif message.member == "CheckAuthorization" and message.signature == CHECK_SIGNATURE:
            self._check(message)
        elif message.member == "CancelCheckAuthorization" and message.signature == "s":
            self._cancel(message)
        else:
            self._refuse(message, "org.freedesktop.DBus.Error.UnknownMethod")

    def _check(self, message: Message) -> None:
        (kind, details), action, extra, flags, cancellation = message.body
        subject = details["name"].value if kind == "system-bus-name" and list(details) == ["name"] else "?"
        if not subject.startswith(":") or extra or flags not in (0, 1) or cancellation in self._pending:
            self._refuse(message, "org.freedesktop.PolicyKit1.Error.Failed")
            return
        self._said.append(f"check {action} of {subject} flags {flags}")
        self._pending[cancellation] = message
        if self._manner == "error":
            self._refuse(message, "org.freedesktop.PolicyKit1.Error.Failed")
        elif self._manner == "garbage":
            self._answer(message, "s", ["yes"])

    def _cancel(self, message: Message) -> None:
        check = self._pending.pop(message.body[0], None)
        if check is None:
            self._refuse(message, "org.freedesktop.PolicyKit1.Error.Failed")
            return
        self._said.append(f"cancel {check.body[1]}")
        if self._manner == "late-yes":
            self._answer(check, "(bba{ss})", [[True, False, {}]])
        else:
            self._refuse(check, "org.freedesktop.PolicyKit1.Error.Cancelled")
        self._answer(message, "", [])

    def _answer(self, message: Message, signature: str, body: list[object]) -> None:
        self._connection.send(Message.new_method_return(message, signature, body))

    def _refuse(self, message: Message, name: str) -> None:
        self._connection.send(Message.new_error(message, name, "refused"))


async def main(manner: str) -> None:
    logging.basicConfig(level=logging.INFO)
    connection = await Connection.open()
    connection.on_call(Polkit(connection, manner).called)
    await connection.own_name(POLKIT)
    await connection.lost


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
