"""What all NVMe structures have in common."""

from typing import Any

from construct import BytesInteger, ConstructError, Struct

from bee_audit.decode import DecodeError

Int128ul = BytesInteger(16, swapped=True)


def parse(layout: Struct, data: bytes, what: str, *, may_be_empty: bool = False) -> Any:
    if data and not data.strip(b"\xff"):
        raise DecodeError(f"{what}: every bit is set, nothing answered")
    if not may_be_empty and not data.strip(b"\0"):
        raise DecodeError(f"{what}: {len(data)} bytes, all zero")
    try:
        return layout.parse(data)
    except ConstructError as error:
        raise DecodeError(f"{what}: {len(data)} bytes are too few") from error


def celsius(kelvin: int) -> int | None:
    """0: not reported. What no flash chip survives is not a temperature either."""
    return kelvin - 273 if 200 <= kelvin <= 473 else None
