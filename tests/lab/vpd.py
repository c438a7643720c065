"""PCI Vital Product Data to order (PCI 3.0 appendix I)."""

END = b"\x78"


def vpd(identifier: str, **values: str) -> bytes:
    """A card's data with a valid checksum."""
    fields = b"".join(keyword(name, value.encode()) for name, value in values.items())
    head = large(0x82, identifier.encode())
    body = fields + keyword("RV", b"\0\0\0")
    unsummed = head + large(0x90, body)
    at = len(unsummed) - 3  # the first byte of RV
    return unsummed[:at] + bytes([-sum(unsummed[: at + 1]) & 0xFF]) + unsummed[at + 1 :] + END


def large(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + len(content).to_bytes(2, "little") + content


def keyword(name: str, value: bytes) -> bytes:
    return name.encode() + bytes([len(value)]) + value
