"""A booted Debian 13 with bee installed: real systemd, dbus-daemon and polkitd, in systemd-nspawn.

``with booted() as machine: machine.run(["busctl", "list"], user="member")``. It has no devices and no
network of the host's. Up in about two seconds; what it writes is gone afterwards.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import rootfs

BOOT_DEADLINE_SECONDS = 120
STOP_DEADLINE_SECONDS = 20


class ContainerError(Exception):
    """The machine did not come up or a command of it failed; its journal is in the message."""


class Container:
    """A booted machine; ``root`` is its filesystem as the host sees it."""

    def __init__(self, root: Path, init: int) -> None:
        self.root = root
        # Every namespace of its init: as close to a local shell as one gets from outside.
        self._enter = ("nsenter", "--target", str(init), *("-m", "-u", "-i", "-n", "-p", "-C"), "--")

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        deadline_seconds: float = 60,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        typed: str | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as a user of the machine, without a session, as cron or a service would.

        ``typed`` is its standard input.
        """
        become = () if user == "root" else ("runuser", "-u", user, "--")
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"}
        try:
            result = subprocess.run(
                [*self._enter, *become, *argv],
                check=False,
                input=typed or "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=deadline_seconds,
                env={**base, **(environment or {})},
            )
        except subprocess.TimeoutExpired as late:
            raise ContainerError(
                f"{' '.join(argv)}: no end after {deadline_seconds} s\n{self.journal()}"
            ) from late
        if check and result.returncode:
            said = f"{result.stdout}\n{result.stderr}"
            raise ContainerError(
                f"{' '.join(argv)}: ended with {result.returncode}\n{said}\n{self.journal()}"
            )
        return result

    def journal(self, *words: str) -> str:
        """The machine's journal since its boot, or what ``words`` select of it."""
        ended = subprocess.run(
            [*self._enter, "journalctl", "--no-pager", "--boot", "--output=short-precise", *words],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
        )
        return ended.stdout[-20000:]


def installed() -> tuple[Path, ...]:
    """The layers, topmost first, of a Debian 13 with bee installed."""
    return rootfs.bee_layer(), rootfs.base_layer()


@contextmanager
def booted(
    layers: Callable[[], tuple[Path, ...]] = installed,
    *,
    prepare: Callable[[Path], None] = lambda _root: None,
    network: Path | None = None,
) -> Iterator[Container]:
    """Boot a machine of its own, wait until systemd has nothing left to start, and end it.

    ``prepare`` gets the root filesystem before the machine starts; ``network`` is the network namespace that
    it lives in, else it has one with nothing in it.
    """
    upper = Path(tempfile.mkdtemp(prefix="container-", dir=rootfs.CACHE))
    upper.chmod(0o755)  # it becomes the machine's root folder
    log = upper.with_suffix(".log")
    try:
        with rootfs.merged(*layers(), upper=upper) as root:
            prepare(root)
            with _nspawn(root, log, network) as process:
                container = Container(root, _init(process, log))
                _await_boot(container)
                yield container
    finally:
        shutil.rmtree(upper)
        log.unlink(missing_ok=True)


@contextmanager
def _nspawn(root: Path, log: Path, network: Path | None) -> "Iterator[subprocess.Popen[bytes]]":
    words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]
    # A namespace of others' making is the machine's own all the same.
    given = [f"--network-namespace-path={network}", "--capability=CAP_NET_ADMIN"]
    words += given if network else ["--private-network"]
    words += ["--boot", "--console=passive", f"--directory={root}"]
    words += ["--capability=CAP_IPC_LOCK"]  # a real machine's root may lock memory
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask nspawn to shut the machine down; kill its init, and with it all else there, when it does not."""
    if process.poll() is None:
        init = _child(process.pid)
        process.terminate()
        try:
            process.wait(timeout=STOP_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            if init is not None:
                os.kill(init, signal.SIGKILL)
            process.kill()
            process.wait(timeout=STOP_DEADLINE_SECONDS)


def _init(process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + BOOT_DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        init = _child(process.pid)
        # Until it is systemd, nspawn is still preparing the namespaces there.
        if init is not None and Path(f"/proc/{init}/comm").read_text().strip() == "systemd":
            return init
        time.sleep(0.05)
    raise ContainerError(f"systemd-nspawn started no machine: {log.read_text(errors='replace')}")


def _child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def _await_boot(container: Container) -> None:
    """Until systemd says "running" or "degraded"; which units failed is for tests to find."""
    deadline = time.monotonic() + BOOT_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        # Its bus may not be there yet, which is an error of systemctl and not yet one of the machine.
        state = container.run(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
        if state in ("running", "degraded"):
            return
        time.sleep(0.1)
    raise ContainerError(f"the machine is not up: {container.journal()}")
