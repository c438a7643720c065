"""The kernel's IPMI interface: the bytes of its structures, and what happens when it does not answer."""

import ctypes
import errno
import os
import re
import select
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bee_machine import ControlError
from bee_machine.controls import OPERATIONS, ipmi

GET_DEVICE_ID = bytes((0x06, 0x00, 0x01))
SYSTEM_INTERFACE, IPMB = 0x0C, 0x01


class Kernel:
    """The driver behind /dev/ipmi0, as strict as <linux/ipmi.h> says: it follows the pointers it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = 0
        self.closed: list[int] = []
        self.sent: list[
            tuple[int, bytes, bytes, bytes]
        ] = []  # descriptor, address, function and command, data
        self.waiting: dict[int, list[tuple[int, int, bytes]]] = {}  # by descriptor: kind, message id, data
        self.respond: Callable[[int, int, bytes], bytes | None] = lambda function, command, data: b"\0" + data
        self._lock = threading.Lock()
        system = SimpleNamespace(
            open=self.open,
            close=self.closed.append,
            strerror=os.strerror,
            O_RDWR=os.O_RDWR,
            O_CLOEXEC=os.O_CLOEXEC,
        )
        monkeypatch.setattr("bee_machine.controls.ipmi.os", system)
        monkeypatch.setattr("bee_machine.controls.ipmi.fcntl", SimpleNamespace(ioctl=self.ioctl))
        polls = SimpleNamespace(poll=lambda: Poll(self), POLLIN=select.POLLIN)
        monkeypatch.setattr("bee_machine.controls.ipmi.select", polls)
        monkeypatch.setattr(ipmi, "_open_devices", ipmi._OpenDevices())

    def open(self, path: str, flags: int) -> int:
        assert path == "/dev/ipmi0"
        assert flags == os.O_RDWR | os.O_CLOEXEC
        with self._lock:
            self.opened += 1
            return 1000 + self.opened

    def ioctl(self, descriptor: int, request: int, message: bytes | bytearray) -> int:
        if request == 0x80306915:  # IPMICTL_SEND_COMMAND_SETTIME
            self.send(descriptor, bytes(message))
        elif request == 0xC030690B:  # IPMICTL_RECEIVE_MSG_TRUNC
            assert isinstance(message, bytearray)
            self.receive(descriptor, message)
        else:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        return 0

    def send(self, descriptor: int, message: bytes) -> None:
        (address, address_length, number, function, command, length, data, retries, milliseconds) = (
            struct.unpack("=QI4xqBBH4xQiI", message)
        )
        where = ctypes.string_at(address, address_length)
        kind, channel = struct.unpack_from("=ih", where)
        if kind == SYSTEM_INTERFACE and channel != 0x0F:
            raise OSError(errno.EINVAL, "Invalid argument")
        assert retries >= 0 and milliseconds > 0
        body = ctypes.string_at(data, length)
        with self._lock:
            self.sent.append((descriptor, where, bytes((function, command)), body))
            answer = self.respond(function, command, body)
            if answer is not None:
                self.waiting.setdefault(descriptor, []).append((1, number, answer))

    def receive(self, descriptor: int, message: bytearray) -> None:
        with self._lock:
            queue = self.waiting.get(descriptor)
            if not queue:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            kind, number, answer = queue.pop(0)
        _, address, address_length, _, _, _, length, data = struct.unpack("=i4xQI4xqBBH4xQ", message)
        assert address_length >= 40 and length >= 272
        ctypes.memmove(address, struct.pack("=ihB", SYSTEM_INTERFACE, 0x0F, 0), 7)
        ctypes.memmove(data, answer, len(answer))
        struct.pack_into("=i4xQI4xqBBH4xQ", message, 0, kind, address, 8, number, 7, 1, len(answer), data)


class Poll:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._descriptor = -1

    def register(self, descriptor: int, events: int) -> None:
        assert events == select.POLLIN
        self._descriptor = descriptor

    def poll(self, milliseconds: int) -> list[tuple[int, int]]:
        assert milliseconds > 0
        return [(self._descriptor, select.POLLIN)] if self._kernel.waiting.get(self._descriptor) else []


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_the_structures_are_those_of_the_kernel_s_header(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/ipmi.h").exists():
        pytest.skip("needs a C compiler and the kernel's headers (apt-get install gcc linux-libc-dev)")
    source = tmp_path / "layout.c"
    source.write_text(
        """
        #include <stdio.h>
        #include <stddef.h>
        #include <sys/ioctl.h>
        #include <linux/ipmi.h>
        int main(void) {
          printf("%lu %lu\\n", (unsigned long) IPMICTL_SEND_COMMAND_SETTIME,
                 (unsigned long) IPMICTL_RECEIVE_MSG_TRUNC);
          printf("%zu %zu %zu %zu\\n", sizeof(struct ipmi_req_settime), sizeof(struct ipmi_recv),
                 sizeof(struct ipmi_system_interface_addr), sizeof(struct ipmi_ipmb_addr));
          printf("%zu %zu\\n", offsetof(struct ipmi_req_settime, req.msg.data),
                 offsetof(struct ipmi_recv, msg.data));
          printf("%d %d %d %d\\n", IPMI_SYSTEM_INTERFACE_ADDR_TYPE, IPMI_IPMB_ADDR_TYPE, IPMI_BMC_CHANNEL,
                 IPMI_RESPONSE_RECV_TYPE);
          return 0;
        }
        """
    )
    subprocess.run([compiler, "-o", tmp_path / "layout", source], check=True)
    lines = subprocess.run(
        [tmp_path / "layout"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    numbers, sizes, offsets, constants = (tuple(map(int, line.split())) for line in lines)

    assert numbers == (ipmi._SEND_COMMAND, ipmi._RECEIVE_MESSAGE)
    assert sizes == (
        *(ipmi._SEND.size, ipmi._RECEIVE.size),
        *(ipmi._SYSTEM_ADDRESS.size, ipmi._IPMB_ADDRESS.size),
    )
    pointer = struct.calcsize("P")
    assert offsets == (ipmi._SEND.size - pointer - 8, ipmi._RECEIVE.size - pointer)
    assert constants == (SYSTEM_INTERFACE, IPMB, ipmi._BMC_CHANNEL, ipmi._RESPONSE)


def test_a_question_and_its_answer(kernel: Kernel) -> None:
    reply = ipmi.send("/dev/ipmi0", bytes((0x0A, 0x00, 0x43, 1, 2, 3)), 1.0)

    assert reply == b"\x00\x01\x02\x03"
    ((_, address, command, data),) = kernel.sent
    assert struct.unpack_from("=ihB", address) == (SYSTEM_INTERFACE, 0x0F, 0)
    assert (command, data) == (b"\x0a\x43", b"\x01\x02\x03")


def test_a_question_without_data(kernel: Kernel) -> None:
    assert ipmi.send("/dev/ipmi0", GET_DEVICE_ID, 1.0) == b"\x00"
    assert kernel.sent[0][3] == b""


def test_another_controller_is_reached_by_its_address(kernel: Kernel) -> None:
    ipmi.send_bridged("/dev/ipmi0", bytes((6, 0x2C, 0x04, 0x01, 0x2D, 0x07)), 1.0)

    ((_, address, command, data),) = kernel.sent
    assert struct.unpack("=ihBB", address) == (IPMB, 6, 0x2C, 0x01)
    assert (command, data) == (b"\x04\x2d", b"\x07")


def test_late_answers_and_events_are_not_taken_for_the_answer(kernel: Kernel) -> None:
    ipmi.send("/dev/ipmi0", GET_DEVICE_ID, 1.0)
    descriptor = kernel.sent[0][0]
    kernel.waiting[descriptor] = [(1, 1, b"\x00late"), (2, 0, b"event")]

    assert ipmi.send("/dev/ipmi0", GET_DEVICE_ID, 1.0) == b"\x00"


def test_a_bmc_that_does_not_answer(kernel: Kernel) -> None:
    kernel.respond = lambda function, command, data: None

    with pytest.raises(ControlError) as caught:
        ipmi.send("/dev/ipmi0", GET_DEVICE_ID, 0.05)

    assert caught.value.errno == errno.ETIMEDOUT
    assert "no answer from the BMC in time" in str(caught.value)
    assert kernel.closed, "what answers late must not be read by the next question"


def test_the_device_stays_open_between_questions(kernel: Kernel) -> None:
    for _ in range(5):
        ipmi.send("/dev/ipmi0", GET_DEVICE_ID, 1.0)

    assert kernel.opened == 1


def test_questions_from_many_threads_at_once(kernel: Kernel) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        for _ in range(20):
            answers[number] = ipmi.send("/dev/ipmi0", bytes((0x04, 0, 0x2D, number)), 5.0)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: bytes((0, number)) for number in range(8)}


@pytest.mark.parametrize(
    "request_bytes",
    [
        bytes((0x00, 0, 0x02, 0x00)),  # Chassis Control: power down
        bytes((0x0A, 0, 0x47)),  # Clear SEL
        bytes((0x0A, 0, 0x12)),  # Write FRU Data
        bytes((0x06, 0, 0x02)),  # Cold Reset
        bytes((0x06, 0, 0x52)),  # Master Write-Read
        bytes((0x2E, 0, 0x01)),  # a vendor's own
    ],
)
def test_what_could_change_the_machine_is_not_sent(kernel: Kernel, request_bytes: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        ipmi.send("/dev/ipmi0", request_bytes, 1.0)
    with pytest.raises(ControlError):
        ipmi.send_bridged("/dev/ipmi0", bytes((0, 0x2C)) + request_bytes, 1.0)

    assert caught.value.errno == errno.EPERM
    assert not kernel.sent


@pytest.mark.parametrize(
    ("operation", "request_bytes"), [("ipmi", b"\x06\x00"), ("ipmi-bridged", b"\x06\x20\x06\x00")]
)
def test_what_is_no_request(operation: str, request_bytes: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        OPERATIONS[operation]("/dev/ipmi0", request_bytes, 1.0)

    assert caught.value.errno == errno.EINVAL


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ControlError) as caught:
        ipmi.send("/dev/bee-has-no-such-device", GET_DEVICE_ID, 1.0)

    assert caught.value.errno == errno.ENOENT


def test_a_device_that_is_another() -> None:
    with pytest.raises(ControlError) as caught:
        ipmi.send("/dev/null", GET_DEVICE_ID, 1.0)

    assert caught.value.errno == errno.ENOTTY
    assert re.search("/dev/null: Inappropriate ioctl", str(caught.value))
