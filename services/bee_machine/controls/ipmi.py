"""IPMI messages through the kernel's device interface (<linux/ipmi.h>, ``/dev/ipmi0``), without ipmitool.

`send` asks the machine's own BMC. A request is network function, LUN, command and data, one byte each for the
first three; the reply is the completion code and what follows it. `send_bridged` asks another controller of
the machine over IPMB: the request then begins with its channel and its slave address.
"""

import array
import contextlib
import errno
import fcntl
import itertools
import os
import select
import struct
import threading
import time
from typing import Final

from bee_machine.machine import ControlError

OPERATION: Final = "ipmi"
BRIDGED_OPERATION: Final = "ipmi-bridged"

# (network function, command): what only reads. A command that could change the BMC is refused here.
CHASSIS, SENSOR, APPLICATION, STORAGE, TRANSPORT = 0x00, 0x04, 0x06, 0x0A, 0x0C
ALLOWED: Final = frozenset(
    {
        (CHASSIS, 0x01),  # Get Chassis Status
        (SENSOR, 0x20),  # Get Device SDR Info
        (SENSOR, 0x21),  # Get Device SDR
        (SENSOR, 0x22),  # Reserve Device SDR Repository: a number for reading, no lock
        (SENSOR, 0x23),  # Get Sensor Reading Factors
        (SENSOR, 0x27),  # Get Sensor Thresholds
        (SENSOR, 0x2D),  # Get Sensor Reading
        (APPLICATION, 0x01),  # Get Device ID
        (APPLICATION, 0x04),  # Get Self Test Results
        (APPLICATION, 0x37),  # Get System GUID
        (APPLICATION, 0x42),  # Get Channel Info
        (STORAGE, 0x10),  # Get FRU Inventory Area Info
        (STORAGE, 0x11),  # Read FRU Data
        (STORAGE, 0x20),  # Get SDR Repository Info
        (STORAGE, 0x22),  # Reserve SDR Repository: a number for reading, no lock
        (STORAGE, 0x23),  # Get SDR
        (STORAGE, 0x40),  # Get SEL Info
        (STORAGE, 0x43),  # Get SEL Entry
        (STORAGE, 0x48),  # Get SEL Time
        (TRANSPORT, 0x02),  # Get LAN Configuration Parameters
    }
)

# struct ipmi_system_interface_addr, ipmi_ipmb_addr, ipmi_req_settime (with ipmi_req), ipmi_recv.
_SYSTEM_ADDRESS = struct.Struct("@ihBx")
_IPMB_ADDRESS = struct.Struct("@ihBB")
_SEND = struct.Struct("@PIlBBHPiI")
_RECEIVE = struct.Struct("@iPIlBBHP")
_SYSTEM_ADDRESS_TYPE, _IPMB_ADDRESS_TYPE, _BMC_CHANNEL = 0x0C, 0x01, 0x0F
_ADDRESS_BYTES = 40  # struct ipmi_addr
_MESSAGE_BYTES = 1024  # the kernel's own limit is 272 (IPMI_MAX_MSG_LENGTH)
_RESPONSE = 1  # IPMI_RESPONSE_RECV_TYPE

_IOR, _IOWR = 2, 3
_SEND_COMMAND = _IOR << 30 | _SEND.size << 16 | ord("i") << 8 | 21  # IPMICTL_SEND_COMMAND_SETTIME
_RECEIVE_MESSAGE = _IOWR << 30 | _RECEIVE.size << 16 | ord("i") << 8 | 11  # IPMICTL_RECEIVE_MSG_TRUNC

# A controller behind the BMC that is not there costs the kernel's default of 4 retries of 2 s each: too much
# for an audit that asks many. The BMC itself is reached by a handshake in which these two count for nothing.
_BRIDGED_RETRIES, _BRIDGED_RETRY_MILLISECONDS = 1, 500

_numbers = itertools.count(1)


def send(device: str, request: bytes, deadline_seconds: float) -> bytes:
    """Ask the BMC behind ``device``. Raises ControlError (ETIMEDOUT when it does not answer in time)."""
    if len(request) < 3:
        raise ControlError(errno.EINVAL, "an IPMI request has a network function, a LUN and a command")
    address = _SYSTEM_ADDRESS.pack(_SYSTEM_ADDRESS_TYPE, _BMC_CHANNEL, request[1])
    return _exchange(device, address, request, deadline_seconds)


def send_bridged(device: str, request: bytes, deadline_seconds: float) -> bytes:
    """Ask the controller at ``request[1]`` on channel ``request[0]``. Raises ControlError.

    A controller that does not answer gives completion code C3h, from the kernel.
    """
    if len(request) < 5:
        raise ControlError(errno.EINVAL, "a bridged IPMI request has a channel and an address before it")
    channel, slave_address = request[:2]
    address = _IPMB_ADDRESS.pack(_IPMB_ADDRESS_TYPE, channel, slave_address, request[3])
    return _exchange(device, address, request[2:], deadline_seconds)


def _exchange(device: str, address: bytes, request: bytes, deadline_seconds: float) -> bytes:
    network_function, _, command = request[:3]
    if (network_function, command) not in ALLOWED:
        name = f"{network_function:02x}h/{command:02x}h"
        raise ControlError(errno.EPERM, f"IPMI command {name} is not one that only reads")
    try:
        descriptor = _open_devices.take(device)
    except OSError as error:
        raise _failure(device, error) from error
    try:
        deadline = time.monotonic() + deadline_seconds
        number = next(_numbers)
        _send(descriptor, address, number, request)
        reply = _receive(descriptor, number, deadline)
    except OSError as error:
        # A late answer must not meet the next question.
        _open_devices.drop(descriptor)
        raise _failure(device, error) from error
    _open_devices.keep(device, descriptor)
    return reply


def _send(descriptor: int, address: bytes, number: int, request: bytes) -> None:
    address_buffer, data_buffer = array.array("B", address), array.array("B", request[3:] or b"\0")
    message = _SEND.pack(
        *(address_buffer.buffer_info()[0], len(address), number),
        *(request[0], request[2], len(request) - 3, data_buffer.buffer_info()[0]),
        *(_BRIDGED_RETRIES, _BRIDGED_RETRY_MILLISECONDS),
    )
    fcntl.ioctl(descriptor, _SEND_COMMAND, message)


def _receive(descriptor: int, number: int, deadline: float) -> bytes:
    """The answer to message ``number``; others that wait (late ones, events) are thrown away."""
    address_buffer = array.array("B", bytes(_ADDRESS_BYTES))
    data_buffer = array.array("B", bytes(_MESSAGE_BYTES))
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poll.poll(max(1, int(remaining * 1000))):
            raise TimeoutError(errno.ETIMEDOUT, "no answer from the BMC in time")
        message = bytearray(
            _RECEIVE.pack(
                *(0, address_buffer.buffer_info()[0], _ADDRESS_BYTES, 0),
                *(0, 0, _MESSAGE_BYTES, data_buffer.buffer_info()[0]),
            )
        )
        try:
            fcntl.ioctl(descriptor, _RECEIVE_MESSAGE, message)
        except BlockingIOError:
            continue
        kind, _, _, answered, _, _, length, _ = _RECEIVE.unpack(message)
        if kind == _RESPONSE and answered == number:
            if not length:
                raise OSError(errno.EIO, "the BMC's answer is empty")
            return data_buffer[:length].tobytes()


def _failure(device: str, error: OSError) -> ControlError:
    number = error.errno or errno.EIO
    return ControlError(number, f"{device}: {error.strerror or os.strerror(number)}")


class _OpenDevices:
    """Devices stay open between requests: closing one costs the kernel an RCU grace period, up to 50 ms."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[int]] = {}

    def take(self, device: str) -> int:
        """A descriptor of its own for one exchange. Raises OSError."""
        with self._lock:
            if idle := self._idle.get(device):
                return idle.pop()
        return os.open(device, os.O_RDWR | os.O_CLOEXEC)

    def keep(self, device: str, descriptor: int) -> None:
        with self._lock:
            self._idle.setdefault(device, []).append(descriptor)

    def drop(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            os.close(descriptor)


_open_devices = _OpenDevices()
