"""The NVMe control reads only, whatever it is asked for."""

import errno
from pathlib import Path

import pytest

from bee_machine import ControlError
from bee_machine.controls import OPERATIONS
from bee_machine.controls.nvme import (
    HEALTH_LOG,
    OPERATION,
    AdminCommand,
    admin,
    describe_status,
    get_log_page,
    identify,
)


def test_the_operation_is_in_the_table() -> None:
    assert OPERATIONS[OPERATION] is admin


def test_a_request_survives_the_trip() -> None:
    command = get_log_page(HEALTH_LOG, 512)
    assert AdminCommand.unpack(command.pack()) == command
    assert command.cdw[0] == 127 << 16 | 1 << 15 | 0x02  # 128 dwords, less one; events are kept
    assert identify(1).data_bytes == 4096


@pytest.mark.parametrize(
    "command",
    [
        AdminCommand(0x80, 0),  # Format NVM
        AdminCommand(0x84, 0),  # Sanitize
        AdminCommand(0x0D, 4096),  # Namespace Management
        AdminCommand(0x09, 0),  # Set Features
        AdminCommand(0x10, 0),  # Firmware Commit
        AdminCommand(0x14, 0),  # Device Self-test
        AdminCommand(0xC0, 0),  # vendor
        get_log_page(0x07, 512),  # telemetry: may start a capture
        get_log_page(0x0D, 512),  # persistent events: opens a context
        get_log_page(0x04, 4096),  # changed namespaces: cleared by reading
    ],
)
def test_what_could_change_a_drive_never_reaches_it(command: AdminCommand) -> None:
    with pytest.raises(ControlError) as refused:
        admin("/dev/null", command.pack(), 1.0)
    assert refused.value.errno == errno.EPERM


@pytest.mark.parametrize("request_bytes", [b"", b"\x06", bytes(35), bytes(37), bytes(1000)])
def test_bytes_that_are_no_request_are_refused(request_bytes: bytes) -> None:
    with pytest.raises(ControlError) as refused:
        admin("/dev/null", request_bytes, 1.0)
    assert refused.value.errno == errno.EINVAL


@pytest.mark.parametrize("data_bytes", [3, 65540, 0xFFFFFFFC])
def test_a_reply_is_bounded(data_bytes: int) -> None:
    with pytest.raises(ControlError) as refused:
        admin("/dev/null", AdminCommand(0x06, data_bytes).pack(), 1.0)
    assert refused.value.errno == errno.EINVAL


def test_a_device_that_is_not_there_and_one_that_is_no_nvme(tmp_path: Path) -> None:
    with pytest.raises(ControlError) as absent:
        admin(str(tmp_path / "nvme9"), identify(1).pack(), 1.0)
    assert absent.value.errno == errno.ENOENT
    with pytest.raises(ControlError) as other:
        admin("/dev/null", identify(1).pack(), 1.0)
    assert other.value.errno == errno.ENOTTY
    assert "/dev/null" in str(other.value)


def test_a_refusal_is_told_in_words() -> None:
    assert describe_status(0x4002) == "the controller refused: invalid field in command (type 0h, code 02h)"
    assert describe_status(0x109) == "the controller refused: invalid log page (type 1h, code 09h)"
    assert describe_status(0x7C1) == "the controller refused: status (type 7h, code c1h)"
