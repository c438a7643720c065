"""The house's rules, checked as tests: style, types, who imports whom, and all that is not Python."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BESIDE_PYTHON = Path(sys.executable).parent


def _check(*argv: str | Path) -> None:
    """Run one checker over the tree; its whole complaint is the failure."""
    paths = os.pathsep.join(str(ROOT / room) for room in ("dbus", "services", "clients"))
    ended = subprocess.run(
        [str(word) for word in argv],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        pytest.fail(f"{argv[0]} complains:\n{ended.stdout}", pytrace=False)


def _need(program: str, package: str) -> str:
    if found := shutil.which(program):
        return found
    missing = f"{program} is not installed: apt-get install {package}"
    if os.geteuid() == 0:
        pytest.fail(missing, pytrace=False)  # a check that was left out must not look like one that passed
    pytest.skip(missing)


def _tracked(*patterns: str) -> Sequence[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())


def _scripts() -> Sequence[Path]:
    """Every shell script, by its name or its first line."""
    candidates = _tracked(
        ".ci/*", "clients/completions/*", "clients/console/*", "iso/**/*", "systemd/**/*", "tests/lab/**/*"
    )
    return [path for path in candidates if path.suffix in (".sh", ".bash") or _has_shell_line(path)]


def _has_shell_line(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.rstrip().endswith((b"sh", b"sh -e", b"sh -eu"))


def test_ruff_finds_nothing() -> None:
    _check(BESIDE_PYTHON / "ruff", "check", "--quiet", ".")


def test_the_code_is_formatted() -> None:
    _check(BESIDE_PYTHON / "ruff", "format", "--check", ".")


@pytest.mark.timeout(600)
def test_types_hold() -> None:
    _check(sys.executable, "-m", "mypy")


def test_nobody_imports_across_the_bus() -> None:
    _check(BESIDE_PYTHON / "lint-imports")


def test_only_the_contract_imports_dbus_next() -> None:
    for package in ("services", "clients"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text("utf-8")
            assert "import dbus_next" not in text and "from dbus_next" not in text, path


@pytest.mark.parametrize("script", _scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_shell_scripts(script: Path) -> None:
    _check(_need("shellcheck", "shellcheck"), "--severity=style", script)


XML = _tracked("dbus/**/*.xml", "dbus/**/*.conf", "dbus/**/*.policy")


@pytest.mark.parametrize("document", XML, ids=lambda path: str(path.relative_to(ROOT)))
def test_xml_is_well_formed(document: Path) -> None:
    _check(_need("xmllint", "libxml2-utils"), "--noout", "--nonet", document)


@pytest.mark.parametrize("page", _tracked("clients/man/*"), ids=lambda path: path.name)
def test_manual_pages(page: Path) -> None:
    _check(_need("mandoc", "mandoc"), "-T", "lint", "-W", "style", page)


def test_bash_can_read_the_completion() -> None:
    _check("bash", "-n", ROOT / "clients/completions/bee.bash")
