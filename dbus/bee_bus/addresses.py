"""The addresses by which others reach this machine, as the kernel knows them."""

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path
from typing import NamedTuple

_SIOCGIFADDR = 0x8915  # <linux/sockios.h>
_GLOBAL_SCOPE = "00"  # of /proc/net/if_inet6


class Address(NamedTuple):
    interface: str
    address: str

    @property
    def url(self) -> str:
        return f"http://[{self.address}]/" if ":" in self.address else f"http://{self.address}/"


def own_addresses() -> tuple[Address, ...]:
    """Every address of scope global, IPv4 first, in the order of the interfaces."""
    return (*_ipv4(), *_ipv6())


def _ipv4() -> list[Address]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
            except OSError:  # it has none
                continue
            address = ipaddress.IPv4Address(answer[20:24])
            if not address.is_loopback:
                found.append(Address(name, str(address)))
    return found


def _ipv6(path: Path = Path("/proc/net/if_inet6")) -> list[Address]:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # no IPv6 in this kernel
        return []
    found = []
    for line in lines:
        digits, _, _, scope, _, name = line.split()
        if scope == _GLOBAL_SCOPE:
            found.append(Address(name, str(ipaddress.IPv6Address(bytes.fromhex(digits)))))
    return found
