"""NVMe admin commands through the kernel's pass-through, those that read only.

``AdminCommand.pack()`` makes the bytes of a request; the reply is the data that the controller returned.
"""

import array
import errno
import fcntl
import os
import struct
from typing import Final

import msgspec

from bee_machine.machine import ControlError

OPERATION: Final = "nvme-admin"

GET_LOG_PAGE: Final = 0x02
IDENTIFY: Final = 0x06
GET_FEATURES: Final = 0x0A
# NVMe 2.0 fig. 138. Log pages are named one by one: reading some of the others changes the drive (07h may
# start a telemetry capture, 0Dh opens a reporting context, 04h is cleared by being read).
ALLOWED_OPCODES: Final = frozenset({GET_LOG_PAGE, IDENTIFY, GET_FEATURES})
ERROR_LOG, HEALTH_LOG, FIRMWARE_LOG, SELF_TEST_LOG, SANITIZE_LOG = 0x01, 0x02, 0x03, 0x06, 0x81
ALLOWED_LOGS: Final = frozenset({ERROR_LOG, HEALTH_LOG, FIRMWARE_LOG, SELF_TEST_LOG, SANITIZE_LOG})

ALL_NAMESPACES: Final = 0xFFFFFFFF
MAXIMUM_DATA_BYTES: Final = 64 << 10
RETAIN_EVENT: Final = 1 << 15  # Get Log Page, dword 10: leave a pending event to whoever waits for it

_REQUEST = struct.Struct("<BxxxI6II")
# struct nvme_passthru_cmd of <linux/nvme_ioctl.h>, and _IOWR('N', 0x41, of it).
_COMMAND = struct.Struct("<BBHIIIQQII6III")
_IOCTL_ADMIN_COMMAND = 0xC0000000 | _COMMAND.size << 16 | ord("N") << 8 | 0x41


class AdminCommand(msgspec.Struct, frozen=True):
    """``cdw``: command dwords 10 to 15."""

    opcode: int
    data_bytes: int
    namespace: int = 0
    cdw: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)

    def pack(self) -> bytes:
        return _REQUEST.pack(self.opcode, self.namespace, *self.cdw, self.data_bytes)

    @classmethod
    def unpack(cls, request: bytes) -> "AdminCommand":
        """Raises ControlError (EINVAL) when the bytes are no request."""
        if len(request) != _REQUEST.size:
            raise ControlError(errno.EINVAL, f"an NVMe request has {_REQUEST.size} bytes, not {len(request)}")
        opcode, namespace, *cdw, data_bytes = _REQUEST.unpack(request)
        return cls(opcode, data_bytes, namespace, (cdw[0], cdw[1], cdw[2], cdw[3], cdw[4], cdw[5]))


def identify(structure: int, *, namespace: int = 0) -> AdminCommand:
    """Identify (NVMe 2.0 §5.17). ``structure`` is the CNS: 0 namespace, 1 controller, 2 active namespaces."""
    return AdminCommand(IDENTIFY, 4096, namespace, (structure, 0, 0, 0, 0, 0))


def get_log_page(log: int, data_bytes: int, *, namespace: int = ALL_NAMESPACES) -> AdminCommand:
    """Get Log Page (NVMe 2.0 §5.16). ``data_bytes`` is a multiple of 4: the page is asked for in dwords."""
    dwords = data_bytes // 4 - 1
    cdw10 = log | RETAIN_EVENT | (dwords & 0xFFFF) << 16
    return AdminCommand(GET_LOG_PAGE, data_bytes, namespace, (cdw10, dwords >> 16, 0, 0, 0, 0))


def admin(device: str, request: bytes, deadline_seconds: float) -> bytes:
    """Send one command to ``device`` (/dev/nvme0). Raises ControlError; EIO when the controller refuses it.

    The kernel's own time limit (60 s) is left as it is, whatever ``deadline_seconds``: when it passes the
    kernel resets the controller, which an inventory must not bring about. The caller gives up earlier.
    """
    command = AdminCommand.unpack(request)
    _check(command)
    data = array.array("B", bytes(command.data_bytes))
    address, _ = data.buffer_info()
    passthrough = bytearray(
        _COMMAND.pack(
            command.opcode,
            0,
            0,
            command.namespace,
            0,
            0,
            0,
            address,
            0,
            command.data_bytes,
            *command.cdw,
            0,
            0,
        )
    )
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = fcntl.ioctl(descriptor, _IOCTL_ADMIN_COMMAND, passthrough)
        finally:
            os.close(descriptor)
    except OSError as error:
        number = error.errno or errno.EIO
        raise ControlError(number, f"{device}: {os.strerror(number)}") from error
    if status:
        raise ControlError(errno.EIO, f"{device}: {describe_status(status)}")
    return data.tobytes()


def _check(command: AdminCommand) -> None:
    if command.opcode not in ALLOWED_OPCODES:
        raise ControlError(errno.EPERM, f"NVMe opcode {command.opcode:#04x} is not one that only reads")
    if command.opcode == GET_LOG_PAGE and command.cdw[0] & 0xFF not in ALLOWED_LOGS:
        raise ControlError(
            errno.EPERM, f"NVMe log page {command.cdw[0] & 0xFF:#04x} is not one that bee reads"
        )
    if command.data_bytes > MAXIMUM_DATA_BYTES or command.data_bytes % 4:
        raise ControlError(
            errno.EINVAL, f"NVMe data of {command.data_bytes} bytes: at most 64 KiB, in dwords"
        )


# NVMe 2.0 fig. 94: those that a reading command meets.
_GENERIC_STATUS = {
    0x01: "invalid command opcode",
    0x02: "invalid field in command",
    0x04: "data transfer error",
    0x05: "commands aborted, power loss",
    0x06: "internal error",
    0x07: "command abort requested",
    0x0B: "invalid namespace or format",
    0x15: "operation denied",
    0x1D: "sanitize in progress",
    0x24: "administrative command prohibited by lockdown",
    0x82: "namespace not ready",
}
_COMMAND_STATUS = {0x09: "invalid log page"}


def describe_status(status: int) -> str:
    """A completion's status field (NVMe 2.0 §4.5.1) without its phase bit, in words."""
    kind, code = status >> 8 & 0x7, status & 0xFF
    names = {0: _GENERIC_STATUS, 1: _COMMAND_STATUS}.get(kind, {})
    return f"the controller refused: {names.get(code, 'status')} (type {kind}h, code {code:02x}h)"
