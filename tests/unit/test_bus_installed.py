"""The bus package where it is installed: what it is told by systemd, and where it finds its files."""

import shutil
import subprocess
import sys
from pathlib import Path

import dbus_next
import pytest

import bee_bus
from bee_bus.connection import Match, system_bus_address
from bee_bus.interfaces import folder
from bee_bus.sd_notify import notify, watchdog_seconds


def test_installed_the_interfaces_are_found_under_the_same_prefix(tmp_path: Path) -> None:
    package = tmp_path / "opt/lib/bee/bee_bus"
    shutil.copytree(Path(bee_bus.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(folder(), tmp_path / "opt/share/bee/interfaces")
    code = "from bee_bus.interfaces import folder, load; load('org.bee.Audit1'); print(folder())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{package.parent}:{Path(dbus_next.__file__).parents[1]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(tmp_path / "opt/share/bee/interfaces")


def test_without_systemd_nobody_is_told_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in ("", "relative", f"{tmp_path}/nobody", "@nobody-listens-here"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdogs_period_is_systemds(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], seconds: float | None
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert watchdog_seconds() == seconds


def test_the_system_bus_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/elsewhere")
    assert system_bus_address() == "unix:path=/elsewhere"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
    assert system_bus_address() == "unix:path=/run/dbus/system_bus_socket"


def test_a_match_is_written_as_the_bus_reads_it() -> None:
    assert Match(sender="org.bee.Audit1", path_namespace="/org/bee", member="X").rule() == (
        "type='signal',sender='org.bee.Audit1',path_namespace='/org/bee',member='X'"
    )
