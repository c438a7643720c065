"""The library that draws the interactive charts: uPlot, fetched from the npm registry when bee is built.

Its archive is known by its hash, so that it is the same wherever it comes from. npm is not needed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import tarfile
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

NAME, VERSION = "uplot", "1.6.32"
INTEGRITY = "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
FILES = {
    "package/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "package/dist/uPlot.min.css": "uPlot.min.css",
    "package/LICENSE": "uPlot.LICENSE",
}
REGISTRY = "https://registry.npmjs.org"
_ARCHIVE_BYTES_MAX = 16 << 20
_DEADLINE_SECONDS = 60.0
_INSTALLED = Path(__file__).parent / "static" / "vendor"
_BUILT = Path(__file__).parents[2] / "dist" / "web" / "vendor"


def vendor_folder() -> Path:
    """Where its files are: beside the pages when bee is installed, else where `make web-assets` puts them."""
    return _INSTALLED if _INSTALLED.is_dir() else _BUILT


def main() -> int:
    """Put the files into the folder that is named, if they are not there."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _BUILT
    mark = folder / f".{NAME}-{VERSION}"
    if mark.exists() and all((folder / name).is_file() for name in FILES.values()):
        return 0
    try:
        unpack(fetch(), folder)
    except (OSError, ValueError, tarfile.TarError) as error:
        print(f"bee: {NAME} {VERSION} cannot be had from {registry()}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    mark.touch()
    return 0


def fetch() -> bytes:
    """The archive. Raises OSError, and ValueError when it is not the one that is wanted."""
    with urllib.request.urlopen(
        f"{registry()}/{NAME}/-/{NAME}-{VERSION}.tgz", timeout=_DEADLINE_SECONDS
    ) as reply:
        content: bytes = reply.read(_ARCHIVE_BYTES_MAX)
    found = f"sha512-{b64encode(hashlib.sha512(content).digest()).decode()}"
    if found != INTEGRITY:
        raise ValueError(f"its hash is {found}, not {INTEGRITY}")
    return content


def unpack(content: bytes, folder: Path) -> None:
    """The few files of it that are served, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member, name in FILES.items():
            file = archive.extractfile(member)
            if file is None:
                raise ValueError(f"there is no {member} in it")
            partial = folder / f".{name}.partial"
            partial.write_bytes(file.read())
            partial.replace(folder / name)


def registry() -> str:
    """The registry that npm would use: by its environment, its settings, or the public one."""
    named = os.environ.get("npm_config_registry")  # noqa: SIM112 (npm's own spelling)
    return (named or _of_settings() or REGISTRY).rstrip("/")


def _of_settings() -> str:
    try:
        text = (Path.home() / ".npmrc").read_text("utf-8", "replace")
    except (OSError, RuntimeError):
        return ""
    found = re.findall(r"^\s*registry\s*=\s*(\S+)", text, re.MULTILINE)
    return found[-1] if found else ""


if __name__ == "__main__":
    sys.exit(main())
