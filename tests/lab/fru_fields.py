"""FRU areas and records byte by byte, in every encoding and with every fault (chapters 8 to 18 and 13)."""

from collections.abc import Sequence

END = b"\xc1"


def binary(data: bytes) -> bytes:
    return bytes((0x00 | len(data),)) + data


def bcd_plus(text: str) -> bytes:
    digits = [("0123456789 -.").index(char) for char in text + " " * (len(text) % 2)]
    data = bytes(high << 4 | low for high, low in zip(digits[::2], digits[1::2], strict=True))
    return bytes((0x40 | len(data),)) + data


def six_bit(text: str) -> bytes:
    bits = sum(ord(char) - 0x20 << 6 * index for index, char in enumerate(text))
    data = bits.to_bytes((len(text) * 6 + 7) // 8, "little")
    return bytes((0x80 | len(data),)) + data


def latin(text: str) -> bytes:
    data = text.encode("latin-1")
    return bytes((0xC0 | len(data),)) + data


def wide(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return bytes((0xC0 | len(data),)) + data


def area(head: bytes, fields: Sequence[bytes], *, end: bytes = END) -> bytes:
    """Format version, length, ``head``, coded fields, end mark, padding, checksum."""
    body = b"\x01\0" + head + b"".join(fields) + end
    body += bytes(-(len(body) + 1) % 8)
    body = body[:1] + bytes(((len(body) + 1) // 8,)) + body[2:]
    return body + checksum(body)


def chassis(kind: int, *fields: bytes) -> bytes:
    return area(bytes((kind,)), fields)


def board(language: int, minutes: int, *fields: bytes) -> bytes:
    return area(bytes((language,)) + minutes.to_bytes(3, "little"), fields)


def product(language: int, *fields: bytes) -> bytes:
    return area(bytes((language,)), fields)


def record(kind: int, data: bytes, *, last: bool = False) -> bytes:
    head = bytes((kind, 0x02 | last << 7, len(data))) + checksum(data)
    return head + checksum(head) + data


def image(
    *,
    internal_use: bytes = b"",
    chassis: bytes = b"",
    board: bytes = b"",
    product: bytes = b"",
    records: bytes = b"",
) -> bytes:
    body, offsets = b"", []
    for part in (internal_use, chassis, board, product, records):
        body += bytes(-len(body) % 8)
        offsets.append((8 + len(body)) // 8 if part else 0)
        body += part
    header = bytes((0x01, *offsets, 0))
    return header + checksum(header) + body


def checksum(data: bytes) -> bytes:
    """The byte that makes the sum zero."""
    return bytes((-sum(data) & 0xFF,))
