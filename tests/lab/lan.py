"""A network segment with one machine on it and no internet behind it: a cable, a DHCP server, and a listener.

``with Lan() as lan, container.booted(network=lan.machine)``: the machine's port is ``port0``. Nobody else is
there; every frame that the machine sends is kept, and told in words by ``said()``.
"""

import ctypes
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

PORT = "port0"  # the machine's end of the cable
FAR_END = "lan0"
ROUTER = "192.0.2.1"
NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
OUTGOING = 4  # what PACKET_OUTGOING is to a packet socket: our own

COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
QUIET = {"ARP", "DHCP", "DHCPv6", "ND", "MLD"}  # what asking for addresses is made of


class Lan:
    """Two namespaces with a cable between them; ``address`` is what the server gives out next.

    ``manner`` of the server: "right", "silent", "refusing" (it offers, then takes it back) or "garbage".
    """

    def __init__(self, *, manner: str = "right", cable: bool = True) -> None:
        self.manner = manner
        self.address = "192.0.2.50"
        self.host_name: str | None = None
        self.frames: list[bytes] = []
        self.asked: list[tuple[int, dict[int, bytes]]] = []
        tail = os.urandom(3).hex()
        self._names = (f"bee-machine-{tail}", f"bee-lan-{tail}")
        self.machine, self._far = (NAMESPACES / name for name in self._names)
        self._cable = cable
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        machine, far = self._names
        for name in self._names:
            _ip("netns", "add", name)
        try:
            _ip("-n", machine, "link", "add", PORT, "type", "veth", "peer", "name", FAR_END, "netns", far)
            self.configure("link", "set", FAR_END, "addrgenmode", "none")
            self.configure("address", "add", f"{ROUTER}/24", "dev", FAR_END)
            self._listen()
            if self._cable:
                self.plug()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def plug(self) -> None:
        self.configure("link", "set", FAR_END, "up")

    def unplug(self) -> None:
        self.configure("link", "set", FAR_END, "down")

    def configure(self, *words: str) -> None:
        """``ip`` at the far end of the cable, where the router is."""
        _ip("-n", self._names[1], *words)

    def run(
        self, argv: Sequence[str | Path], environment: Mapping[str, str], typed: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """A program on another machine of the segment."""
        return subprocess.run(
            ["nsenter", f"--net={self._far}", "--", *argv],
            check=False,
            input=typed,
            capture_output=True,
            text=True,
            timeout=180,
            env=environment,
        )

    def said(self) -> set[str]:
        """What the machine has sent so far, a name for each kind."""
        return {_kind(frame) for frame in list(self.frames)}

    def questions(self, kind: int) -> int:
        """How many DHCP messages of a kind have come."""
        return sum(1 for asked, _options in list(self.asked) if asked == kind)

    def _listen(self) -> None:
        wire = _inside(self._far, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        wire.bind((FAR_END, ETH_P_ALL))
        server = _inside(self._far, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, FAR_END.encode())
        server.bind(("0.0.0.0", 67))
        for work, end in ((self._keep, wire), (self._serve, server)):
            end.settimeout(0.2)
            self._threads.append(threading.Thread(target=work, args=(end,), daemon=True))
            self._threads[-1].start()

    def _keep(self, wire: socket.socket) -> None:
        with wire:
            while not self._ended.is_set():
                try:
                    frame, origin = wire.recvfrom(65536)
                except (TimeoutError, OSError):  # a cable that is out is an error of the port
                    continue
                if origin[2] != OUTGOING:
                    self.frames.append(frame)

    def _serve(self, server: socket.socket) -> None:
        with server:
            while not self._ended.is_set():
                try:
                    message = server.recv(65536)
                except TimeoutError:
                    continue
                options = _options(message[240:])
                kind = options.get(53, b"\0")[0]
                self.asked.append((kind, options))
                answer = self._answer(message, kind, options)
                if answer is not None:
                    server.sendto(answer, ("255.255.255.255", 68))

    def _answer(self, message: bytes, kind: int, options: dict[int, bytes]) -> bytes | None:
        if self.manner == "silent" or kind not in (DISCOVER, REQUEST):
            return None
        if self.manner == "garbage":
            return os.urandom(300)
        wanted = options.get(50, message[12:16])
        reply = OFFER if kind == DISCOVER else ACK
        if kind == REQUEST and (self.manner == "refusing" or wanted != socket.inet_aton(self.address)):
            reply = NAK
        address = socket.inet_aton("0.0.0.0" if reply == NAK else self.address)
        head = struct.pack("!BBBB", 2, 1, 6, 0) + message[4:8] + bytes(2) + message[10:12]
        head += bytes(4) + address + socket.inet_aton(ROUTER) + bytes(4) + message[28:44] + bytes(192)
        given = [(53, bytes([reply])), (54, socket.inet_aton(ROUTER))]
        if reply != NAK:
            router = socket.inet_aton(ROUTER)
            given += [(51, struct.pack("!I", 3600)), (1, socket.inet_aton("255.255.255.0"))]
            # A clock is offered too, so that a machine which takes it is heard.
            given += [(3, router), (6, router), (42, router), (15, b"lab.invalid")]
            if self.host_name:
                given.append((12, self.host_name.encode()))
        tail = b"".join(bytes([code, len(value)]) + value for code, value in given)
        return head + COOKIE + tail + b"\xff"

    def _end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=10)
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def eventually(true: Callable[[], bool], *, within_seconds: float = 60) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return true()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _inside(namespace: Path, make: Callable[[], T]) -> T:
    """What a function makes in another network namespace: a socket stays where it was made."""
    made: list[T] = []

    def work() -> None:
        with namespace.open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
        made.append(make())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


def _options(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    place = 0
    while place < len(octets) and octets[place] != 255:
        if octets[place] == 0:
            place += 1
            continue
        size = octets[place + 1]
        found[octets[place]] = octets[place + 2 : place + 2 + size]
        place += 2 + size
    return found


def _kind(frame: bytes) -> str:
    """One frame of Ethernet in a word; what is not expected, with where it went."""
    (protocol,) = struct.unpack_from("!H", frame, 12)
    if protocol == 0x0806:
        return "ARP"
    if protocol == 0x0800:
        header = 14 + (frame[14] & 15) * 4
        return _transport(frame[23], frame[header:], socket.inet_ntoa(frame[30:34]))
    if protocol == 0x86DD:
        number, rest = frame[20], frame[54:]
        if number == 0:  # hop-by-hop options, which multicast reports have
            number, rest = rest[0], rest[(rest[1] + 1) * 8 :]
        return _transport(number, rest, socket.inet_ntop(socket.AF_INET6, frame[38:54]))
    return f"ethertype {protocol:#06x}"


def _transport(number: int, rest: bytes, target: str) -> str:
    if number == 58:
        kind = "ND" if rest[0] in range(133, 138) else "MLD" if rest[0] in (131, 132, 143) else "ICMPv6"
        return kind if kind != "ICMPv6" else f"ICMPv6 {rest[0]} to {target}"
    if number in (6, 17):
        source, port = struct.unpack_from("!HH", rest)
        if number == 17 and (source, port) in ((68, 67), (546, 547)):
            return "DHCP" if port == 67 else "DHCPv6"
        if number == 6 and source in (22, 80):
            return "answer"  # to who came to the machine
        return f"{'TCP' if number == 6 else 'UDP'} to {target} port {port}"
    return f"protocol {number} to {target}"
