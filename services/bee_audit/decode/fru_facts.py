"""What a FRU image says, as documents (FRU Information Storage Definition 1.0, revision 1.3)."""

from bee_audit.decode.fru_records import FruRecord
from bee_bus.documents.base import Document


class FruArea(Document):
    """Where an area stands. ``checksum_valid`` is absent for the internal use area, which has none."""

    name: str
    offset_bytes: int
    length_bytes: int
    checksum_valid: bool | None = None


class FruChassis(Document):
    """Chapter 10. Text fields that are empty are absent."""

    chassis_type_code: int
    chassis_type: str | None = None  # SMBIOS 3.7 §7.4.1
    part_number: str | None = None
    serial_number: str | None = None
    custom: tuple[str, ...] = ()


class FruBoard(Document):
    """Chapter 11. ``manufactured_at``: RFC 3339, to the minute."""

    language_code: int
    manufactured_at: str | None = None
    manufacturer: str | None = None
    product_name: str | None = None
    serial_number: str | None = None
    part_number: str | None = None
    fru_file_id: str | None = None
    custom: tuple[str, ...] = ()


class FruProduct(Document):
    """Chapter 12."""

    language_code: int
    manufacturer: str | None = None
    product_name: str | None = None
    part_number: str | None = None  # "Product Part/Model Number"
    version: str | None = None
    serial_number: str | None = None
    asset_tag: str | None = None
    fru_file_id: str | None = None
    custom: tuple[str, ...] = ()


class Fru(Document):
    """``defects``: damage (a wrong checksum, an area that is cut off). ``remarks``: other departures from the
    definition, which lose nothing.
    """

    format_version: int
    header_checksum_valid: bool
    areas: tuple[FruArea, ...] = ()
    internal_use: str | None = None  # hex, without its version byte
    chassis: FruChassis | None = None
    board: FruBoard | None = None
    product: FruProduct | None = None
    records: tuple[FruRecord, ...] = ()
    defects: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
