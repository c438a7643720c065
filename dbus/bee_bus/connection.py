"""One connection to the bus, with what dbus-next leaves open closed.

- A call has a deadline, and an error reply is raised as a `BeeError`.
- A signal subscription is one match rule on the bus and one entry here, and ends with its ``async with``. A
  signal counts only when it comes from the current owner of the name it is expected from.
- A name is owned at once or not at all.
- File descriptors that are sent are closed once they have left; those that nobody asked for are closed at
  once.
- When the bus goes away, everything that waits for it is told.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Self

from dbus_next.aio.message_bus import MessageBus
from dbus_next.auth import AuthExternal
from dbus_next.constants import MessageFlag, MessageType, NameFlag, RequestNameReply
from dbus_next.errors import AuthError, InvalidAddressError
from dbus_next.message import Message

from bee_bus import errors
from bee_bus.names import DBUS, DBUS_PATH
from bee_bus.reader import BoundedUnmarshaller
from bee_bus.writer import Writer

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
DEADLINE_SECONDS = 25.0

SignalHandler = Callable[[Message], None]
CallHandler = Callable[[Message], None]


class NameTaken(Exception):
    """Another process owns the bus name."""


class Reply(NamedTuple):
    body: list[Any]
    sender: str  # the unique name of whoever answered
    fds: list[int]  # the caller's to close


class Match(NamedTuple):
    """Which signals are wanted; what is None does not matter."""

    sender: str | None = None
    path: str | None = None
    path_namespace: str | None = None
    interface: str | None = None
    member: str | None = None
    arg0: str | None = None

    def rule(self) -> str:
        """The match rule as the bus wants it."""
        parts = {name: value for name, value in self._asdict().items() if value is not None}
        return ",".join(["type='signal'", *(f"{name}='{value}'" for name, value in parts.items())])

    def fits(self, message: Message) -> bool:
        """Whether the message is one of these, the sender aside."""
        if self.interface is not None and message.interface != self.interface:
            return False
        if self.member is not None and message.member != self.member:
            return False
        if self.path is not None and message.path != self.path:
            return False
        if self.path_namespace is not None:
            root = self.path_namespace.rstrip("/")
            if message.path != self.path_namespace and not message.path.startswith(root + "/"):
                return False
        return self.arg0 is None or (bool(message.body) and message.body[0] == self.arg0)


class NameWatch:
    """Who owns a bus name, followed as it changes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner: str | None = None
        self._changes = 0
        self._changed = asyncio.Event()

    async def lost(self, owner: str | None) -> None:
        """Return once that owner no longer has the name; with None, once there is one."""
        while self.owner == owner:
            self._changed.clear()
            await self._changed.wait()

    def _follow(self, message: Message) -> None:
        self._changes += 1
        self.owner = message.body[2] or None
        self._changed.set()


class Connection(MessageBus):
    """The bus connection of a service or a client. `open` makes one."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address or system_bus_address()
        self._subscriptions: list[tuple[Match, NameWatch | None, SignalHandler]] = []
        self._call_handler: CallHandler | None = None
        self._last_sent: asyncio.Future[None] | None = None
        try:
            super().__init__(bus_address=self.address, auth=_SocketUser(), negotiate_unix_fd=True)
        except (OSError, InvalidAddressError):
            self._drop_socket()
            raise
        self._writer: Writer = Writer(self)  # type: ignore[assignment]
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._disconnect_future.add_done_callback(_retrieve)
        self.add_message_handler(self._receive)

    @classmethod
    async def open(cls, address: str | None = None) -> Self:
        """Connect to the bus at `address`, by default the system bus. Raises `errors.Disconnected`."""
        where = address or system_bus_address()
        try:
            connection = cls(where)
        except (OSError, InvalidAddressError) as error:
            raise errors.Disconnected(f"there is no bus at {where}: {error}") from error
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
        except (OSError, EOFError, AuthError, ValueError, TimeoutError) as error:
            connection._finalize(error)
            raise errors.Disconnected(f"the bus at {where} does not let us in: {error}") from error
        except asyncio.CancelledError:
            connection._finalize()
            raise
        return connection

    def _drop_socket(self) -> None:
        # dbus-next opens it before it knows whether anybody answers, and leaves it open when nobody does.
        for end in (getattr(self, "_stream", None), getattr(self, "_sock", None)):
            if end is not None:
                end.close()

    async def close(self) -> None:
        """Send what is still to be sent, then disconnect."""
        if not self._disconnected:
            if self._last_sent is not None and not self._last_sent.done():
                await asyncio.wait([self._last_sent], timeout=1)
            self.disconnect()
            await asyncio.wait([self.lost], timeout=1)
        self._finalize()

    def on_call(self, handler: CallHandler) -> None:
        """Hand every incoming method call to `handler`, which answers it."""
        self._call_handler = handler

    async def ask(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        *,
        deadline_seconds: float | None = DEADLINE_SECONDS,
        interactive: bool = False,
    ) -> Reply:
        """Call a method and wait for its answer.

        `interactive`: the caller can wait while a person types a password. Raises `BeeError`: the error
        that was answered, `NoReply` after the deadline, `Disconnected` without a bus.
        """
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else MessageFlag.NONE,
            serial=self.next_serial(),
        )
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self._disconnected:
            raise errors.Disconnected("the bus went away")

        def arrived(reply: Message | None, _error: Exception | None) -> None:
            if answer.done():
                _close_fds(reply.unix_fds if reply else [])
            elif reply is None:
                answer.set_exception(errors.Disconnected("the bus went away"))
            else:
                answer.set_result(reply)

        try:
            self._method_return_handlers[message.serial] = arrived
            self.send(message)
            async with asyncio.timeout(deadline_seconds):
                reply = await answer
        except TimeoutError:
            _discard(answer)
            raise errors.NoReply(f"{destination} did not answer {member} in {deadline_seconds:g} s") from None
        except asyncio.CancelledError:
            _discard(answer)
            raise
        finally:
            self._method_return_handlers.pop(message.serial, None)
        if reply.message_type is MessageType.ERROR:
            _close_fds(reply.unix_fds)
            text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
            raise errors.from_name(reply.error_name, text)
        return Reply(reply.body, reply.sender, list(reply.unix_fds))

    def tell(
        self, destination: str, path: str, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> None:
        """Call a method without wanting an answer."""
        self.send(
            Message(
                destination=destination,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
                flags=MessageFlag.NO_REPLY_EXPECTED,
            )
        )

    def send(self, msg: Message) -> "asyncio.Future[None]":  # type: ignore[override]
        """Queue a message; its file descriptors must stay open until the future is done."""
        if self._disconnected:
            sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            sent.set_exception(ConnectionError("the bus went away"))
        else:
            sent = super().send(msg)
            self._last_sent = sent
        sent.add_done_callback(_retrieve)
        return sent

    def send_and_close(self, message: Message) -> None:
        """Send a message and close its file descriptors once they have left, or cannot leave any more."""
        fds = list(message.unix_fds)
        try:
            sent = self.send(message)
        except BaseException:
            _close_fds(fds)
            raise
        sent.add_done_callback(lambda _: _close_fds(fds))

    async def own_name(self, name: str) -> None:
        """Own a bus name now; raises `NameTaken` rather than wait in a queue for it."""
        flags = NameFlag.DO_NOT_QUEUE.value
        reply = await self.ask(DBUS, DBUS_PATH, DBUS, "RequestName", "su", [name, flags])
        if reply.body[0] != RequestNameReply.PRIMARY_OWNER.value:
            raise NameTaken(f"{name} is already owned by another process")

    async def give_name_back(self, name: str) -> None:
        """Own a bus name no longer."""
        await self.ask(DBUS, DBUS_PATH, DBUS, "ReleaseName", "s", [name])

    async def uid_of(self, unique_name: str) -> int:
        """The user behind a connection, as the kernel told the bus."""
        reply = await self.ask(DBUS, DBUS_PATH, DBUS, "GetConnectionUnixUser", "s", [unique_name])
        return int(reply.body[0])

    @asynccontextmanager
    async def subscription(self, match: Match, handler: SignalHandler) -> AsyncIterator[None]:
        """Call `handler` for every signal that fits, until the block ends."""
        if match.sender is not None and match.sender != DBUS and not match.sender.startswith(":"):
            async with self.name_watch(match.sender) as watch, self._subscribed(match, watch, handler):
                yield
        else:
            async with self._subscribed(match, None, handler):
                yield

    @asynccontextmanager
    async def name_watch(self, name: str) -> AsyncIterator[NameWatch]:
        """Follow who owns `name`, a well-known or a unique one."""
        watch = NameWatch(name)
        changes = Match(sender=DBUS, interface=DBUS, member="NameOwnerChanged", arg0=name)
        async with self._subscribed(changes, None, watch._follow):
            owner: str | None = None
            with suppress(errors.ServiceGone):
                owner = (await self.ask(DBUS, DBUS_PATH, DBUS, "GetNameOwner", "s", [name])).body[0]
            if not watch._changes:  # a change that was seen meanwhile is newer than this answer, or the same
                watch.owner = owner
            yield watch

    @asynccontextmanager
    async def _subscribed(
        self, match: Match, sender: NameWatch | None, handler: SignalHandler
    ) -> AsyncIterator[None]:
        entry = (match, sender, handler)
        self._subscriptions.append(entry)
        added = True  # from the moment that it is asked for, also when the wait for the answer is cancelled
        try:
            try:
                await self.ask(DBUS, DBUS_PATH, DBUS, "AddMatch", "s", [match.rule()])
            except errors.BeeError:
                added = False
                raise
            yield
        finally:
            self._subscriptions.remove(entry)
            if added:
                self.tell(DBUS, DBUS_PATH, DBUS, "RemoveMatch", "s", [match.rule()])

    def _receive(self, message: Message) -> bool:
        """Take every incoming message; dbus-next sees only the replies."""
        if message.message_type is MessageType.METHOD_CALL:
            _close_fds(message.unix_fds)  # no method of bee takes one
            if self._call_handler is not None:
                self._call_handler(message)
            elif not message.flags & MessageFlag.NO_REPLY_EXPECTED:
                self.send(Message.new_error(message, errors.UnknownMethod.name, "this is a client"))
            return True
        if message.message_type is MessageType.SIGNAL:
            _close_fds(message.unix_fds)
            for match, watch, handler in tuple(self._subscriptions):
                sender = watch.owner if watch is not None else match.sender
                expected = message.sender == sender or (sender is None and watch is None)
                if expected and match.fits(message):
                    handler(message)
            return True
        if message.reply_serial not in self._method_return_handlers:
            _close_fds(message.unix_fds)  # it came after its deadline
        return False

    def _create_unmarshaller(self) -> BoundedUnmarshaller:
        return BoundedUnmarshaller(self._stream, self._sock)  # type: ignore[no-untyped-call]

    async def _auth_readline(self) -> str:
        # dbus-next reads on forever when the other side hangs up during the handshake.
        line = b""
        while not line.endswith(b"\r\n"):
            part = await asyncio.get_running_loop().sock_recv(self._sock, 4096)
            if not part:
                raise ConnectionError("it hung up during the handshake")
            line += part
        return line[:-2].decode("ascii", "replace")

    def disconnect(self) -> None:
        if not self._disconnected:
            super().disconnect()  # type: ignore[no-untyped-call]

    def _finalize(self, err: Exception | None = None) -> None:
        if self._disconnected:
            return
        super()._finalize(err)  # type: ignore[no-untyped-call]
        self._writer.fail(ConnectionError("the bus went away"))
        with suppress(OSError):  # it flushes first, into a socket that may be dead
            self._stream.close()
        self._sock.close()
        if not self.lost.done():
            self.lost.set_result(None)


class _SocketUser(AuthExternal):
    """Log in as the user that the socket says we are.

    A bus in another user namespace knows that user by another number than we do.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def _authentication_start(self, negotiate_unix_fd: bool = False) -> str:
        self.negotiate_unix_fd = negotiate_unix_fd
        return "AUTH EXTERNAL"

    def _receive_line(self, line: str) -> str:
        if line.split()[:1] == ["DATA"]:
            return "DATA"
        answer: str = super()._receive_line(line)
        return answer


def system_bus_address() -> str:
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or "unix:path=/run/dbus/system_bus_socket"


def _discard(answer: "asyncio.Future[Message]") -> None:
    """Close the files of an answer that came in the moment when nobody wanted it any more."""
    if answer.done() and not answer.cancelled() and answer.exception() is None:
        _close_fds(answer.result().unix_fds)


def _close_fds(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _retrieve(future: "asyncio.Future[Any]") -> None:
    """Look at the outcome, so that asyncio does not report an error that nobody waits for."""
    if not future.cancelled():
        future.exception()
