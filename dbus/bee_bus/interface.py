"""Adapters: a class that serves one interface, made from the interface's XML.

    class AuditInterface(Interface, xml="org.bee.Audit1"):
        def validate_Run(self, options: dict[str, str]) -> None: ...
        async def Run(self, options: dict[str, str]) -> str: ...

The class has exactly the methods of the XML, with its argument names; anything missing or too much, and a
method without an ``org.bee.Action`` annotation, is a TypeError when the class is made. ``validate_X`` sees
the arguments before polkit is asked, and must change nothing. ``X`` runs only once the caller is allowed
to.

Properties are values that are held here: `update` changes them and tells the bus, so reading one cannot fail.
"""

import asyncio
import inspect
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from dbus_next.signature import SignatureType, Variant

from bee_bus import interfaces, values
from bee_bus.interfaces import Description, Method
from bee_bus.names import PROPERTIES


class SignalSender(Protocol):
    """Where an exported interface's signals go: the object tree."""

    def send_signal(
        self, path: str, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> None: ...


class Interface:
    """One interface of one object. An instance lives on one path."""

    description: ClassVar[Description]

    # Methods that the owner's user may call without polkit being asked (see `owner_uid`).
    owner_may: ClassVar[frozenset[str]] = frozenset()

    _kinds: ClassVar[Mapping[str, SignatureType]]

    def __init_subclass__(cls, xml: str | Description | None = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if xml is not None:
            cls.description = interfaces.load(xml) if isinstance(xml, str) else xml
            cls._kinds = {
                name: values.single_type(each.signature) for name, each in cls.description.properties.items()
            }
        if not hasattr(cls, "description"):
            raise TypeError(
                f'{cls.__name__}: state the interface: class {cls.__name__}(Interface, xml="...")'
            )
        _check_methods(cls)

    def __init__(self, **properties: Any) -> None:
        """Properties by name; those not given start as their type's zero."""
        self._where: tuple[SignalSender, str] | None = None
        self._dirty: set[str] = set()
        given = self._checked(properties)
        self._values = {
            name: given.get(name) or Variant(kind.signature, values.zero(kind))
            for name, kind in self._kinds.items()
        }

    def owner_uid(self) -> int | None:
        """The user who owns this object, when it has an owner."""
        return None

    @property
    def path(self) -> str | None:
        """Where this is exported."""
        return self._where[1] if self._where else None

    def value(self, name: str) -> Any:
        """A property's present value."""
        return self._values[name].value

    def variants(self) -> dict[str, Variant]:
        """All properties, as they go on the bus."""
        return dict(self._values)

    def update(self, **properties: Any) -> None:
        """Change properties; those that are new are announced in one PropertiesChanged, at the end of this
        turn.

        TypeError for a name that the XML does not have or a value of another type, and for a constant
        property.
        """
        for name, value in self._checked(properties).items():
            if value == self._values[name]:
                continue
            emits = self.description.properties[name].emits
            if emits == "const" and self._where is not None:
                raise TypeError(f"{self.description.name}.{name} is constant")
            self._values[name] = value
            if emits in ("true", "invalidates") and self._where is not None:
                if not self._dirty:
                    asyncio.get_running_loop().call_soon(self.flush)
                self._dirty.add(name)

    def flush(self) -> None:
        """Announce what has changed now, rather than at the end of this turn."""
        dirty, self._dirty = self._dirty, set()
        if not dirty or self._where is None:
            return
        described = self.description.properties
        changed = {name: self._values[name] for name in sorted(dirty) if described[name].emits == "true"}
        invalidated = [name for name in sorted(dirty) if described[name].emits == "invalidates"]
        tree, path = self._where
        body = [self.description.name, changed, invalidated]
        tree.send_signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", body)

    def emit(self, signal: str, *arguments: Any) -> None:
        """Send one of the interface's signals."""
        described = self.description.signals.get(signal)
        if described is None:
            raise TypeError(f"{self.description.name} has no signal {signal}")
        body = _fitted(described.signature, arguments, f"{self.description.name}.{signal}")
        if self._where is not None:
            tree, path = self._where
            tree.send_signal(path, self.description.name, signal, described.signature, body)

    def exported(self, tree: SignalSender, path: str) -> None:
        """The tree calls this when the interface appears on the bus."""
        if self._where is not None:
            raise ValueError(
                f"this {self.description.name} is already at {self._where[1]}: one instance per object"
            )
        self._where = (tree, path)

    def unexported(self) -> None:
        """The tree calls this when the interface leaves the bus."""
        self.flush()
        self._where = None

    def _checked(self, properties: Mapping[str, Any]) -> dict[str, Variant]:
        checked = {}
        for name, value in properties.items():
            kind = self._kinds.get(name)
            if kind is None:
                raise TypeError(f"{self.description.name} has no property {name}")
            try:
                checked[name] = values.variant(kind, value)
            except (TypeError, ValueError) as error:
                raise TypeError(f"{self.description.name}.{name}: {error}") from error
        return checked


def results_to_body(method: Method, result: object) -> tuple[list[Any], list[int]]:
    """What a method returned as a message body, and the file descriptors that go with it.

    None for no result, the value for one, a tuple for several. A file (descriptor or object) is given away:
    the adapter closes it.
    """
    signatures = [argument.signature for argument in method.outputs]
    if len(signatures) == 0:
        results: Sequence[Any] = () if result is None else (result,)
    elif len(signatures) == 1:
        results = (result,)
    else:
        results = result if isinstance(result, tuple) else (result,)
    if signatures == ["h"]:
        return [0], [_descriptor(result)]
    return _fitted(method.output_signature, results, method.name), []


def _descriptor(file: object) -> int:
    if isinstance(file, int):
        return file
    if not isinstance(file, io.IOBase):
        raise TypeError(f"{file!r} is not a file")
    with file:
        return os.dup(file.fileno())


def _fitted(signature: str, parts: Sequence[Any], what: str) -> list[Any]:
    kinds = values.all_types(signature)
    if len(kinds) != len(parts):
        raise TypeError(f"{what} has {len(kinds)} values, not {len(parts)}")
    return [values.wire(kind, part) for kind, part in zip(kinds, parts, strict=True)]


def _check_methods(cls: type[Interface]) -> None:
    described = cls.description
    for method in described.methods.values():
        function = getattr(cls, method.name, None)
        where = f"{cls.__name__}: {described.name}.{method.name}"
        if method.action is None:
            raise TypeError(f"{where} states no org.bee.Action, so nobody may call it")
        if any("h" in argument.signature for argument in method.outputs) and method.output_signature != "h":
            raise TypeError(f"{where}: a file is returned alone")
        if function is None:
            raise TypeError(f"{where} is missing")
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{where} must be a coroutine")
        _check_parameters(function, method, where)
        check = getattr(cls, f"validate_{method.name}", None)
        if check is not None:
            _check_parameters(check, method, f"{where}, validate_{method.name}")
            if inspect.iscoroutinefunction(check):
                raise TypeError(f"{where}: validate_{method.name} must not wait")
    for name, member in inspect.getmembers(cls, callable):
        bare = name.removeprefix("validate_")
        if (
            (bare != name or name[0].isupper())
            and bare not in described.methods
            and not isinstance(member, type)
        ):
            raise TypeError(f"{cls.__name__}: {described.name} has no method {bare}")
    unknown = cls.owner_may - set(described.methods)
    if unknown:
        raise TypeError(f"{cls.__name__}: {described.name} has no method {', '.join(sorted(unknown))}")


def _check_parameters(function: Callable[..., Any], method: Method, where: str) -> None:
    wanted = [argument.name for argument in method.inputs]
    given = list(inspect.signature(function).parameters)[1:]
    if given != wanted:
        raise TypeError(f"{where} takes ({', '.join(wanted)}), not ({', '.join(given)})")
