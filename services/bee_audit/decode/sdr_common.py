"""What sensor data records have in common: an owner, an ID string, a length to check."""

import msgspec

from bee_audit.decode import DecodeError
from bee_audit.decode.ipmi_text import BCD_PLUS, BINARY, SIX_BIT, TEXT, decode_text, is_printable_ascii


class Owner(msgspec.Struct, frozen=True):
    """Who answers for a sensor or a FRU device: a controller on a channel, or system software."""

    address: int  # 8 bits, as on the bus; 20h is the BMC
    channel: int
    lun: int

    @property
    def is_software(self) -> bool:
        return bool(self.address & 1)

    @property
    def is_bmc(self) -> bool:
        return self.address in (0x00, 0x20)


def need(record_id: int, kind: str, body: bytes, least_bytes: int) -> None:
    if len(body) < least_bytes:
        raise DecodeError(
            f"{kind} record {record_id:04X}h has {len(body)} bytes, at least {least_bytes} expected"
        )


def id_text(body: bytes, position: int) -> str:
    """The ID string: a type/length byte and at most 16 characters (§43.15)."""
    if position >= len(body):
        return ""
    head, data = body[position], body[position + 1 :]
    kind, length = head >> 6, head & 0x1F
    data = data[: _text_bytes(kind, length, len(data))]
    if kind == BINARY:  # the code of binary FRU fields means Unicode here
        wide = len(data) % 2 == 0 and not is_printable_ascii(data)
        return decode_text(TEXT, data, wide=wide)
    return decode_text(kind, data)


def _text_bytes(kind: int, length: int, there: int) -> int:
    """The standard counts characters; many firmwares count bytes, which the record's end gives away."""
    packed = {BCD_PLUS: (length + 1) // 2, SIX_BIT: (length * 6 + 7) // 8}.get(kind, length)
    return length if there == length else packed
