"""Who is calling: the call that the running task answers."""

from contextvars import ContextVar
from typing import NamedTuple

from bee_bus import errors
from bee_bus.connection import Connection


class Caller(NamedTuple):
    """The client whose call is being answered."""

    sender: str  # its unique bus name, stamped by the bus
    interactive: bool  # it can wait while a person types a password
    connection: Connection

    async def uid(self) -> int:
        """Its user; AccessDenied when it has left, for then nobody can say who it was."""
        try:
            return await self.connection.uid_of(self.sender)
        except errors.BeeError as error:
            raise errors.AccessDenied("the caller left the bus before it could be identified") from error


current: ContextVar[Caller] = ContextVar("bee_bus_caller")


def caller() -> Caller:
    """The client that the running method answers; LookupError outside of one."""
    return current.get()


async def caller_uid() -> int:
    """The user of the client that the running method answers."""
    return await current.get().uid()
