"""Reading a tool's JSON whose shape is promised by nobody: every step may miss, none may fail.

``JsonValue(document).at("smart_status", "passed").flag()`` is the value, or None where the document has no
such place or another kind of value there.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.disk_text import LARGEST_COUNTER, clean


def parse_json(data: bytes, what: str) -> "JsonValue":
    """The document. Raises DecodeError when it is no JSON object. Bad UTF-8 costs its text only."""
    try:
        document = msgspec.json.decode(data.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise DecodeError(f"{what}: no JSON: {error}") from error
    if not isinstance(document, dict):
        raise DecodeError(f"{what}: JSON, but not an object")
    return JsonValue(document)


class JsonValue:
    """A value of a JSON document, or of no place in it."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value is not None

    def at(self, *keys: str) -> "JsonValue":
        value = self._value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return JsonValue(value)

    def first(self, *keys: str) -> "JsonValue":
        """The first of several names that is there: tools rename their keys from version to version."""
        return next((found for key in keys if (found := self.at(key))), JsonValue(None))

    def items(self) -> Iterator["JsonValue"]:
        """The objects of a list."""
        if isinstance(self._value, list):
            yield from (JsonValue(item) for item in self._value if isinstance(item, dict))

    def members(self) -> Iterator[tuple[str, "JsonValue"]]:
        """The names and values of an object."""
        if isinstance(self._value, dict):
            yield from ((key, JsonValue(value)) for key, value in self._value.items())

    def is_object(self) -> bool:
        return isinstance(self._value, dict)

    def is_list(self) -> bool:
        return isinstance(self._value, list)

    def integer(self, low: int = 0, high: int = LARGEST_COUNTER) -> int | None:
        """A whole number from ``low`` to ``high``; a counter without a limit stands still at 2^63 - 1."""
        value = self._value
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # numbers past 2^64 come as floats
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            return None
        if high == LARGEST_COUNTER:
            return min(value, high)
        return value if value <= high else None

    def integers(self, low: int, high: int) -> tuple[int, ...]:
        """The whole numbers of a list that lie in the range."""
        values = self._value if isinstance(self._value, list) else []
        return tuple(found for value in values if (found := JsonValue(value).integer(low, high)) is not None)

    def flag(self) -> bool | None:
        return self._value if isinstance(self._value, bool) else None

    def text(self) -> str | None:
        return clean(self._value) if isinstance(self._value, str) else None

    def scalar_text(self) -> str | None:
        """A text, or a number as text: some tools write either for the same thing."""
        if isinstance(self._value, int) and not isinstance(self._value, bool):
            return str(self._value)
        return self.text()
