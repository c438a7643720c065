"""An NVMe drive that answers admin commands: its pages built from fields, its refusals as the standard's."""

import errno
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bee_machine import ControlError
from bee_machine.controls.nvme import (
    ERROR_LOG,
    FIRMWARE_LOG,
    GET_LOG_PAGE,
    HEALTH_LOG,
    IDENTIFY,
    SANITIZE_LOG,
    SELF_TEST_LOG,
    AdminCommand,
    describe_status,
)

PAGE_BYTES = 4096
INVALID_FIELD, INVALID_LOG_PAGE = 0x002, 0x109


def controller_page(
    *,
    model: str = "SAMSUNG MZQL23T8HCLS-00A07",
    serial: str = "S64HNE0R500000",
    firmware: str = "GDC5602Q",
    self_tests: bool = True,
    warning_kelvin: int = 353,
    critical_kelvin: int = 358,
    total_bytes: int = 3840755982336,
    endurance_groups: bool = False,
    sanitize: bool = True,
) -> bytes:
    page = bytearray(PAGE_BYTES)
    struct.pack_into("<HH", page, 0, 0x144D, 0x144D)
    page[4:24], page[24:64], page[64:72] = (
        text.encode().ljust(width) for text, width in ((serial, 20), (model, 40), (firmware, 8))
    )
    struct.pack_into("<HI", page, 78, 6, 0x00010400)
    struct.pack_into("<I", page, 96, 0x10 if endurance_groups else 0)
    struct.pack_into("<H", page, 256, 0x10 if self_tests else 0)
    page[262] = 255  # 256 error log entries
    struct.pack_into("<HH", page, 266, warning_kelvin, critical_kelvin)
    page[280:296] = total_bytes.to_bytes(16, "little")
    struct.pack_into("<H", page, 316, 75)
    struct.pack_into("<I", page, 328, 0b110 if sanitize else 0)
    struct.pack_into("<I", page, 516, 32)
    return bytes(page)


def namespace_page(
    *, blocks: int = 7501476528, used: int = 1000, block_shift: int = 9, index: int = 0
) -> bytes:
    page = bytearray(PAGE_BYTES)
    struct.pack_into("<QQQ", page, 0, blocks, blocks, used)
    page[25], page[26] = index, index & 0xF | (index >> 4) << 5
    struct.pack_into("<HBB", page, 128 + 4 * index, 0, block_shift, 0)
    return bytes(page)


def health_page(
    *,
    critical_warning: int = 0,
    kelvin: int = 313,
    spare: int = 100,
    spare_threshold: int = 10,
    used: int = 3,
    units_read: int = 17176794,
    units_written: int = 65602088,
    power_on_hours: int = 12798,
    media_errors: int = 0,
    error_entries: int = 62,
    sensors: tuple[int, ...] = (313, 320),
    endurance_group_warning: int = 0,
) -> bytes:
    page = bytearray(512)
    struct.pack_into("<BHBBB", page, 0, critical_warning, kelvin, spare, spare_threshold, used)
    page[6] = endurance_group_warning
    counters = (units_read, units_written, 118020838, 874050000, 7601, 25, power_on_hours, 10)
    for index, counter in enumerate((*counters, media_errors, error_entries)):
        page[32 + 16 * index : 48 + 16 * index] = counter.to_bytes(16, "little")
    for index, sensor in enumerate(sensors):
        struct.pack_into("<H", page, 200 + 2 * index, sensor)
    return bytes(page)


def error_entry(*, number: int, status: int, lba: int = 0, namespace: int = 1) -> bytes:
    """``status``: the status field with its phase bit, as the log holds it."""
    return struct.pack("<QHHHHQI", number, 1, 7, status, 0, lba, namespace).ljust(64, b"\0")


def firmware_page(*revisions: str, active: int = 1, after_reset: int = 0) -> bytes:
    page = bytearray(512)
    page[0] = active | after_reset << 4
    for slot, revision in enumerate(revisions):
        page[8 + 8 * slot : 16 + 8 * slot] = revision.encode().ljust(8)
    return bytes(page)


def self_test_entry(*, code: int, result: int, hours: int, lba: int | None = None) -> bytes:
    return struct.pack(
        "<BBBxQIQBBH", code << 4 | result, 0, 0 if lba is None else 2, hours, 1, lba or 0, 0, 0, 0
    )


def self_test_page(*entries: bytes, running: int = 0, percent: int = 0) -> bytes:
    unused = struct.pack("<B", 0x0F).ljust(28, b"\0")
    rows = [*entries, *[unused] * (20 - len(entries))]
    return bytes((running, percent, 0, 0)) + b"".join(rows)


def sanitize_page(status: int, *, progress: int = 0xFFFF) -> bytes:
    return struct.pack("<HH", progress, status).ljust(512, b"\0")


@dataclass
class NvmeDrive:
    """``refuse``: log pages that it does not have. ``error``: the errno of every command."""

    controller: bytes = field(default_factory=controller_page)
    namespace: bytes = field(default_factory=namespace_page)
    health: bytes = field(default_factory=health_page)
    errors: bytes = b""
    firmware: bytes = field(default_factory=lambda: firmware_page("GDC5602Q"))
    self_tests: bytes = field(default_factory=self_test_page)
    sanitize: bytes = field(default_factory=lambda: sanitize_page(0x101))
    refuse: tuple[int, ...] = ()
    error: int | None = None
    commands: list[AdminCommand] = field(default_factory=list)

    def answer(self, request: bytes) -> bytes:
        command = AdminCommand.unpack(request)
        self.commands.append(command)
        if self.error is not None:
            raise ControlError(self.error, f"the drive said {errno.errorcode[self.error]}")
        if command.opcode == IDENTIFY:
            page = {0: self.namespace, 1: self.controller}.get(command.cdw[0] & 0xFF)
        elif command.opcode == GET_LOG_PAGE:
            page = self._log(command.cdw[0] & 0xFF)
            dwords = (command.cdw[0] >> 16) + (command.cdw[1] << 16) + 1
            assert dwords * 4 == command.data_bytes
        else:
            page = None
        if page is None:
            raise ControlError(errno.EIO, describe_status(INVALID_FIELD))
        return page[: command.data_bytes].ljust(command.data_bytes, b"\0")

    def _log(self, number: int) -> bytes:
        pages = {
            ERROR_LOG: self.errors,
            HEALTH_LOG: self.health,
            FIRMWARE_LOG: self.firmware,
            SELF_TEST_LOG: self.self_tests,
            SANITIZE_LOG: self.sanitize,
        }
        if number in self.refuse or number not in pages:
            raise ControlError(errno.EIO, describe_status(INVALID_LOG_PAGE))
        return pages[number]


def control(drives: Mapping[str, NvmeDrive]) -> Callable[[str, bytes], bytes]:
    """The control operation of a machine with these drives, by device node."""

    def answer(device: str, request: bytes) -> bytes:
        if device not in drives:
            raise ControlError(errno.ENOENT, f"{device} is not there")
        return drives[device].answer(request)

    return answer
