"""Error Information (01h), Firmware Slot Information (03h), Device Self-test (06h), Sanitize Status (81h)."""

from collections.abc import Mapping
from typing import Any, Literal

from construct import Array, Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Padding, Struct

from bee_audit.decode.disk_text import ascii_text, saturated
from bee_audit.decode.nvme.page import parse
from bee_bus.documents.disk_health import FirmwareSlot, NvmeError, SelfTest, SelfTestLog

ERROR_ENTRY_BYTES = 64
FIRMWARE_BYTES = 512
SELF_TEST_BYTES = 564
SANITIZE_BYTES = 512

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
_SANITIZE = Struct("progress" / Int16ul, "status" / Int16ul)
_SANITIZE_STATES: Mapping[int, Literal["running", "failed"]] = {2: "running", 3: "failed"}
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
    page = parse(_FIRMWARE, data, "Firmware Slot log", may_be_empty=True)
    return tuple(
        FirmwareSlot(
            slot=slot, revision=text, active=page.active & 0x7 == slot, next=page.active >> 4 & 0x7 == slot
        )
        for slot, revision in enumerate(page.revisions, start=1)
        if (text := ascii_text(revision)) is not None
    )


def decode_self_tests(data: bytes) -> SelfTestLog:
    """Device Self-test (06h), 564 bytes."""
    page = parse(_SELF_TEST_LOG, data, "Device Self-test log", may_be_empty=True)
    operation = page.operation & 0xF
    return SelfTestLog(
        supported=True,
        running=SELF_TEST_KINDS.get(operation, f"code {operation:x}h") if operation else None,
        running_percent_done=page.completion & 0x7F if operation else None,
        results=tuple(_self_test(entry) for entry in page.results if _is_used(entry)),
    )


def decode_sanitize(data: bytes) -> Literal["running", "failed"] | None:
    """Sanitize Status (81h), 512 bytes: how erasing itself goes or went wrong, None when neither."""
    page = parse(_SANITIZE, data, "Sanitize Status log", may_be_empty=True)
    return _SANITIZE_STATES.get(page.status & 0x7)


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
