"""A whole server in QEMU (emulated, so it runs anywhere), driven over SSH.

``with running(hardware.REFERENCE) as server: server.run("bee audit --json")``. All of it is ended when the
block is left, whatever happened in it; what it said on its serial port is in the error when it does not
come up.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab import disk_image, hardware, qemu_command, rootfs
from lab.bmc import Bmc
from lab.bmc_link import BmcLink

BOOT_DEADLINE_SECONDS = 300
BOOT_ATTEMPTS = 3
NETWORK = f"""[Match]
MACAddress={qemu_command.SSH_MAC}
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
"""
# The other cards are up as on a server that awaits its cables, so that their links can be seen.
OTHER_NETWORKS = """[Match]
Type=ether
[Link]
ActivationPolicy=up
RequiredForOnline=no
[Network]
LinkLocalAddressing=no
"""
# sshd would refuse us for having looked at its banner.
SSHD = "PerSourcePenalties no\n"


class LabError(Exception):
    """The machine did not do what it was asked; its serial log is in the message."""


class Server:
    """A running server. ``bmc`` is the live one: what a test changes in it, the next reading shows."""

    def __init__(self, work: Path, port: int, bmc: Bmc | None) -> None:
        self.bmc = bmc
        self._work = work
        self._port = port
        self._ssh = [
            *("ssh", "-F", "none", "-p", str(port), "-i", str(work / "key")),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=30"),
            *("-o", f"ControlPath={work / 'ssh'}", "-o", "ControlMaster=auto", "-o", "ControlPersist=yes"),
            "root@127.0.0.1",
        ]

    def run(
        self, command: str, *, user: str | None = None, deadline_seconds: float = 120, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a shell command as root or as ``user``; raises LabError when it fails and ``check`` is on."""
        ended = self._call(_as_user(command, user), deadline_seconds=deadline_seconds)
        result = subprocess.CompletedProcess(
            command,
            ended.returncode,
            ended.stdout.decode(errors="replace"),
            ended.stderr.decode(errors="replace"),
        )
        if check and result.returncode:
            raise LabError(f"{command}: ended with {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def fetch(self, path: str) -> bytes:
        """The content of a file of the server."""
        ended = self._call(f"cat {shlex.quote(path)}")
        if ended.returncode:
            raise LabError(f"{path}: {ended.stderr.decode(errors='replace')}")
        return ended.stdout

    def send(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file on the server."""
        quoted = shlex.quote(path)
        ended = self._call(f"cat > {quoted} && chmod {mode:o} {quoted}", stdin=content)
        if ended.returncode:
            raise LabError(f"{path}: {ended.stderr.decode(errors='replace')}")

    def monitor(self, execute: str, **arguments: Any) -> Any:
        """One QMP command to QEMU: faults that only the emulator can make."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(30)
            connection.connect(str(self._work / "qmp"))
            stream = connection.makefile("rw")
            stream.readline()  # the greeting
            for request in ({"execute": "qmp_capabilities"}, {"execute": execute, "arguments": arguments}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = _answer(stream)
            if "error" in answer:
                raise LabError(f"{execute}: {answer['error']['desc']}")
            return answer["return"]

    def inject_aer(self, device: str, error: str, *, correctable: bool = False) -> None:
        """Make a PCIe device report an error to the root port above it (names as in `man qemu`, AER)."""
        flag = "-c " if correctable else ""
        said = self.monitor(
            "human-monitor-command", **{"command-line": f"pcie_aer_inject_error {flag}{device} {error}"}
        )
        if not said.startswith("OK"):
            raise LabError(f"pcie_aer_inject_error {device} {error}: {said}")

    def serial_log(self) -> str:
        path = self._work / "serial.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _call(
        self, command: str, *, stdin: bytes = b"", deadline_seconds: float = 120
    ) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(
                [*self._ssh, command],
                check=False,
                input=stdin,
                capture_output=True,
                timeout=deadline_seconds,
            )
        except subprocess.TimeoutExpired as late:
            raise LabError(
                f"{command}: no end after {deadline_seconds:.0f} s\n{self.serial_log()[-2000:]}"
            ) from late

    def _hang_up(self) -> None:
        words = [*self._ssh[:-1], "-O", "exit", self._ssh[-1]]
        subprocess.run(words, check=False, capture_output=True, timeout=30)


@contextmanager
def running(described: hardware.Server) -> Iterator[Server]:
    """Boot the server that is described, and end it."""
    boot = disk_image.boot_files()
    with ExitStack() as stack:
        yield _booted(described, boot, stack)


def _booted(described: hardware.Server, boot: disk_image.BootFiles, stack: ExitStack) -> Server:
    """A server that is up; all that belongs to it is ended with ``stack``."""
    for attempt in range(1, BOOT_ATTEMPTS + 1):
        with ExitStack() as tried:
            started = time.monotonic()
            server, process = _switched_on(described, boot, tried)
            try:
                _await_ssh(server, process)
                _await_boot(server)
            except LabError:
                # Kernels patch their own code as they start, and QEMU's translator loses that race once in
                # some tens of boots. That is the emulator's fault, and a second boot shows it.
                if "Kernel panic" not in server.serial_log() or attempt == BOOT_ATTEMPTS:
                    raise
                rootfs.report(f"server {described.name}: the emulated kernel crashed as it started; again")
                continue
            rootfs.report(f"server {described.name}: up after {time.monotonic() - started:.0f} s")
            stack.enter_context(tried.pop_all())
            return server
    raise AssertionError("the last attempt returns or raises")


def _switched_on(
    described: hardware.Server, boot: disk_image.BootFiles, stack: ExitStack
) -> "tuple[Server, subprocess.Popen[bytes]]":
    # A short path: a Unix socket's name holds 107 bytes.
    work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bee-lab-", dir="/var/tmp")))
    initrd = work / "initrd"
    disk_image.write_initrd(initrd, kernel_release=boot.kernel_release, overlay=_overlay(work))
    bmc = described.bmc() if described.bmc else None
    if bmc is not None:
        stack.enter_context(BmcLink(bmc, work / "bmc"))
    port = _free_port()
    words = qemu_command.command(described, boot=boot, initrd=initrd, work=work, ssh_port=port)
    process = stack.enter_context(_started(words, work))
    server = Server(work, port, bmc)
    stack.callback(server._hang_up)
    _power_on(server, process, described)
    return server, process


@contextmanager
def _started(words: list[str], work: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with (work / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def _overlay(work: Path) -> dict[str, tuple[bytes, int]]:
    """This run's key and network, laid over the disk by the initrd."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(work / "key")], check=True
    )
    return {
        "/root/.ssh/authorized_keys": ((work / "key.pub").read_bytes(), 0o600),
        "/etc/ssh/sshd_config.d/lab.conf": (SSHD.encode(), 0o644),
        "/etc/systemd/network/10-lab.network": (NETWORK.encode(), 0o644),
        "/etc/systemd/network/20-others.network": (OTHER_NETWORKS.encode(), 0o644),
    }


def _power_on(server: Server, process: "subprocess.Popen[bytes]", described: hardware.Server) -> None:
    """QEMU waits with its processors stopped, so that what is unplugged is so from the first reset on."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.monitor("query-status")
            break
        except OSError:
            time.sleep(0.1)
    if process.poll() is None:
        for nic in described.nics:
            server.monitor("set_link", name=nic.name, up=nic.link_up)
        server.monitor("cont")


def _await_ssh(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + BOOT_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = (server._work / "qemu.log").read_text(errors="replace")
            raise LabError(f"QEMU ended with {process.returncode}: {said}\n{server.serial_log()[-4000:]}")
        if _has_banner(server._port):
            return
        time.sleep(0.5)
    raise LabError(f"no SSH after {BOOT_DEADLINE_SECONDS} s\n{server.serial_log()[-8000:]}")


def _await_boot(server: Server) -> None:
    """Wait until systemd has nothing left to start; units that failed are for tests to find."""
    server.run("systemctl is-system-running --wait || true", deadline_seconds=BOOT_DEADLINE_SECONDS)
    server.run("udevadm settle --timeout=120", deadline_seconds=150)


def _has_banner(port: int) -> bool:
    # QEMU itself accepts the connection, so only a banner says that sshd is there.
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _as_user(command: str, user: str | None) -> str:
    return command if user is None else f"runuser -u {shlex.quote(user)} -- sh -c {shlex.quote(command)}"


def _answer(stream: Any) -> Any:
    """The next answer on a QMP stream, past the events."""
    while True:
        message = json.loads(stream.readline())
        if "return" in message or "error" in message:
            return message
