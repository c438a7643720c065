"""Lines of "name : value", in which three of the vendors' tools write."""

import re
from collections.abc import Iterator

import msgspec

from bee_audit.decode.disk_text import clean

_SPACED = re.compile(r"(.+?) :(?: (.*))?")  # "Reported Channel,Device(T:L)   : 0,4(4:0)"
_PLAIN = re.compile(r"([^:]+): ?(.*)")  # "Controller Status: OK"
LINES_READ = 20_000
CHARACTERS_READ = 500  # of a line


class Line(msgspec.Struct, frozen=True):
    """``name`` in small letters; a line that names nothing has its text there, and no value."""

    indent: int
    text: str
    name: str
    value: str | None


def text_lines(output: bytes) -> Iterator[Line]:
    for number, raw in enumerate(output.decode("utf-8", "replace").splitlines()):
        if number >= LINES_READ:
            return
        line = raw[:CHARACTERS_READ].expandtabs()
        text = clean(line, limit=CHARACTERS_READ)
        if text is None or not text.strip(" -="):
            continue
        indent = len(line) - len(line.lstrip())
        found = _SPACED.fullmatch(text) or _PLAIN.fullmatch(text)
        if found:
            yield Line(indent, text, found[1].lower(), clean(found[2] or ""))
        else:
            yield Line(indent, text, text.lower(), None)


def whole_number(text: str | None) -> int | None:
    """The number that the text begins with: "46 C/ 114 F (Normal)", "0"."""
    found = re.match(r"\d{1,15}", text or "")
    return int(found[0]) if found else None


def megabytes(text: str | None) -> int | None:
    """ "2861588 MB", which mean 2^20 bytes in these tools."""
    found = re.fullmatch(r"(\d{1,12}) ?MB", text or "")
    return int(found[1]) << 20 if found else None
