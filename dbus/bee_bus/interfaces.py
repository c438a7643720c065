"""The interfaces as their XML states them: dbus/interfaces/*.xml is the truth, everything is made from it."""

import functools
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bee_bus.names import ACTION_ANNOTATION

EMITS_ANNOTATION = "org.freedesktop.DBus.Property.EmitsChangedSignal"


class InterfaceError(Exception):
    """An interface file is missing or says something that cannot be served."""


class Argument(NamedTuple):
    name: str
    signature: str


class Method(NamedTuple):
    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    action: str | None  # the polkit action of its org.bee.Action annotation

    @property
    def input_signature(self) -> str:
        return "".join(argument.signature for argument in self.inputs)

    @property
    def output_signature(self) -> str:
        return "".join(argument.signature for argument in self.outputs)


class Signal(NamedTuple):
    name: str
    arguments: tuple[Argument, ...]

    @property
    def signature(self) -> str:
        return "".join(argument.signature for argument in self.arguments)


class Property(NamedTuple):
    name: str
    signature: str
    emits: str  # "true", "invalidates", "const" or "false", as in the D-Bus specification


class Description(NamedTuple):
    """One interface."""

    name: str
    methods: Mapping[str, Method]
    signals: Mapping[str, Signal]
    properties: Mapping[str, Property]
    xml: str  # the <interface> element without its comments, as it is served


def folder() -> Path:
    """Where the XML lies: dbus/interfaces in the source tree, PREFIX/share/bee/interfaces when installed."""
    package = Path(__file__).resolve().parent
    candidates = (
        package.parent / "interfaces",
        package.parent.parent.parent / "share" / "bee" / "interfaces",
        Path("/usr/local/share/bee/interfaces"),
    )
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise InterfaceError(f"the interface files are in none of {', '.join(map(str, candidates))}")


@functools.cache
def load(name: str) -> Description:
    """The interface of that name, from the folder."""
    path = folder() / f"{name}.xml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InterfaceError(f"{path}: {error.strerror}") from error
    return parse(text, name)


def parse(text: str, name: str) -> Description:
    """The interface of that name in an introspection document."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InterfaceError(f"{name}: {error}") from error
    for element in root.iter("interface"):
        if element.get("name") == name:
            return _interface(element)
    raise InterfaceError(f"{name}: the document does not describe it")


def _interface(element: ElementTree.Element) -> Description:
    name = element.attrib["name"]
    for part in element.iter("property"):
        if part.get("access") != "read":
            # State is changed by methods, which pass the authority; a writable property would not.
            raise InterfaceError(f"{name}.{part.get('name')}: a property must be read-only")
    return Description(
        name=name,
        methods={part.attrib["name"]: _method(part) for part in element.iter("method")},
        signals={
            part.attrib["name"]: Signal(part.attrib["name"], _arguments(part))
            for part in element.iter("signal")
        },
        properties={part.attrib["name"]: _property(part) for part in element.iter("property")},
        xml=_serialised(element),
    )


def _method(element: ElementTree.Element) -> Method:
    return Method(
        name=element.attrib["name"],
        inputs=_arguments(element, "in"),
        outputs=_arguments(element, "out"),
        action=_annotation(element, ACTION_ANNOTATION),
    )


def _property(element: ElementTree.Element) -> Property:
    return Property(
        name=element.attrib["name"],
        signature=element.attrib["type"],
        emits=_annotation(element, EMITS_ANNOTATION) or "true",
    )


def _arguments(element: ElementTree.Element, direction: str | None = None) -> tuple[Argument, ...]:
    return tuple(
        Argument(part.attrib["name"], part.attrib["type"])
        for part in element.iter("arg")
        if direction is None or part.get("direction", "in") == direction
    )


def _annotation(element: ElementTree.Element, name: str) -> str | None:
    return next(
        (part.get("value") for part in element.findall("annotation") if part.get("name") == name), None
    )


def _serialised(element: ElementTree.Element) -> str:
    ElementTree.indent(element, " ", level=1)
    return ElementTree.tostring(element, encoding="unicode").rstrip() + "\n"
