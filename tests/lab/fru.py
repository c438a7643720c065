"""FRU images (Platform Management FRU Information Storage Definition 1.0, revision 1.3)."""

from dataclasses import dataclass
from datetime import UTC, datetime

EPOCH = datetime(1996, 1, 1, tzinfo=UTC)
END_OF_FIELDS = 0xC1
RACK_MOUNT_CHASSIS = 0x17


@dataclass(frozen=True)
class Chassis:
    part_number: str
    serial: str
    custom: tuple[str, ...] = ()

    def area(self) -> bytes:
        return _area(bytes((RACK_MOUNT_CHASSIS,)), (self.part_number, self.serial, *self.custom))


@dataclass(frozen=True)
class Board:
    vendor: str
    name: str
    serial: str
    part_number: str
    made_at: datetime = datetime(2024, 3, 5, 8, 30, tzinfo=UTC)
    custom: tuple[str, ...] = ()

    def area(self) -> bytes:
        minutes = int((self.made_at - EPOCH).total_seconds()) // 60
        head = b"\0" + minutes.to_bytes(3, "little")
        return _area(head, (self.vendor, self.name, self.serial, self.part_number, "", *self.custom))


@dataclass(frozen=True)
class Product:
    vendor: str
    name: str
    part_number: str
    version: str
    serial: str
    asset_tag: str = ""
    custom: tuple[str, ...] = ()

    def area(self) -> bytes:
        fields = (self.vendor, self.name, self.part_number, self.version, self.serial, self.asset_tag, "")
        return _area(b"\0", (*fields, *self.custom))


@dataclass(frozen=True)
class PowerSupply:
    """The multi-record of a power supply (section 18.1)."""

    capacity_watts: int

    def record(self) -> bytes:
        def words(*values: int) -> bytes:
            return b"".join(value.to_bytes(2, "little") for value in values)

        voltages = words(20000, 24000, 20000, 24000)  # input ranges, in 10 mV
        return (
            words(self.capacity_watts, self.capacity_watts)
            + bytes((0xFF, 0xFF))
            + voltages
            + bytes((47, 63, 12, 0x08))  # Hz, Hz, ms of hold-up, hot-swappable
            + words(self.capacity_watts)
            + bytes((0, 0, 0, 0))
        )


def image(
    *,
    chassis: Chassis | None = None,
    board: Board | None = None,
    product: Product | None = None,
    power_supply: PowerSupply | None = None,
) -> bytes:
    """A whole FRU: the common header and the areas that are given, all checksums right."""
    body, offsets = b"", [0]  # no internal-use area
    for part in (chassis, board, product):
        offsets.append((8 + len(body)) // 8 if part else 0)
        body += part.area() if part else b""
    offsets.append((8 + len(body)) // 8 if power_supply else 0)
    if power_supply:
        data = power_supply.record()
        header = bytes((0x00, 0x82, len(data), _checksum(data)))  # type 0, the last one, format version 2
        body += header + bytes((_checksum(header),)) + data
    header = bytes((0x01, *offsets, 0))
    whole = header + bytes((_checksum(header),)) + body
    return whole + bytes(-len(whole) % 8)


def _area(head: bytes, fields: tuple[str, ...]) -> bytes:
    """Format version, length in units of 8 bytes, ``head``, type/length coded strings, end, checksum."""
    # One character of 8-bit text cannot be written: its type/length byte is the end mark.
    assert all(len(text) != 1 for text in fields)
    coded = b"".join(bytes((0xC0 | len(raw),)) + raw for raw in (text.encode("latin-1") for text in fields))
    body = b"\x01\0" + head + coded + bytes((END_OF_FIELDS,))
    body += bytes(-(len(body) + 1) % 8)
    body = body[:1] + bytes(((len(body) + 1) // 8,)) + body[2:]
    return body + bytes((_checksum(body),))


def _checksum(raw: bytes) -> int:
    return -sum(raw) & 0xFF
