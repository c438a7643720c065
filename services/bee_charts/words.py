"""Numbers, durations and names as people read them.

Names come out of firmware and can hold anything. What is shown is only what can be seen: the rest appears as
its escape, so that no name moves a cursor, turns the reading order or makes a document that is not XML.
"""

import unicodedata

LIMIT_CHARACTERS = 120
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Format marks, lone surrogates, private and unassigned characters, separators of lines, marks that stack.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"})


def number(value: float) -> str:
    """Three or four digits that count: 0.25, 7.5, 98.6, 705, 12345, "1.25M"."""
    size = abs(value)
    for factor, prefix in _PREFIXES:
        if size >= factor * 0.9995:
            return f"{_trimmed(value / factor, 2)}{prefix}"
    if size >= 99.95 or size == 0:
        return _signless(f"{value:.0f}")
    if size >= 9.995:
        return _trimmed(value, 1)
    return _trimmed(value, 2) if size >= 0.095 else f"{value:.2g}"


def with_unit(value: float, unit: str) -> str:
    """ "705 W"; the number alone where there is no unit."""
    return f"{number(value)} {unit}" if unit else number(value)


def on_axis(value: float, step: float) -> str:
    """A tick's label, with as many decimals as its neighbours need to differ from it."""
    if step >= 1e5:
        return number(value)
    decimals = 0
    while decimals < 9 and abs(round(step, decimals) - step) > step * 1e-6:
        decimals += 1
    return _signless(f"{value:.{decimals}f}")


def duration(seconds: float) -> str:
    """ "45 s", "1 min 30 s", "2 h 5 min", "1 d 3 h": the two largest parts that are there."""
    whole = round(seconds)
    if whole < 1:
        return "0 s" if seconds <= 0 else f"{seconds:.1g} s"
    return " ".join(f"{count} {name}" for count, name in _parts(whole, ("d", "h", "min", "s"))[:2])


def elapsed(seconds: float) -> str:
    """As short as a tick needs it, and never to be mistaken: "0", "90s" is "1m30s", "2h", "1d6h"."""
    if 0 < abs(seconds) < 1:
        return f"{seconds:.2g}s"
    parts = "".join(f"{count}{name}" for count, name in _parts(round(abs(seconds)), ("d", "h", "m", "s"))[:3])
    return f"-{parts}" if seconds < 0 and parts else parts or "0"


def seen(text: str, *, limit: int = LIMIT_CHARACTERS) -> str:
    """The text on one line; whatever cannot be seen in it as ``\\x1b`` or ``\\u202e``; cut at ``limit``."""
    if len(text) > limit:
        text = f"{text[: limit - 3]}..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_seen, unicodedata.normalize("NFC", text)))


def cells(text: str) -> int:
    """How many columns of a terminal the text takes; wide characters take two."""
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def cut(text: str, columns: int) -> str:
    """As much of the text as fits so many columns."""
    if len(text) <= columns and text.isascii():
        return text
    room, kept = columns, []
    for char in text:
        room -= cells(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept)


def _parts(whole: int, names: tuple[str, str, str, str]) -> list[tuple[int, str]]:
    days, rest = divmod(whole, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, seconds = divmod(rest, _MINUTE)
    found = zip((days, hours, minutes, seconds), names, strict=True)
    return [(count, name) for count, name in found if count]


def _trimmed(value: float, decimals: int) -> str:
    return _signless(f"{value:.{decimals}f}".rstrip("0").rstrip("."))


def _signless(text: str) -> str:
    """Nobody wants to read of minus zero."""
    return text.removeprefix("-") if not text.strip("-0.") else text


def _seen(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    if category not in _UNSEEN:
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
