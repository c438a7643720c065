"""ethtool's requests to a network interface (``SIOCETHTOOL`` of <linux/ethtool.h>), those that only read.

A request is the kernel's own structure, in the machine's byte order and with room for the answer; the reply
is the same structure filled in.
"""

import array
import errno
import fcntl
import os
import socket
import struct
from typing import Final

from bee_machine.machine import ControlError

OPERATION: Final = "ethtool"

GET_DRIVER_INFO: Final = 0x03
GET_PERMANENT_ADDRESS: Final = 0x20
GET_MODULE_INFO: Final = 0x42
GET_MODULE_EEPROM: Final = 0x43
GET_LINK_SETTINGS: Final = 0x4C

_DRIVER_INFO_BYTES = 196
_MODULE_INFO_BYTES = 44
_ADDRESS = struct.Struct("=II")  # command, size of the space behind
_EEPROM = struct.Struct("=IIII")  # command, magic, offset, length
_LINK_SETTINGS = struct.Struct("=IIBBBBBBBbBBBB7I")
_WORDS_AT = 15  # link_mode_masks_nwords: three masks of so many words stand behind the structure
_SIOCETHTOOL = 0x8946
_INTERFACE_NAME_BYTES = 16


def driver_info() -> bytes:
    return struct.pack("=I", GET_DRIVER_INFO).ljust(_DRIVER_INFO_BYTES, b"\0")


def permanent_address(size_bytes: int = 32) -> bytes:
    return _ADDRESS.pack(GET_PERMANENT_ADDRESS, size_bytes) + bytes(size_bytes)


def link_settings(words: int) -> bytes:
    """``words`` per mask: 0 asks the kernel how many it has, which it answers as a negative number."""
    return _LINK_SETTINGS.pack(GET_LINK_SETTINGS, *[0] * 7, 0, words, *[0] * 11) + bytes(12 * words)


def module_info() -> bytes:
    return struct.pack("=I", GET_MODULE_INFO).ljust(_MODULE_INFO_BYTES, b"\0")


def module_eeprom(length_bytes: int, *, offset: int = 0) -> bytes:
    return _EEPROM.pack(GET_MODULE_EEPROM, 0, offset, length_bytes) + bytes(length_bytes)


def ask_interface(device: str, request: bytes, deadline_seconds: float) -> bytes:
    """Send one request to the interface named ``device`` ("eth0"). Raises ControlError.

    The call ends when the driver answers, whatever ``deadline_seconds``: the caller gives up earlier.
    """
    _check(request)
    name = os.fsencode(device)
    if not 0 < len(name) < _INTERFACE_NAME_BYTES:
        raise ControlError(errno.ENODEV, f"{device!r} is no name of an interface")
    reply = array.array("B", request)
    address, _ = reply.buffer_info()
    interface = struct.pack("16sP16x", name, address)  # struct ifreq
    # Any socket reaches the interfaces; this family is one that the service needs anyway, for the bus.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            fcntl.ioctl(channel, _SIOCETHTOOL, interface)
        except OSError as error:
            number = error.errno or errno.EIO
            raise ControlError(number, f"{device}: {os.strerror(number)}") from error
    return reply.tobytes()


def _check(request: bytes) -> None:
    """Refuse what is not a reading command, and what leaves the kernel less room than it fills."""
    command = int.from_bytes(request[:4], "little" if _LITTLE_ENDIAN else "big")
    if len(request) < 4 or command not in _NEED:
        raise ControlError(errno.EPERM, f"ethtool command {command:#04x} is not one that bee sends")
    need = _NEED[command]
    if len(request) >= need:
        if command == GET_PERMANENT_ADDRESS:
            need += _ADDRESS.unpack_from(request)[1]
        elif command == GET_MODULE_EEPROM:
            need += _EEPROM.unpack_from(request)[3]
        elif command == GET_LINK_SETTINGS:
            need += 12 * request[_WORDS_AT]
    if len(request) < need:
        raise ControlError(errno.EINVAL, f"ethtool command {command:#04x} needs {need} bytes")


_LITTLE_ENDIAN = struct.pack("=H", 1)[0] == 1
_NEED: Final = {
    GET_DRIVER_INFO: _DRIVER_INFO_BYTES,
    GET_PERMANENT_ADDRESS: _ADDRESS.size,
    GET_MODULE_INFO: _MODULE_INFO_BYTES,
    GET_MODULE_EEPROM: _EEPROM.size,
    GET_LINK_SETTINGS: _LINK_SETTINGS.size,
}
