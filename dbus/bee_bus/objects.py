"""The objects of one service: who lives at which path, and how calls to them are answered.

One gate for all: a method runs only after its arguments have been looked at, its caller is known, and
polkit has agreed to its action. dbus-next's own service layer is not used: it tells methods nothing of
their caller, sends tracebacks to it, answers cancelled calls never and signals from wrong paths.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from dbus_next.constants import MessageFlag
from dbus_next.errors import SignatureBodyMismatchError
from dbus_next.message import Message
from dbus_next.signature import Variant

from bee_bus import errors, standard
from bee_bus.calls import Caller, current
from bee_bus.connection import Connection
from bee_bus.interface import Interface, results_to_body
from bee_bus.interfaces import Method
from bee_bus.names import INTROSPECTABLE, OBJECT_MANAGER, PEER
from bee_bus.reader import CALL_LIMIT_BYTES, is_too_large

log = logging.getLogger(__name__)

Gate = Callable[[Caller, str], Awaitable[None]]


class ObjectTree:
    """Objects under a root path, which is their ObjectManager."""

    def __init__(self, connection: Connection, root: str, gate: Gate) -> None:
        """`gate(caller, action)` returns when the caller may do that, and raises a BeeError otherwise."""
        self.root = root
        self.calls: set[asyncio.Task[None]] = set()  # those under way
        self.announcing = False  # nobody can have subscribed before the name is owned
        self._connection = connection
        self._gate = gate
        self._objects: dict[str, dict[str, Interface]] = {}

    def add(self, path: str, *added: Interface) -> None:
        """Put interfaces on the object at `path`, which is the root or below it."""
        if path != self.root and not path.startswith(self.root + "/"):
            raise ValueError(f"{path} is not under {self.root}")
        there = self._objects.get(path, {})
        for interface in added:
            if interface.description.name in there:
                raise ValueError(f"{path} already has {interface.description.name}")
        for interface in added:
            interface.exported(self, path)
        self._objects[path] = there | {interface.description.name: interface for interface in added}
        if path != self.root:
            body = [path, {interface.description.name: interface.variants() for interface in added}]
            self.send_signal(self.root, OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", body)

    def remove(self, path: str) -> None:
        """Take the object at `path` off the bus."""
        there = self._objects.pop(path, {})
        for interface in there.values():
            interface.unexported()
        if there and path != self.root:
            body = [path, list(there)]
            self.send_signal(self.root, OBJECT_MANAGER, "InterfacesRemoved", "oas", body)

    def replace(self, folder: str, objects: Mapping[str, Sequence[Interface]]) -> None:
        """Make `objects` (by path) all that is below `folder`, and announce only what differs.

        An object that stays keeps its interfaces, which take over the properties of the new ones.
        """
        for path in [path for path in self._objects if path.startswith(folder + "/") and path not in objects]:
            self.remove(path)
        for path, new in objects.items():
            there = self._objects.get(path, {})
            if [type(each) for each in there.values()] == [type(each) for each in new]:
                for old, fresh in zip(there.values(), new, strict=True):
                    old.update(**{name: value.value for name, value in fresh.variants().items()})
            else:
                self.remove(path)
                self.add(path, *new)

    def paths(self) -> list[str]:
        return list(self._objects)

    def find(self, path: str, interface: str) -> Interface:
        there = self._objects.get(path)
        if there is None:
            raise errors.UnknownObject(f"there is no object at {path}")
        if interface not in there:
            raise errors.UnknownInterface(f"{path} has no interface {interface}")
        return there[interface]

    def send_signal(
        self, path: str, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> None:
        if self.announcing:
            self._connection.send(Message.new_signal(path, interface, member, signature, list(body)))

    def handle(self, message: Message) -> None:
        """Answer a method call: at once, or from a task of its own."""
        try:
            if is_too_large(message):
                raise errors.InvalidArgs(f"{message.member} takes less than {CALL_LIMIT_BYTES >> 20} MiB")
            if message.interface in standard.INTERFACES:
                self._reply(message, *self._standard(message))
                return
            interface = self.find(message.path, message.interface or "")
            method = interface.description.methods.get(message.member)
            if method is None:
                raise errors.UnknownMethod(f"{message.interface} has no method {message.member}")
            if message.signature != method.input_signature:
                raise errors.InvalidArgs(
                    f"{method.name} takes '{method.input_signature}', not '{message.signature}'"
                )
            if not message.sender:
                raise errors.AccessDenied("the call does not say who sent it")
        except errors.BeeError as error:
            self._refuse(message, error)
            return
        task = asyncio.create_task(
            self._serve(message, interface, method), name=f"{message.member} of {message.sender}"
        )
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    async def _serve(self, message: Message, interface: Interface, method: Method) -> None:
        caller = Caller(
            sender=message.sender,
            interactive=bool(message.flags & MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION),
            connection=self._connection,
        )
        current.set(caller)
        try:
            validate = getattr(interface, f"validate_{method.name}", None)
            if validate is not None:
                validate(*message.body)
            await self._authorise(caller, interface, method)
            if self.find(message.path, message.interface) is not interface:
                raise errors.UnknownObject(f"the object at {message.path} has been replaced")
            result = await getattr(interface, method.name)(*message.body)
            self._reply(message, method.output_signature, *results_to_body(method, result))
        except errors.BeeError as error:
            self._refuse(message, error)
        except asyncio.CancelledError:
            self._refuse(message, errors.Cancelled("the service is ending, the call was given up"))
            raise
        except Exception:
            # The border: whatever it is, the caller gets a name and no insides, and the log gets all of it,
            # once.
            log.exception("%s.%s failed", message.interface, message.member)
            self._refuse(message, errors.Internal("the service failed; its log has the details"))

    async def _authorise(self, caller: Caller, interface: Interface, method: Method) -> None:
        if method.name in interface.owner_may:
            owner = interface.owner_uid()
            if owner is not None and await caller.uid() == owner:
                return
        assert method.action is not None  # an Interface without one cannot be made
        await self._gate(caller, method.action)

    def _standard(self, message: Message) -> tuple[str, list[Any]]:
        """Answer one of the freedesktop interfaces: signature and body."""
        wanted = standard.INTERFACES[message.interface].get(message.member)
        if wanted is None:
            raise errors.UnknownMethod(f"{message.interface} has no method {message.member}")
        if message.signature != wanted:
            raise errors.InvalidArgs(f"{message.member} takes '{wanted}', not '{message.signature}'")
        if message.interface == PEER:
            return ("", []) if message.member == "Ping" else ("s", [standard.machine_id()])
        if message.interface == INTROSPECTABLE:
            return "s", [self._introspection(message.path)]
        if message.interface == OBJECT_MANAGER:
            if message.path != self.root:
                raise errors.UnknownInterface(f"{message.path} has no interface {OBJECT_MANAGER}")
            return "a{oa{sa{sv}}}", [self._managed_objects()]
        return self._properties(message)

    def _properties(self, message: Message) -> tuple[str, list[Any]]:
        name = message.body[0]
        if name in standard.INTERFACES and message.path in self._objects:
            held: dict[str, Variant] = {}
        else:
            held = self.find(message.path, name).variants()
        if message.member == "GetAll":
            return "a{sv}", [held]
        if message.body[1] not in held:
            raise errors.UnknownProperty(f"{name} has no property {message.body[1]}")
        if message.member == "Set":
            raise errors.PropertyReadOnly(f"{name}.{message.body[1]} can only be read")
        return "v", [held[message.body[1]]]

    def _managed_objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        return {
            path: {name: interface.variants() for name, interface in there.items()}
            for path, there in self._objects.items()
            if path != self.root
        }

    def _introspection(self, path: str) -> str:
        there = self._objects.get(path)
        prefix = path if path == "/" else path + "/"
        children = sorted(
            {each[len(prefix) :].split("/")[0] for each in self._objects if each.startswith(prefix)}
        )
        if there is None and not children:
            raise errors.UnknownObject(f"there is no object at {path}")
        served = [interface.description.xml for interface in (there or {}).values()]
        return standard.introspection(served, children, manager=path == self.root)

    def _reply(self, message: Message, signature: str, body: list[Any], fds: Sequence[int] = ()) -> None:
        reply = Message.new_method_return(message, signature, body, list(fds))
        if message.flags & MessageFlag.NO_REPLY_EXPECTED:
            standard.close_all(fds)
            return
        try:
            self._connection.send_and_close(reply)
        except SignatureBodyMismatchError:
            log.exception(
                "%s.%s answered what its signature does not allow", message.interface, message.member
            )
            self._refuse(message, errors.Internal("the service failed; its log has the details"))

    def _refuse(self, message: Message, error: errors.BeeError) -> None:
        if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
            self._connection.send(Message.new_error(message, error.name, error.message))
