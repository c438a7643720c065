"""The live image under test, built beside the other tests, with a key of the lab's own.

``BEE_ISO=FILE`` names an image to test instead, and ``BEE_ISO_KEY`` the private key that it lets in.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.rootfs import CACHE, CHECKOUT
from lab.server import LabError

FOLDER = CACHE / "iso"
PROGRAM = CHECKOUT / "iso" / "build-in-container.sh"
# Debian's driver: what is built for the pinned kernel, and fetched from nowhere but the archive.
OPTIONS = ("--nvidia", "debian")
QUICK_COMPRESSION = {"BEE_ISO_COMPRESSION_LEVEL": "1"}
BUILD_DEADLINE_SECONDS = 3000
END_DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Image:
    """A live image, and the private key whose public half it lets in as root and as the live user."""

    path: Path
    key: Path


class Build:
    """An image that is being built in the background, behind everything else that this machine does."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log = FOLDER / "build.log"
        if chosen := os.environ.get("BEE_ISO"):
            self.image = Image(Path(chosen), Path(os.environ.get("BEE_ISO_KEY", FOLDER / "key")))
            return
        self.image = Image(FOLDER / "bee.iso", _key())
        keys = self.image.key.with_suffix(".pub")
        words = [str(PROGRAM), "--authorized-keys", str(keys), "--output", str(self.image.path), *OPTIONS]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["nice", "-n", "15", *words],
                env={**os.environ, **QUICK_COMPRESSION},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, report: Callable[[str], None]) -> Image:
        """The image, once it is there; ``report`` is told what the build does meanwhile.

        Raises LabError with the end of the build's log when it failed.
        """
        if self._process is None:
            return self.image
        deadline, told = time.monotonic() + BUILD_DEADLINE_SECONDS, ""
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self.stop()
                raise LabError(f"no image after {BUILD_DEADLINE_SECONDS} s\n{self._tail()}")
            if (line := self._tail(lines=1)) != told:
                report(line)
                told = line
            time.sleep(1)
        if self._process.returncode:
            raise LabError(f"the image's build ended with {self._process.returncode}\n{self._tail()}")
        return self.image

    def stop(self) -> None:
        """End a build that nobody waits for any more."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=END_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _tail(self, *, lines: int = 40) -> str:
        said = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(said[-lines:])


def _key() -> Path:
    """The lab's own key; it is kept, since the image that holds it is."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    key = FOLDER / "key"
    if not key.exists():
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)]
        subprocess.run(words, check=True)
    return key
