"""A disk that is really full: a small tmpfs in a mount namespace of its own, with a program on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# For a program of its own that builds on this folder too.
WITH_LAB = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def on_small_disk(folder: Path, program: str, *, size_bytes: int) -> str:
    """What the Python text ``program`` prints, run in a folder ("." and ``DISK``) that holds so much.

    Skips the test where nobody may mount.
    """
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("a full disk needs root: a tmpfs in a mount namespace of its own")
    mount = f"mount -t tmpfs -o size={size_bytes} bee-test '{folder}' && cd '{folder}' && exec \"$@\""
    text = f"from pathlib import Path\nDISK = Path({str(folder)!r})\n{program}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", text],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=WITH_LAB,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
