"""The lab's server booted from a live image, as a person does it: from CD, stick or network.

``with running(image, firmware="uefi", medium="usb", cables=False) as server:`` – the hardware is that of
`lab.hardware.REFERENCE`. Its network card nic0 leads to this machine (SSH and the web come in by it) and, as
on a real network, a DHCP server, a name server and a gateway are there; nic1 has no cable. All that the
cards send and receive is kept for `lab.wire`.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import hardware, live_command, netboot, tempting_disks, wire
from lab.bmc import Bmc
from lab.bmc_link import BmcLink
from lab.iso import Image
from lab.live_command import STICK, WIRED, Firmware, Medium
from lab.qemu_command import SAME_ADDRESSES
from lab.server import LabError, Server, booted, free_port, power_on, started
from lab.tui import Tui

BOOT_MENU, BOOT_EDITOR = "keys to select which entry", "Minimum Emacs-like screen editing"
UNATTENDED, ATTENDED = "Booting `", "Booting a command list"  # what it says when it ends
DOWN, END, BOOT = b"\x0e", b"\x05", b"\x18"  # its keys: Ctrl-N, Ctrl-E, Ctrl-X

BOOT_DEADLINE_SECONDS = 1200
LIVE_USER = "bee"
KERNEL_BYTES_MIN, LOOK_SECONDS, CALM_LOOKS = 50_000_000, 0.25, 6
KEY_SECONDS, ANSWER_DEADLINE_SECONDS = 0.05, 60
LOGIN = "[press ENTER to login]"


@dataclass(frozen=True)
class Picture:
    """A screen: red, green, blue, row by row."""

    width: int
    height: int
    pixels: bytes

    def lit(self) -> float:
        """How much of it is not black, from 0 to 1."""
        return 1 - self.pixels.count(0) / len(self.pixels)


class LiveServer(Server):
    """A server that runs the live system. ``bee``: the same machine, as its unprivileged user by SSH."""

    def __init__(
        self,
        work: Path,
        process: "subprocess.Popen[bytes]",
        ports: Mapping[int, int],
        bmc: Bmc | None,
        described: hardware.Server,
    ) -> None:
        deadline = BOOT_DEADLINE_SECONDS
        super().__init__(work, process, ports[22], bmc, boot_deadline_seconds=deadline)
        self.bee = Server(work, process, ports[22], bmc, login=LIVE_USER, boot_deadline_seconds=deadline)
        self.ssh_port = ports[22]
        self.web = f"http://127.0.0.1:{ports[80]}"
        self.described = described
        self.powered_on_at = time.time()
        self._prompts = 0  # of earlier boots
        self.fingerprints = tempting_disks.fingerprints(described, work)

    def hang_up(self) -> None:
        super().hang_up()
        self.bee.hang_up()

    def await_up(self) -> None:
        """Not by asking sshd all the time: Debian's refuses whom it has seen that often."""
        self.await_serial(LOGIN, times=self._prompts + 1)
        super().await_up()

    def reset(self) -> None:
        self._prompts = self.serial_log().count(LOGIN)
        super().reset()

    # The person in front of it.

    def picture(self) -> Picture:
        """What is on the screen of the graphics card."""
        path = self._work / "screen.ppm"
        self.monitor("screendump", filename=str(path))
        raw = path.read_bytes()
        kind, width, height, _, pixels = raw.split(maxsplit=4)
        if kind != b"P6":
            raise LabError(f"a screen dump of kind {kind!r}")
        return Picture(int(width), int(height), raw[-len(pixels) :])

    def text(self, terminal: int = 1) -> str:
        """The characters on a virtual terminal (kernel, vcs(4))."""
        rows, columns = self.fetch(f"/dev/vcsa{terminal}")[:2]
        raw = self.fetch(f"/dev/vcsu{terminal}").decode("utf-32-le", errors="replace")
        return "\n".join(raw[row * columns : (row + 1) * columns].rstrip() for row in range(rows))

    def until(self, *words: str, terminal: int = 1, deadline_seconds: float = 240) -> str:
        """Wait until all these words are on a virtual terminal; its text then."""
        return eventually(
            lambda: self.text(terminal),
            lambda text: all(word in text for word in words),
            f"{', '.join(words)} on tty{terminal}",
            deadline_seconds=deadline_seconds,
        )

    def press(self, *keys: str) -> None:
        """Keys of the machine's own keyboard, by QEMU's names: "ret", "down", "f10", "a"."""
        for key in keys:
            self.monitor("send-key", keys=[{"type": "qcode", "data": key}])

    @contextmanager
    def serial_terminal(self) -> Iterator[Tui]:
        """A terminal on the serial line, which answers what it is asked as a real one does."""
        bridge = Path(__file__).with_name("serial_bridge.py")
        with Tui(os.environ, command=[sys.executable, str(bridge), str(self._work / "serial")]) as tui:
            tui.until("-- connected --", seconds=60)
            yield tui

    def tell_kernel(self, word: str) -> bool:
        """One more word for the kernel of the first entry, at the boot menu on the serial line.

        False where a busy host let the menu's seconds pass first: it boots without that word.
        """
        self.await_serial(BOOT_MENU)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect(str(self._work / "serial"))
            line.settimeout(KEY_SECONDS)
            line.sendall(b"e")
            if BOOT_EDITOR not in self._heard(line, BOOT_EDITOR, UNATTENDED):
                return False
            # Its lines: the entry's name, an empty one, the kernel's.
            for key in (DOWN, DOWN, END, *(bytes([letter]) for letter in f" {word}".encode()), BOOT):
                line.sendall(key)
                _drain(line)
            # Hung up before it was read, the last key would be lost.
            self._heard(line, ATTENDED)
        return True

    def _heard(self, line: socket.socket, *words: str) -> str:
        """All that the serial line has said, one of these words in it; QEMU waits for who does not read."""

        def said() -> str:
            _drain(line)
            return self.serial_log()

        return eventually(
            said,
            lambda text: any(word in text for word in words),
            f"{words[0]!r} on the serial line",
            deadline_seconds=ANSWER_DEADLINE_SECONDS,
            pause_seconds=0,
        )

    def await_serial(self, words: str, times: int = 1) -> None:
        """Wait until the serial line has said these words, so many times."""
        said = eventually(
            self.serial_log,
            lambda text: text.count(words) >= times or "Kernel panic" in text,
            f"{words!r} on the serial line",
            deadline_seconds=self.boot_deadline_seconds,
            pause_seconds=0.2,
        )
        if said.count(words) < times:
            raise LabError(f"the kernel crashed\n{said[-8000:]}")

    def plug(self, nic: str = WIRED, *, up: bool = True) -> None:
        """Put the cable in, or pull it out."""
        self.monitor("set_link", name=nic, up=up)

    def await_kernel(self) -> None:
        """Wait until the boot loader has read the kernel and its initramfs, and nothing more is read."""
        read, calm = 0, 0
        deadline = time.monotonic() + self.boot_deadline_seconds
        while read < KERNEL_BYTES_MIN or calm < CALM_LOOKS:
            if time.monotonic() > deadline:
                raise LabError(f"after {self.boot_deadline_seconds:g} s the medium was read for {read} bytes")
            time.sleep(LOOK_SECONDS)
            drives = self.monitor("query-blockstats")
            now = sum(each["stats"]["rd_bytes"] for each in drives if each.get("device") == "medium")
            read, calm = now, calm + 1 if now == read else 0

    def pull_stick(self) -> None:
        """Take the USB stick that it boots from out of its port."""
        self.monitor("device_del", id=STICK)

    def put_stick(self, image: Path) -> None:
        """Put a stick with this image into that port; it cannot be written to."""
        file = {"driver": "file", "filename": str(image)}
        self.monitor(
            "blockdev-add", **{"node-name": "late", "driver": "raw", "read-only": True, "file": file}
        )
        self.monitor("device_add", driver="usb-storage", id=STICK, drive="late", bus="usb.0", removable=True)

    # What it did to its surroundings.

    def strays(self) -> list[str]:
        """The packets that nobody asked it for, beyond finding its addresses and neighbours."""
        found = []
        for nic in self.described.nics:
            found += wire.strays(wire.packets(self._work / f"{nic.name}.pcap"), nic.mac)
        return found

    def conversation(self) -> list[wire.Packet]:
        """All that went over the cable, both ways."""
        return list(wire.packets(self._work / f"{WIRED}.pcap"))

    def changed_disks(self) -> list[str]:
        """The disks that are not what they were before the machine was switched on."""
        now = tempting_disks.fingerprints(self.described, self._work)
        return sorted(name for name in now if now[name] != self.fingerprints[name])

    def writes(self) -> dict[str, int]:
        """Drive to how often it was told to write or to discard, the boot medium's among them."""
        counted = {}
        for drive in self.monitor("query-blockstats"):
            stats: Mapping[str, Any] = drive["stats"]
            name = drive.get("device") or drive.get("qdev") or "?"
            if name.endswith("-drive") or name == "medium":
                counted[name.removesuffix("-drive")] = stats["wr_operations"] + stats["unmap_operations"]
        return counted


def _drain(line: socket.socket) -> None:
    """Read what is said on a line until it falls silent; nobody else reads it."""
    with suppress(TimeoutError):
        while line.recv(4096):
            pass


def eventually(
    look: Callable[[], str],
    true: Callable[[str], bool],
    wanted: str,
    *,
    deadline_seconds: float,
    pause_seconds: float = 1,
) -> str:
    """Look until it is so; what was seen then. Raises LabError with the last that was seen."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        seen = look()
        if true(seen):
            return seen
        if time.monotonic() > deadline:
            raise LabError(f"not within {deadline_seconds:g} s: {wanted}; there is:\n{seen}")
        time.sleep(pause_seconds)


@contextmanager
def running(
    image: Image,
    *,
    firmware: Firmware = "bios",
    medium: Medium = "cd",
    cables: bool = True,
    unattended: bool = False,
) -> Iterator[LiveServer]:
    """Boot the reference server from the image, and end it.

    Unattended, nobody touches it; else the kernel is told at the menu what makes its emulation quicker.
    With cables it is given when all that starts at boot has started; without them when it shows a login.
    """
    described = hardware.REFERENCE
    if not cables:
        described = replace(described, nics=tuple(replace(nic, link_up=False) for nic in described.nics))

    def wait(server: LiveServer) -> None:
        if not unattended and medium != "network":
            server.tell_kernel(SAME_ADDRESSES)
        if cables:
            server.await_up()
        else:
            server.await_serial(LOGIN)

    with ExitStack() as stack:
        name = f"{image.path.name} by {firmware} from {medium}"
        yield booted(name, lambda tried: _switched_on(image, described, firmware, medium, tried), wait, stack)


@contextmanager
def switched_on(image: Image, *, medium: Medium = "cd") -> Iterator[LiveServer]:
    """The server as the power button leaves it, for images that nobody can log in to."""
    with ExitStack() as stack:
        yield _switched_on(image, hardware.REFERENCE, "bios", medium, stack)


def _switched_on(
    image: Image, described: hardware.Server, firmware: Firmware, medium: Medium, stack: ExitStack
) -> LiveServer:
    # A short path: a Unix socket's name holds 107 bytes.
    work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bee-live-", dir="/var/tmp")))
    shutil.copyfile(image.key, work / "key")
    (work / "key").chmod(0o600)
    tempting_disks.write(described, work)
    bmc = described.bmc() if described.bmc else None
    if bmc is not None:
        stack.enter_context(BmcLink(bmc, work / "bmc"))
    ports = {22: free_port(), 80: free_port()}
    script = ""
    if medium == "network":
        script = stack.enter_context(netboot.served(image.path, work / "netboot", SAME_ADDRESSES))
    words = live_command.command(described, image.path, firmware, medium, work, ports, script)
    process = stack.enter_context(started(words, work))
    server = LiveServer(work, process, ports, bmc, described)
    stack.callback(server.hang_up)
    power_on(server, described)
    return server
