"""Texts and numbers that a disk reports, made fit for people and for JSON."""

LARGEST_COUNTER = (1 << 63) - 1
LOWEST_LIMIT_CELSIUS = 45  # a lower "limit" is a wish, or nothing that was thought about


def clean(text: str, *, limit: int = 120) -> str | None:
    """The text without control characters and surplus white space; None when nothing is left."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:limit].rstrip() or None


def ascii_text(raw: bytes) -> str | None:
    """A fixed-width ASCII field, padded by spaces or zeros."""
    return clean(raw.decode("ascii", "replace").replace("\N{REPLACEMENT CHARACTER}", " "))


def saturated(counter: int) -> int:
    """A counter of up to 128 bits, no larger than a JSON integer is read by everyone."""
    return min(counter, LARGEST_COUNTER)
