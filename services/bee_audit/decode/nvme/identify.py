"""Identify Controller and Identify Namespace."""

import msgspec
from construct import Array, Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Seek, Struct

from bee_audit.decode import DecodeError
from bee_audit.decode.disk_text import LOWEST_LIMIT_CELSIUS, ascii_text, saturated
from bee_audit.decode.filler import genuine
from bee_audit.decode.nvme.page import Int128ul, celsius, parse

_CONTROLLER = Struct(  # fig. 275
    "vendor" / Int16ul,
    "subsystem_vendor" / Int16ul,
    "serial" / Bytes(20),
    "model" / Bytes(40),
    "firmware" / Bytes(8),
    Seek(78),
    "controller_number" / Int16ul,
    "version" / Int32ul,
    Seek(96),
    "attributes" / Int32ul,
    Seek(256),
    "optional_admin_commands" / Int16ul,
    Seek(262),
    "error_log_entries" / Int8ul,  # zero's based
    Seek(266),
    "warning_kelvin" / Int16ul,
    "critical_kelvin" / Int16ul,
    Seek(280),
    "total_bytes" / Int128ul,
    "unallocated_bytes" / Int128ul,
    Seek(316),
    "extended_self_test_minutes" / Int16ul,
    Seek(328),
    "sanitize_capabilities" / Int32ul,
    Seek(516),
    "namespaces" / Int32ul,
)
_SELF_TEST_SUPPORTED = 1 << 4  # of the optional admin commands
_SANITIZE_KINDS = 0b111  # of the sanitize capabilities
_ENDURANCE_GROUPS = 1 << 4  # of the controller's attributes

_LBA_FORMAT = Struct("metadata_bytes" / Int16ul, "data_shift" / Int8ul, "performance" / Int8ul)
_NAMESPACE = Struct(  # NVM command set 1.0 fig. 97
    "size_blocks" / Int64ul,
    "capacity_blocks" / Int64ul,
    "used_blocks" / Int64ul,
    "features" / Int8ul,
    "formats" / Int8ul,
    "format" / Int8ul,
    Seek(128),
    "lba_formats" / Array(64, Bytes(_LBA_FORMAT.sizeof())),  # of which one is in use
)


class NvmeController(msgspec.Struct, frozen=True):
    vendor_id: int
    model: str | None
    serial: str | None
    firmware: str | None
    controller_number: int
    version: str | None  # "1.4", absent before 1.2
    total_bytes: int | None
    unallocated_bytes: int | None
    warning_celsius: int | None
    critical_celsius: int | None
    error_log_entries: int
    self_test_supported: bool
    endurance_groups: bool
    sanitize_supported: bool
    extended_self_test_minutes: int | None
    namespaces: int


def decode_controller(data: bytes) -> NvmeController:
    """Identify Controller, 4096 bytes."""
    page = parse(_CONTROLLER, data, "Identify Controller")
    return NvmeController(
        vendor_id=page.vendor,
        model=ascii_text(page.model),
        serial=genuine(ascii_text(page.serial)),
        firmware=genuine(ascii_text(page.firmware)),
        controller_number=page.controller_number,
        version=_version(page.version),
        total_bytes=saturated(page.total_bytes) or None,
        unallocated_bytes=saturated(page.unallocated_bytes) if page.total_bytes else None,
        warning_celsius=_limit_celsius(page.warning_kelvin),
        critical_celsius=_limit_celsius(page.critical_kelvin),
        error_log_entries=page.error_log_entries + 1,
        self_test_supported=bool(page.optional_admin_commands & _SELF_TEST_SUPPORTED),
        endurance_groups=bool(page.attributes & _ENDURANCE_GROUPS),
        sanitize_supported=bool(page.sanitize_capabilities & _SANITIZE_KINDS),
        extended_self_test_minutes=page.extended_self_test_minutes or None,
        namespaces=page.namespaces,
    )


def _limit_celsius(kelvin: int) -> int | None:
    """What no drive in use stays below is filler and not its limit, as with other disks."""
    degrees = celsius(kelvin)
    return degrees if degrees is not None and degrees >= LOWEST_LIMIT_CELSIUS else None


class NvmeNamespace(msgspec.Struct, frozen=True):
    size_bytes: int
    used_bytes: int
    logical_block_bytes: int


def decode_namespace(data: bytes) -> NvmeNamespace | None:
    """Identify Namespace, 4096 bytes; None for a namespace that is not there (all zero)."""
    page = parse(_NAMESPACE, data, "Identify Namespace", may_be_empty=True)
    if not page.size_blocks:
        return None
    index = page.format & 0xF | (page.format >> 5 & 0x3) << 4
    shift = _LBA_FORMAT.parse(page.lba_formats[index]).data_shift
    if not 9 <= shift <= 32:
        raise DecodeError(f"Identify Namespace: LBA format {index} has blocks of 2^{shift} bytes")
    return NvmeNamespace(
        size_bytes=saturated(page.size_blocks << shift),
        used_bytes=saturated(page.used_blocks << shift),
        logical_block_bytes=1 << shift,
    )


def _version(value: int) -> str | None:
    if not value:
        return None
    major, minor, tertiary = value >> 16, value >> 8 & 0xFF, value & 0xFF
    return f"{major}.{minor}" + (f".{tertiary}" if tertiary else "")
