"""Decoded SMBIOS as a JSON document, for engineers and tests."""

from typing import Any

import msgspec

from bee_audit.decode.smbios.names import structure_name
from bee_audit.decode.smbios.smbios import (
    DECODERS,
    Smbios,
    decode_smbios_dump,
    decode_smbios_table,
)
from bee_audit.decode.smbios.structure import RawStructure, Structure


def smbios_document(smbios: Smbios) -> dict[str, Any]:
    """``{"smbios_version": "3.2.0", "structures": [{"type": 17, "handle": "0x0040", "name": ..., ...}]}``.

    Fields are named after the standard and carry their unit; an absent field is left out. A type without a
    decoder has its bytes as hex and its strings.
    """
    decoded = {number: iter(smbios.of_type(number)) for number in DECODERS}
    document: dict[str, Any] = {}
    if smbios.entry_point.stated_version:
        document["smbios_version"] = smbios.entry_point.stated_version
    if smbios.problems:
        document["problems"] = list(smbios.problems)
    document["structures"] = [
        _fields(next(decoded[raw.type]), raw) if raw.type in decoded else _raw(raw)
        for raw in smbios.raw_structures
    ]
    return document


def decode_smbios_file(data: bytes) -> dict[str, Any]:
    """The document of a file: one of ``dmidecode --dump-bin``, or the table alone. Raises DecodeError."""
    if data.startswith((b"_SM3_", b"_SM_", b"_DMI_")):
        return smbios_document(decode_smbios_dump(data))
    return smbios_document(decode_smbios_table(data))


def _fields(structure: Structure, raw: RawStructure) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": raw.type, "handle": _hex(raw.handle), "name": structure.NAME}
    for name, value in msgspec.to_builtins(structure).items():
        if name == "handle":
            continue
        if name.endswith("_handle"):
            value = _hex(value)
        elif name.endswith("_handles"):
            value = [_hex(handle) for handle in value]
        fields[name] = value
    return fields


def _raw(raw: RawStructure) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": raw.type,
        "handle": _hex(raw.handle),
        "name": structure_name(raw.type),
        "data": raw.data.hex(),
    }
    strings = raw.strings()
    if strings:
        fields["strings"] = list(strings)
    return fields


def _hex(handle: int) -> str:
    return f"0x{handle:04X}"
