"""A person changes a file and builds again: what Debian gives is taken as it is, and the image is whole."""

import os
import subprocess
from pathlib import Path

import pytest

from lab import iso
from lab.iso import Image

pytestmark = [pytest.mark.iso, pytest.mark.timeout(1800)]


@pytest.mark.skipif("BEE_ISO" in os.environ, reason="the image was given, not built")
def test_a_second_build_takes_debians_tree_and_the_driver_as_they_are(
    live_image: Image, tmp_path: Path
) -> None:
    second = tmp_path / "second.iso"
    keys = live_image.key.with_suffix(".pub")

    ended = subprocess.run(
        [str(iso.PROGRAM), "--authorized-keys", str(keys), "--output", str(second), *iso.OPTIONS],
        env={**os.environ, **iso.QUICK_COMPRESSION},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert "installing Debian's packages" not in ended.stdout
    assert "making the builder" not in ended.stdout
    assert second.stat().st_size == pytest.approx(live_image.path.stat().st_size, rel=0.02)
    second.unlink()
