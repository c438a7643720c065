"""The image under test, built in the background: progress is told, failure is no image, it can be ended."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import iso
from lab.server import LabError

Builder = Callable[[str], iso.Build]


@pytest.fixture
def building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """Starts a build whose program is this shell script; $4 is where the image goes."""

    def start(script: str) -> iso.Build:
        program = tmp_path / "build"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(iso, "PROGRAM", program)
        monkeypatch.setattr(iso, "FOLDER", tmp_path / "iso")
        return iso.Build()

    monkeypatch.delenv("BEE_ISO", raising=False)
    return start


def test_the_image_comes_with_the_key_that_it_lets_in(building: Builder) -> None:
    told: list[str] = []
    build = building('echo "[ 1/14] bee"; sleep 2; cp "$2" "$4"; test "$5 $6" = "--nvidia debian"')
    image = build.wait(told.append)
    assert "[ 1/14] bee" in told
    assert image.path.read_bytes() == image.key.with_suffix(".pub").read_bytes()
    assert image.key.stat().st_mode & 0o077 == 0


def test_a_build_that_failed_says_why(building: Builder) -> None:
    build = building('echo "step nvidia failed: wrong hash" >&2; exit 1')
    with pytest.raises(LabError, match="step nvidia failed: wrong hash"):
        build.wait(lambda line: None)


def test_a_build_that_nobody_waits_for_is_ended_with_its_children(building: Builder, tmp_path: Path) -> None:
    child = tmp_path / "child"
    build = building(f"sleep 600 & echo $! > {child}; wait")
    deadline = time.monotonic() + 30
    while not (child.exists() and child.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    build.stop()
    pid = child.read_text().strip()
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_image_that_somebody_names_is_taken_as_it_is(
    building: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEE_ISO", "/srv/bee.iso")
    monkeypatch.setenv("BEE_ISO_KEY", "/srv/key")
    build = building("exit 1")
    assert build.wait(lambda line: None) == iso.Image(Path("/srv/bee.iso"), Path("/srv/key"))
    build.stop()
