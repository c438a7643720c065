"""The ISO's build in a folder of the lab: the program as it is, with stand-ins for what makes a Debian tree.

``tests/lab/live_build`` holds them: mmdebstrap, systemd-nspawn and lb refuse what the real ones would, and
write down how they were called. The archive is a web server with the one file that the build reads of it.
"""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = CHECKOUT / "iso" / "build-in-container.sh"
STAND_INS = Path(__file__).parent / "live_build"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class ImageBuild:
    folder: Path
    mirror: str

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def staged(self) -> Path:
        return self.work / "staged"

    @property
    def image(self) -> Path:
        return self.folder / "bee.iso"

    def calls(self) -> list[str]:
        """What the stand-ins were asked, in order, one line each."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def archive_changes(self, text: str) -> None:
        (self.folder / "archive/dists/trixie/InRelease").write_text(text)

    def run(self, *words: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
        """Build with these arguments beside the lab's; variables are set as given."""
        lab: Sequence[str | Path] = ("--mirror", self.mirror, "--output", self.image, "--nvidia", "none")
        return run_builder(*lab, *words, **self._variables(), **environment)

    def start(self, *words: str | Path, **environment: str | Path) -> subprocess.Popen[str]:
        """The same, under way and leading a process group of its own."""
        return subprocess.Popen(
            [PROGRAM, "--mirror", self.mirror, "--output", self.image, "--nvidia", "none", *words],
            env=_environment({**self._variables(), **environment}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _variables(self) -> dict[str, str | Path]:
        return {
            "BEE_ISO_DIRECTORY": self.work,
            "LAB_CALLS": self.folder / "calls",
            "PATH": f"{STAND_INS}:{os.environ['PATH']}",
        }


def run_builder(*words: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words],
        env=_environment(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def _environment(more: Mapping[str, str | Path]) -> dict[str, str]:
    outer = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "SOURCE_DATE_EPOCH") and not name.startswith("BEE_")
    }
    return {**outer, **{name: str(value) for name, value in more.items()}}


@contextmanager
def image_build(folder: Path) -> Iterator[ImageBuild]:
    release = folder / "archive/dists/trixie"
    release.mkdir(parents=True)
    (release / "InRelease").write_text("Suite: stable\nVersion: 13.1\n")
    handler = partial(_Quiet, directory=folder / "archive")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield ImageBuild(folder, f"http://127.0.0.1:{server.server_address[1]}/")
        finally:
            server.shutdown()
            thread.join()
