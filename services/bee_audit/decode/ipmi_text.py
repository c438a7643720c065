"""Type/length coded text of FRU areas and sensor records, and what in it names nothing.

FRU Information Storage Definition 1.0 rev 1.3, chapter 13; IPMI 2.0 rev 1.1, chapter 43.15.
"""

BINARY, BCD_PLUS, SIX_BIT, TEXT = range(4)

_BCD_PLUS = "0123456789 -.:,_"  # the FRU definition ends at the period; the last three are chapter 43.15's


def decode_text(kind: int, data: bytes, *, wide: bool = False) -> str:
    """The text of a field. ``wide``: text of two bytes a character, low byte first, instead of Latin-1.

    Binary data is given in hex. White space and NULs around the text are padding; what is no printable
    character is replaced.
    """
    if kind == BINARY:
        return data.hex()
    if kind == BCD_PLUS:
        return "".join(_BCD_PLUS[byte >> 4] + _BCD_PLUS[byte & 0x0F] for byte in data).strip()
    if kind == SIX_BIT:
        return unpack_six_bit(data).strip()
    return clean(data.decode("utf-16-le", "replace") if wide else data.decode("latin-1"))


def unpack_six_bit(data: bytes) -> str:
    """6-bit ASCII: characters from the space on, packed from the lowest bit up, four in three bytes."""
    bits = int.from_bytes(data, "little")
    return "".join(chr(0x20 + (bits >> shift & 0x3F)) for shift in range(0, len(data) * 8 - 5, 6))


def clean(text: str) -> str:
    """The text without padding and without characters that a terminal would obey."""
    text = text.strip("\0 \t\r\n\xff")
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text
    ).strip()


def is_printable_ascii(data: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in data)
