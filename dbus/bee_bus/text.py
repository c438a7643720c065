"""Text that may reach a terminal.

Names, serials and messages come out of firmware, and firmware can hold anything: escape sequences that move
the cursor or retitle the window, line breaks that forge a line of ours, marks that turn the reading order.
What is shown is only what can be seen; the rest appears as its escape.
"""

import os
import re
import unicodedata
from typing import TextIO

LIMIT_CHARACTERS = 300

# Categories that are not ink on one line: controls, formats (bidirectional marks, zero-width), surrogates,
# private use, unassigned, line and paragraph separators, and marks that stack on their neighbour.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"})
_PLAIN = re.compile(r"[ -~]*")


def clean(text: str, *, limit: int = LIMIT_CHARACTERS) -> str:
    """The text on one line, whatever cannot be seen in it as ``\\x1b`` or ``\\u202e``; cut at ``limit``."""
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    if _PLAIN.fullmatch(text):
        return text
    normal = unicodedata.normalize("NFC", text)
    return "".join(map(_seen, normal))


def clean_lines(text: str) -> str:
    """As `clean`, line by line: for messages of more than one line."""
    return "\n".join(clean(line) for line in text.strip().splitlines())


def safe_json(text: str) -> str:
    """JSON text whose strings hold nothing that a terminal would obey; the same document to a parser.

    A JSON writer escapes the controls below U+0020 only: DEL, the C1 controls (U+009B begins an escape
    sequence) and the bidirectional marks pass. They can stand only inside strings, where an escape says the
    same.
    """
    if text.isascii():
        return text.replace("\x7f", "\\u007f")
    return "".join(
        _json_escaped(char)
        if char == "\x7f" or (char > "\x7f" and unicodedata.category(char) in _UNSEEN)
        else char
        for char in text
    )


def ascii_json(text: str) -> str:
    """JSON text in ASCII alone, for terminals of another encoding; the same document to a parser."""
    return "".join(
        char if char.isascii() else _json_escaped(char) for char in text.replace("\x7f", "\\u007f")
    )


def shows_unicode(stream: TextIO) -> bool:
    """Whether a stream can show more than ASCII, by its encoding and the locale."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("_", "-")
    if encoding not in ("utf-8", "utf8"):
        return False
    # Python turns the locale "C" into UTF-8 on its own. No locale at all can show UTF-8 nowadays, but one who
    # says C means it.
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if locale == "C.UTF-8" and os.environ.get("LANG") in ("C", "POSIX") and not os.environ.get("LC_ALL"):
        return False
    return locale not in ("C", "POSIX")


def _seen(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    return _escaped(char) if category in _UNSEEN else char


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
