"""`make install`: the tree that a Debian 13 system wants, and programs in it that start."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bee_bus.names import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(
    str(path.parent.relative_to(ROOT))
    for room in ("dbus", "services", "clients")
    for path in ROOT.glob(f"{room}/*/__init__.py")
)


def _make(*words: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")
    }
    ended = subprocess.run(
        ["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def _files(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def make_is_there() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("staged")
    _make("install", f"DESTDIR={folder}")
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_the_packages_is_there(staged: Path, package: str) -> None:
    source = ROOT / package
    installed = staged / "usr/local/lib/bee" / source.name
    expected = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }

    fetched = {name for name in _files(installed) if name.startswith("static/vendor/")}
    assert _files(installed) - fetched == expected


def test_what_draws_the_charts_is_there_with_its_licence(staged: Path) -> None:
    folder = staged / "usr/local/lib/bee/bee_web/static/vendor"
    assert _files(folder) == {"uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE"}
    assert "MIT" in (folder / "uPlot.LICENSE").read_text()


def test_limits_travel_with_the_rules(staged: Path) -> None:
    assert list((staged / "usr/local/lib/bee/bee_audit/rules/limits").glob("*.toml"))


def test_what_the_system_reads_stands_where_it_looks(staged: Path) -> None:
    files = _files(staged)

    for name in (
        "usr/share/dbus-1/system.d/org.bee.Audit1.conf",
        "usr/share/dbus-1/system-services/org.bee.Audit1.service",
        "usr/share/polkit-1/actions/org.bee.policy",
        "usr/lib/systemd/system/bee-auditd.service",
        "usr/lib/systemd/system/bee-audit.service",
        "usr/lib/systemd/system/bee-web.socket",
        "usr/lib/systemd/system/bee-web.service",
        "usr/lib/systemd/system/bee-web-token.service",
        "usr/lib/sysusers.d/bee.conf",
        "usr/lib/tmpfiles.d/bee-web.conf",
        "usr/local/share/bee/interfaces/org.bee.Audit1.xml",
        "usr/local/share/bee/schemas/audit-snapshot.json",
        "usr/local/share/man/man1/bee.1",
        "usr/local/share/bash-completion/completions/bee",
    ):
        assert name in files
    assert any(name.startswith("usr/share/polkit-1/rules.d/") for name in files)


def test_only_the_launchers_can_be_run(staged: Path) -> None:
    programs = {name for name in _files(staged) if os.access(staged / name, os.X_OK)}

    services = {f"usr/local/lib/bee/bin/{service.program}" for service in SERVICES}
    stress = {"usr/local/bin/bee-gpu-stress", "usr/local/lib/bee/bin/bee-gpu-stress"}
    menu = {"usr/local/bin/bee-tui", "usr/local/bin/menu", "usr/local/lib/bee/bin/bee-tui"}
    people = {"usr/local/bin/bee", "usr/local/lib/bee/bin/bee-web", *stress, *menu}
    assert programs == {*people, *services}


def test_every_file_can_be_read_by_everybody(staged: Path) -> None:
    assert all((staged / name).stat().st_mode & 0o444 == 0o444 for name in _files(staged))


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="the launchers ask for /usr/bin/python3")
@pytest.mark.parametrize(
    "program", ["bin/bee", "lib/bee/bin/bee-tui", "lib/bee/bin/bee-web", "lib/bee/bin/bee-auditd"]
)
def test_the_staged_programs_start_from_wherever_they_are(staged: Path, tmp_path: Path, program: str) -> None:
    """Also through a link, in a foreign folder, with an environment that points elsewhere."""
    link = tmp_path / "program"
    link.symlink_to(staged / "usr/local" / program)
    (tmp_path / "bee_cli.py").write_text("raise SystemExit('somebody else')")
    (tmp_path / "bee_audit.py").write_text("raise SystemExit('somebody else')")

    ended = subprocess.run(
        [link, "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("bee")


@pytest.mark.skipif(not Path("/usr/bin/python3").is_symlink(), reason="no /usr/bin/python3 as Debian has it")
@pytest.mark.parametrize("same", [True, False])
def test_modules_are_compiled_for_the_python_that_will_run_them(tmp_path: Path, same: bool) -> None:
    python = tmp_path / "usr/bin/python3"
    python.parent.mkdir(parents=True)
    python.symlink_to(os.readlink("/usr/bin/python3") if same else "python3.99")

    _make("install", f"DESTDIR={tmp_path}")

    compiled = list((tmp_path / "usr/local/lib/bee").rglob("*.pyc"))
    assert bool(compiled) == same
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in compiled)


def test_another_prefix_is_named_in_the_units(tmp_path: Path) -> None:
    _make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/bee")

    assert (tmp_path / "opt/bee/bin/bee").is_file()
    for script in ("bin/bee-tui", "bin/menu", "share/bee/profile"):
        assert "/usr/local/" not in (tmp_path / "opt/bee" / script).read_text("utf-8"), script
    assert "/opt/bee/lib/bee/bin/bee-tui" in (tmp_path / "opt/bee/bin/bee-tui").read_text("utf-8")
    for name in _files(tmp_path):
        if name.endswith((".service", ".conf", ".policy", ".rules")):
            assert "/usr/local/" not in (tmp_path / name).read_text("utf-8"), name


def test_installing_again_leaves_no_module_of_an_older_bee(staged: Path) -> None:
    stale = staged / "usr/local/lib/bee/bee_cli/stale.py"
    stale.write_text("")

    _make("install", f"DESTDIR={staged}")

    assert not stale.exists()


def test_uninstalling_leaves_nothing(tmp_path: Path) -> None:
    _make("install", f"DESTDIR={tmp_path}")
    _make("uninstall", f"DESTDIR={tmp_path}")

    assert _files(tmp_path) == set()
