"""A page of a transceiver's memory, by ethtool's netlink family (``ETHTOOL_MSG_MODULE_EEPROM_GET``).

Drivers of newer adapters read modules with CMIS in this way only. A request is the message's attributes
without the one that names the interface; the reply is the page's bytes.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from functools import cache
from typing import Final

from bee_machine.machine import ControlError

OPERATION: Final = "ethtool-module"

_MODULE_ADDRESS = 0x50  # on the module's I2C bus
_NETLINK_GENERIC = 16
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port: struct nlmsghdr
_GENERIC = struct.Struct("=BBH")  # command, version, reserved: struct genlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # length with this head, type: struct nlattr
_REQUEST, _ERROR, _NESTED = 1, 2, 1 << 15  # NLM_F_REQUEST, NLMSG_ERROR, NLA_F_NESTED
_TYPE_BITS = 0x3FFF  # of an attribute's type, without what it says of its form
# <linux/genetlink.h>
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 0x10, 3, 1, 2
# <linux/ethtool_netlink.h>
_FAMILY, _GET_MODULE_EEPROM, _NAME = b"ethtool\0", 31, 2
_INTERFACE, _OFFSET, _LENGTH, _PAGE, _BANK, _ADDRESS, _DATA = range(1, 8)
_READING = {_OFFSET, _LENGTH, _PAGE, _BANK, _ADDRESS}
_REPLY_BYTES = 64 << 10
_INTERFACE_NAME_BYTES = 16


def module_page(page: int, *, offset: int, length: int = 128) -> bytes:
    """``length`` bytes from ``offset`` on: below 128 in the lower memory, from there in that page."""
    return b"".join(
        (
            _attribute(_OFFSET, struct.pack("=I", offset)),
            _attribute(_LENGTH, struct.pack("=I", length)),
            _attribute(_PAGE, bytes([page])),
            _attribute(_BANK, bytes([0])),
            _attribute(_ADDRESS, bytes([_MODULE_ADDRESS])),
        )
    )


def ask_module(device: str, request: bytes, deadline_seconds: float) -> bytes:
    """Read from the module in the interface named ``device`` ("eth0"). Raises ControlError.

    The call ends when the driver answers, whatever ``deadline_seconds``: the caller gives up earlier.
    """
    name = os.fsencode(device)
    if not 0 < len(name) < _INTERFACE_NAME_BYTES:
        raise ControlError(errno.ENODEV, f"{device!r} is no name of an interface")
    if not {kind for kind, _ in _attributes(request)} <= _READING:
        raise ControlError(errno.EPERM, "this is no request that reads a module")
    interface = _attribute(_INTERFACE | _NESTED, _attribute(_NAME, name + b"\0"))
    reply = _asked(device, _family(), _GET_MODULE_EEPROM, interface + request)
    return reply.get(_DATA, b"")


@cache
def _family() -> int:
    """The number that this kernel has given to ethtool's family."""
    reply = _asked("ethtool", _CONTROLLER, _GET_FAMILY, _attribute(_FAMILY_NAME, _FAMILY))
    return int.from_bytes(reply.get(_FAMILY_ID, b""), "little" if _LITTLE_ENDIAN else "big")


def _asked(device: str, family: int, command: int, attributes: bytes) -> dict[int, bytes]:
    body = _GENERIC.pack(command, 1, 0) + attributes
    message = _HEADER.pack(_HEADER.size + len(body), family, _REQUEST, 1, 0) + body
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC
        ) as channel:
            channel.sendto(message, (0, 0))
            reply = channel.recv(_REPLY_BYTES)
    except OSError as error:
        number = error.errno or errno.EIO
        raise ControlError(number, f"{device}: {os.strerror(number)}") from error
    _, kind, *_ = _HEADER.unpack_from(reply)
    if kind == _ERROR:
        (number,) = struct.unpack_from("=i", reply, _HEADER.size)
        raise ControlError(-number or errno.EIO, f"{device}: {os.strerror(-number or errno.EIO)}")
    return dict(_attributes(reply[_HEADER.size + _GENERIC.size :]))


def _attribute(kind: int, content: bytes) -> bytes:
    raw = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind) + content
    return raw + bytes(-len(raw) % 4)


def _attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    while len(raw) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(raw)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_BITS, raw[_ATTRIBUTE.size : length]
        raw = raw[length + -length % 4 :]


_LITTLE_ENDIAN = struct.pack("=H", 1)[0] == 1
