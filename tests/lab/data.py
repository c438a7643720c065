"""The captures of real machines that stand beside a developer's checkout, not in it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_data(relative: str) -> Path:
    """A file or folder of ../shared/data; skips the test where that is not there."""
    path = FOLDER / relative
    if not path.exists():
        pytest.skip(f"needs the captures in ../shared/data ({relative} is not there)")
    return path
