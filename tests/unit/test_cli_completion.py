"""Tab: the completion script and argcomplete's protocol, in a real bash."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Tab = Callable[[str], set[str]]

ROOT = Path(__file__).resolve().parents[2]

# What bash does when Tab is pressed behind a line.
TAB = """
source {script}
COMP_LINE=$1 COMP_POINT=${{#1}} COMP_TYPE=9
read -ra COMP_WORDS <<<"$1"
_bee {bee}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def tab(tmp_path: Path) -> Tab:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    bee = tmp_path / "bee"
    bee.write_text(f'#!/bin/sh\nexec {sys.executable} -m bee_cli.main "$@"\n')
    bee.chmod(0o755)
    script = tmp_path / "tab.sh"
    script.write_text(TAB.format(script=ROOT / "clients/completions/bee.bash", bee=bee))

    def press(line: str) -> set[str]:
        ended = subprocess.run(
            ["bash", str(script), line],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ended.stderr == ""
        return {word.strip() for word in ended.stdout.split("\n")} - {""}

    return press


def test_commands(tab: Tab) -> None:
    assert {"audit", "capture", "status", "decode"} <= tab("bee ")
    assert tab("bee cap") == {"capture"}


def test_options(tab: Tab) -> None:
    assert tab("bee audit --re") == {"--replay"}
    assert {"--json", "--qr", "--section", "--private"} <= tab("bee audit --")


def test_sections_and_kinds(tab: Tab) -> None:
    assert tab("bee audit --section m") == {"memory"}
    assert {"smbios", "fru", "vpd", "pci"} <= tab("bee decode ")


def test_files(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "capture-of-a-machine.tar.gz").touch()

    assert tab("bee audit --replay cap") == {"capture-of-a-machine.tar.gz"}
