"""NVMe data structures to facts: Identify and the log pages that tell a drive's health (NVMe 2.0).

Each function takes the bytes of one structure and raises DecodeError when they cannot be one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from construct import (
    Array,
    Bytes,
    BytesInteger,
    ConstructError,
    Int8ul,
    Int16ul,
    Int32ul,
    Int64ul,
    Padding,
    Seek,
    Struct,
)

from bee_audit.decode import DecodeError
from bee_audit.decode.disk_text import ascii_text, identity, saturated
from bee_bus.documents.disk_health import FirmwareSlot, NvmeError, NvmeHealth, SelfTest, SelfTestLog

DATA_UNIT_BYTES = 512 * 1000  # "thousands of 512 byte units" (fig. 207)
ERROR_ENTRY_BYTES = 64
HEALTH_BYTES = 512
FIRMWARE_BYTES = 512
SELF_TEST_BYTES = 564

_Int128ul = BytesInteger(16, swapped=True)

_CONTROLLER = Struct(  # fig. 275
    "vendor" / Int16ul,
    "subsystem_vendor" / Int16ul,
    "serial" / Bytes(20),
    "model" / Bytes(40),
    "firmware" / Bytes(8),
    Seek(78),
    "controller_number" / Int16ul,
    "version" / Int32ul,
    Seek(256),
    "optional_admin_commands" / Int16ul,
    Seek(262),
    "error_log_entries" / Int8ul,  # zero's based
    Seek(266),
    "warning_kelvin" / Int16ul,
    "critical_kelvin" / Int16ul,
    Seek(280),
    "total_bytes" / _Int128ul,
    "unallocated_bytes" / _Int128ul,
    Seek(316),
    "extended_self_test_minutes" / Int16ul,
    Seek(516),
    "namespaces" / Int32ul,
)
_SELF_TEST_SUPPORTED = 1 << 4  # of the optional admin commands

_LBA_FORMAT = Struct("metadata_bytes" / Int16ul, "data_shift" / Int8ul, "performance" / Int8ul)
_NAMESPACE = Struct(  # NVM command set 1.0 fig. 97
    "size_blocks" / Int64ul,
    "capacity_blocks" / Int64ul,
    "used_blocks" / Int64ul,
    "features" / Int8ul,
    "formats" / Int8ul,
    "format" / Int8ul,
    Seek(128),
    "lba_formats" / Array(64, _LBA_FORMAT),
)

_HEALTH = Struct(  # fig. 207
    "critical_warning" / Int8ul,
    "kelvin" / Int16ul,
    "available_spare" / Int8ul,
    "spare_threshold" / Int8ul,
    "percentage_used" / Int8ul,
    Seek(32),
    "data_units_read" / _Int128ul,
    "data_units_written" / _Int128ul,
    "host_reads" / _Int128ul,
    "host_writes" / _Int128ul,
    "busy_minutes" / _Int128ul,
    "power_cycles" / _Int128ul,
    "power_on_hours" / _Int128ul,
    "unsafe_shutdowns" / _Int128ul,
    "media_errors" / _Int128ul,
    "error_log_entries" / _Int128ul,
    "warning_minutes" / Int32ul,
    "critical_minutes" / Int32ul,
    "sensors_kelvin" / Array(8, Int16ul),
    "thermal_transitions" / Array(2, Int32ul),
)

CRITICAL_WARNINGS: Mapping[int, str] = {
    0: "available spare is below its threshold",
    1: "a temperature is outside its limits",
    2: "reliability is degraded by media or internal errors",
    3: "the media is read-only",
    4: "the backup of the volatile memory has failed",
    5: "the persistent memory region is read-only or unreliable",
}

_ERROR_ENTRY = Struct(  # fig. 206
    "number" / Int64ul,
    "queue" / Int16ul,
    "command" / Int16ul,
    "status" / Int16ul,
    "parameter" / Int16ul,
    "lba" / Int64ul,
    "namespace" / Int32ul,
)

_FIRMWARE = Struct("active" / Int8ul, Padding(7), "revisions" / Array(7, Bytes(8)))  # fig. 208

_SELF_TEST = Struct(  # fig. 212
    "status" / Int8ul,
    "segment" / Int8ul,
    "valid" / Int8ul,
    Padding(1),
    "power_on_hours" / Int64ul,
    "namespace" / Int32ul,
    "lba" / Int64ul,
    Padding(4),
)
_SELF_TEST_LOG = Struct(  # fig. 211
    "operation" / Int8ul, "completion" / Int8ul, Padding(2), "results" / Array(20, _SELF_TEST)
)
SELF_TEST_KINDS: Mapping[int, str] = {1: "short", 2: "extended", 0xE: "vendor"}
_SELF_TEST_RESULTS: Mapping[int, tuple[str, str]] = {
    0x0: ("passed", "completed without error"),
    0x1: ("aborted", "aborted by a self-test command"),
    0x2: ("aborted", "aborted by a controller reset"),
    0x3: ("aborted", "aborted: the namespace was removed"),
    0x4: ("aborted", "aborted by a format command"),
    0x5: ("failed", "a fatal or unknown error stopped it"),
    0x6: ("failed", "a segment failed, which one is not known"),
    0x7: ("failed", "a segment failed"),
    0x8: ("aborted", "aborted for an unknown reason"),
    0x9: ("aborted", "aborted by a sanitize command"),
}
_SELF_TEST_UNUSED = 0xF


@dataclass(frozen=True)
class NvmeController:
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
    extended_self_test_minutes: int | None
    namespaces: int


def decode_controller(data: bytes) -> NvmeController:
    """Identify Controller, 4096 bytes."""
    page = _parse(_CONTROLLER, data, "Identify Controller")
    return NvmeController(
        vendor_id=page.vendor,
        model=ascii_text(page.model),
        serial=identity(ascii_text(page.serial)),
        firmware=identity(ascii_text(page.firmware)),
        controller_number=page.controller_number,
        version=_version(page.version),
        total_bytes=saturated(page.total_bytes) or None,
        unallocated_bytes=saturated(page.unallocated_bytes) if page.total_bytes else None,
        warning_celsius=_celsius(page.warning_kelvin),
        critical_celsius=_celsius(page.critical_kelvin),
        error_log_entries=page.error_log_entries + 1,
        self_test_supported=bool(page.optional_admin_commands & _SELF_TEST_SUPPORTED),
        extended_self_test_minutes=page.extended_self_test_minutes or None,
        namespaces=page.namespaces,
    )


@dataclass(frozen=True)
class NvmeNamespace:
    size_bytes: int
    used_bytes: int
    logical_block_bytes: int


def decode_namespace(data: bytes) -> NvmeNamespace | None:
    """Identify Namespace, 4096 bytes; None for a namespace that is not there (all zero)."""
    page = _parse(_NAMESPACE, data, "Identify Namespace", may_be_empty=True)
    if not page.size_blocks:
        return None
    index = page.format & 0xF | (page.format >> 5 & 0x3) << 4
    shift = page.lba_formats[index].data_shift
    if not 9 <= shift <= 32:
        raise DecodeError(f"Identify Namespace: LBA format {index} has blocks of 2^{shift} bytes")
    return NvmeNamespace(
        size_bytes=saturated(page.size_blocks << shift),
        used_bytes=saturated(page.used_blocks << shift),
        logical_block_bytes=1 << shift,
    )


def decode_health(data: bytes) -> NvmeHealth:
    """SMART / Health Information (02h), 512 bytes."""
    page = _parse(_HEALTH, data, "SMART / Health log")
    return NvmeHealth(
        critical_warning=page.critical_warning,
        critical_warnings=warning_names(page.critical_warning),
        composite_temperature_celsius=_celsius(page.kelvin),
        available_spare_percent=_percent(page.available_spare),
        available_spare_threshold_percent=_percent(page.spare_threshold),
        percentage_used=page.percentage_used,
        bytes_read=saturated(page.data_units_read * DATA_UNIT_BYTES),
        bytes_written=saturated(page.data_units_written * DATA_UNIT_BYTES),
        host_read_commands=saturated(page.host_reads),
        host_write_commands=saturated(page.host_writes),
        controller_busy_minutes=saturated(page.busy_minutes),
        power_cycles=saturated(page.power_cycles),
        power_on_hours=saturated(page.power_on_hours),
        unsafe_shutdowns=saturated(page.unsafe_shutdowns),
        media_errors=saturated(page.media_errors),
        error_log_entries=saturated(page.error_log_entries),
        warning_temperature_minutes=page.warning_minutes,
        critical_temperature_minutes=page.critical_minutes,
        temperature_sensors_celsius=tuple(
            celsius for kelvin in page.sensors_kelvin if (celsius := _celsius(kelvin)) is not None
        ),
        thermal_transitions=tuple(page.thermal_transitions) if any(page.thermal_transitions) else (),
    )


def warning_names(critical_warning: int) -> tuple[str, ...]:
    """The bits of a critical warning byte in words; a reserved bit is named by its number."""
    return tuple(
        CRITICAL_WARNINGS.get(bit, f"reserved warning bit {bit} is set")
        for bit in range(8)
        if critical_warning >> bit & 1
    )


def decode_errors(data: bytes) -> tuple[NvmeError, ...]:
    """Error Information (01h): as many entries of 64 bytes as were read, the newest first."""
    entries = []
    for offset in range(0, len(data) - len(data) % ERROR_ENTRY_BYTES, ERROR_ENTRY_BYTES):
        entry = _ERROR_ENTRY.parse(data[offset : offset + ERROR_ENTRY_BYTES])
        if not entry.number:
            continue  # unused
        status = entry.status >> 1  # bit 0 is the phase tag
        known = entry.status != 0xFFFF
        entries.append(
            NvmeError(
                number=saturated(entry.number),
                description=_status_text(status) if known else "no status",
                status_type=status >> 8 & 0x7 if known else None,
                status_code=status & 0xFF if known else None,
                lba=entry.lba if known and entry.lba < 1 << 63 else None,
                namespace=entry.namespace if 0 < entry.namespace < 0xFFFFFFFF else None,
            )
        )
    return tuple(entries)


def decode_firmware_slots(data: bytes) -> tuple[FirmwareSlot, ...]:
    """Firmware Slot Information (03h), 512 bytes: the slots that hold an image."""
    page = _parse(_FIRMWARE, data, "Firmware Slot log", may_be_empty=True)
    return tuple(
        FirmwareSlot(
            slot=slot, revision=text, active=page.active & 0x7 == slot, next=page.active >> 4 & 0x7 == slot
        )
        for slot, revision in enumerate(page.revisions, start=1)
        if (text := ascii_text(revision)) is not None
    )


def decode_self_tests(data: bytes) -> SelfTestLog:
    """Device Self-test (06h), 564 bytes."""
    page = _parse(_SELF_TEST_LOG, data, "Device Self-test log", may_be_empty=True)
    operation = page.operation & 0xF
    return SelfTestLog(
        supported=True,
        running=SELF_TEST_KINDS.get(operation, f"code {operation:x}h") if operation else None,
        running_percent_done=page.completion & 0x7F if operation else None,
        results=tuple(_self_test(entry) for entry in page.results if _is_used(entry)),
    )


def _is_used(entry: Any) -> bool:
    return bool(entry.status >> 4) and entry.status & 0xF != _SELF_TEST_UNUSED


def _self_test(entry: Any) -> SelfTest:
    return self_test_result(
        code=entry.status >> 4,
        result=entry.status & 0xF,
        power_on_hours=saturated(entry.power_on_hours),
        first_error_lba=entry.lba if entry.valid & 0x2 and entry.lba < 1 << 63 else None,
    )


def self_test_result(
    *, code: int, result: int, power_on_hours: int | None, first_error_lba: int | None
) -> SelfTest:
    """One result by its two codes (fig. 212)."""
    outcome, description = _SELF_TEST_RESULTS.get(result, ("unknown", f"reserved result {result:x}h"))
    return SelfTest(
        kind=SELF_TEST_KINDS.get(code, f"code {code:x}h"),
        result=outcome,  # type: ignore[arg-type]
        description=description,
        power_on_hours=power_on_hours,
        first_error_lba=first_error_lba,
    )


def _parse(layout: Struct, data: bytes, what: str, *, may_be_empty: bool = False) -> Any:
    if data and not data.strip(b"\xff"):
        raise DecodeError(f"{what}: every bit is set, nothing answered")
    if not may_be_empty and not data.strip(b"\0"):
        raise DecodeError(f"{what}: {len(data)} bytes, all zero")
    try:
        return layout.parse(data)
    except ConstructError as error:
        raise DecodeError(f"{what}: {len(data)} bytes are too few") from error


def _celsius(kelvin: int) -> int | None:
    """0: not reported. What no flash chip survives is not a temperature either."""
    return kelvin - 273 if 200 <= kelvin <= 473 else None


def _percent(value: int) -> int | None:
    return value if value <= 100 else None


def _version(value: int) -> str | None:
    if not value:
        return None
    major, minor, tertiary = value >> 16, value >> 8 & 0xFF, value & 0xFF
    return f"{major}.{minor}" + (f".{tertiary}" if tertiary else "")


# Fig. 94 to 96: media errors are what tells a failing drive from a host that asks nonsense.
_MEDIA_ERRORS: Mapping[int, str] = {
    0x80: "write fault",
    0x81: "unrecovered read error",
    0x82: "guard check error",
    0x83: "application tag check error",
    0x84: "reference tag check error",
    0x85: "compare failure",
    0x86: "access denied",
    0x87: "deallocated or unwritten block",
}
_STATUS_TYPES: Mapping[int, str] = {0: "generic", 1: "command specific", 2: "media", 3: "path", 7: "vendor"}


def _status_text(status: int) -> str:
    kind, code = status >> 8 & 0x7, status & 0xFF
    if kind == 2 and code in _MEDIA_ERRORS:
        return _MEDIA_ERRORS[code]
    return f"{_STATUS_TYPES.get(kind, 'reserved')} status {code:02x}h"
