"""Values on their way to and from the wire.

dbus-next takes lists for structs, wants every string to be sendable, and hands variants back wrapped. A
string with a NUL or a lone surrogate in it would make the bus daemon drop the whole connection, and
hardware strings are hostile input, so every string that leaves is made sendable here.
"""

from collections.abc import Mapping
from typing import Any, cast

from dbus_next.signature import SignatureTree, SignatureType, Variant

# The bus refuses messages above 32 MiB by dropping the connection that sent them.
STRING_LIMIT_BYTES = 24 << 20

_NUMBERS = frozenset("ynqiuxt")


def single_type(signature: str) -> SignatureType:
    """The type of a signature that holds exactly one complete type."""
    types = all_types(signature)
    if len(types) != 1:
        raise TypeError(f"{signature!r} is not one complete type")
    return types[0]


def all_types(signature: str) -> list[SignatureType]:
    return cast("list[SignatureType]", SignatureTree._get(signature).types)


def wire(kind: SignatureType, value: object) -> Any:
    """`value` as dbus-next wants it; TypeError or ValueError when it is not of that type."""
    token = kind.token
    if token in "sog":
        return _text(value)
    if token == "b":
        if not isinstance(value, bool):
            raise TypeError(f"{value!r} is not a truth value")
        return value
    if token in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{value!r} is not a whole number")
        return value
    if token == "d":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{value!r} is not a number")
        return float(value)
    if token == "a":
        return _array(kind.children[0], value)
    if token == "(":
        if not isinstance(value, list | tuple) or len(value) != len(kind.children):
            raise TypeError(f"{value!r} does not fit {kind.signature!r}")
        return [wire(child, part) for child, part in zip(kind.children, value, strict=True)]
    if token == "v" and isinstance(value, Variant):
        return value
    raise TypeError(f"{value!r} does not fit {kind.signature!r}")


def variant(kind: SignatureType, value: object) -> Variant:
    return Variant(kind.signature, wire(kind, value))


def plain(value: object) -> Any:
    """A received value without its variants: ``{"Step": Variant("s", "psus")}`` is ``{"Step": "psus"}``."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return value


def zero(kind: SignatureType) -> Any:
    """What a property of that type holds before anything is known."""
    token = kind.token
    if token in "sg":
        return ""
    if token == "o":
        return "/"
    if token == "b":
        return False
    if token in _NUMBERS:
        return 0
    if token == "d":
        return 0.0
    if token == "a":
        return {} if kind.children[0].token == "{" else []
    raise TypeError(f"there is no zero of {kind.signature!r}")


def _array(child: SignatureType, value: object) -> Any:
    if child.token == "{":
        if not isinstance(value, Mapping):
            raise TypeError(f"{value!r} is not a mapping")
        key_kind, value_kind = child.children
        return {wire(key_kind, key): wire(value_kind, part) for key, part in value.items()}
    if child.token == "y" and isinstance(value, bytes):
        return value
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise TypeError(f"{value!r} is not a list")
    return [wire(child, part) for part in value]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    if "\0" in value:
        value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError:
        value = value.encode("utf-8", "replace").decode()
        size_bytes = len(value)
    if size_bytes > STRING_LIMIT_BYTES:
        raise ValueError(f"a string of {size_bytes} bytes is too long for the bus")
    return value
