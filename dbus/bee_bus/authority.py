"""The one gate: polkit decides whether the sender of a call may do what the method's action names.

Whatever is not a clear yes is a no: no polkitd, an error, an answer that makes no sense, a caller who has
left. The subject is always the sender's bus name. A process id can be recycled by an attacker between the
call and the check (CVE-2013-4288), a user id that the client states can be a lie (CVE-2018-1116), and a
caller who leaves in the middle must not turn the resulting error into a yes (CVE-2021-3560).
"""

import asyncio
import itertools
import logging
import os

from dbus_next.message import Message
from dbus_next.signature import Variant

from bee_bus import errors
from bee_bus.calls import Caller
from bee_bus.connection import Connection, Match, Reply
from bee_bus.names import DBUS, DBUS_PATH, POLKIT, POLKIT_INTERFACE, POLKIT_PATH

log = logging.getLogger(__name__)

ALLOW_USER_INTERACTION = 1

_numbers = itertools.count(1)


class Authority:
    """Asks polkit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def require(self, caller: Caller, action: str) -> None:
        """Return when `caller` may do `action`; otherwise AccessDenied or InteractiveAuthorizationRequired.

        There is no deadline: a person may be typing a password, and nothing else waits for this. The check is
        withdrawn when the caller leaves the bus.
        """
        if not caller.sender:
            raise errors.AccessDenied("the call does not say who sent it")
        left = asyncio.Event()

        def owner_changed(message: Message) -> None:
            if not message.body[2]:
                left.set()

        leaving = Match(sender=DBUS, interface=DBUS, member="NameOwnerChanged", arg0=caller.sender)
        try:
            async with self._connection.subscription(leaving, owner_changed):
                await self._still_there(caller)
                authorised, challenge = await self._check_unless(left, caller, action)
        except errors.AccessDenied:
            raise
        except errors.BeeError as error:
            log.warning("polkit could not be asked about %s: %s", action, error)
            raise errors.AccessDenied(f"polkit could not be asked about {action}") from error
        if authorised is True:
            return
        if challenge is True:
            raise errors.InteractiveAuthorizationRequired(f"{action} needs a password")
        raise errors.AccessDenied(f"polkit does not allow {action}")

    async def _still_there(self, caller: Caller) -> None:
        """A caller who left before we listened for it would be waited for in vain."""
        reply = await self._connection.ask(DBUS, DBUS_PATH, DBUS, "NameHasOwner", "s", [caller.sender])
        if reply.body[0] is not True:
            raise errors.AccessDenied("the caller left the bus")

    async def _check_unless(self, left: asyncio.Event, caller: Caller, action: str) -> tuple[object, object]:
        cancellation = f"bee-{os.getpid()}-{next(_numbers)}"
        check = asyncio.create_task(self._check(caller, action, cancellation))
        leaving = asyncio.create_task(left.wait())
        try:
            await asyncio.wait([check, leaving], return_when=asyncio.FIRST_COMPLETED)
            if left.is_set():
                raise errors.AccessDenied("the caller left the bus")
            reply = check.result()
        finally:
            leaving.cancel()
            if not check.done():
                check.cancel()
                self._connection.tell(
                    POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "CancelCheckAuthorization", "s", [cancellation]
                )
            elif not check.cancelled():
                check.exception()  # seen, also when the caller's leaving decided
        try:
            authorised, challenge, _details = reply.body[0]
        except (IndexError, TypeError, ValueError) as error:
            raise errors.AccessDenied("polkit's answer makes no sense") from error
        return authorised, challenge

    async def _check(self, caller: Caller, action: str, cancellation: str) -> Reply:
        return await self._connection.ask(
            POLKIT,
            POLKIT_PATH,
            POLKIT_INTERFACE,
            "CheckAuthorization",
            "(sa{sv})sa{ss}us",
            [
                ["system-bus-name", {"name": Variant("s", caller.sender)}],
                action,
                {},
                ALLOW_USER_INTERACTION if caller.interactive else 0,
                cancellation,
            ],
            deadline_seconds=None,
        )
