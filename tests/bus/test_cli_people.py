"""Who runs bee, and where: users of every kind, terminals, and people who change their mind."""

import os
import re
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bee_bus.names import AUDIT
from bee_cli.programs import program
from lab.bus.private import OPERATOR_UID, STRANGER_UID, LabBus, bad_polkit, until
from lab.cli import CODES, Terminal, as_user, document, processes_on

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="auditing a machine needs root")

MakeBus = Callable[..., LabBus]


@pytest.fixture
def audit_bus(make_bus: MakeBus, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> LabBus:
    """A bus with the audit service and users of every kind: the system bus of the test's commands."""
    for name in ("BEE_LOG_DIRECTORY", "PATH"):
        monkeypatch.setenv(name, environment[name])
    bus = make_bus(services={AUDIT.bus_name: [program("bee-auditd")]})
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    return bus


def test_a_member_of_the_group_may_audit_without_being_root(
    audit_bus: LabBus, environment: dict[str, str]
) -> None:
    ended = as_user(OPERATOR_UID, environment, "audit", "--json")

    snapshot = document(ended)
    assert ended.returncode == CODES[snapshot["hardware"]["summary"]["verdict"]]


def test_a_stranger_may_look_and_is_told_whom_to_ask_for_the_rest(
    audit_bus: LabBus, environment: dict[str, str]
) -> None:
    assert "org.bee.Audit1" in as_user(STRANGER_UID, environment, "status").stdout
    for command in ("audit", "capture"):
        ended = as_user(STRANGER_UID, environment, command)
        assert ended.returncode == 3
        assert ended.stdout == ""
        assert "group bee" in ended.stderr


def test_on_a_terminal_there_is_progress_which_is_gone_at_the_end_and_colour(
    environment: dict[str, str],
) -> None:
    shown = Terminal(environment, "--private", "audit").read_all()

    progress, page = shown.rsplit("\r\x1b[K", 1)
    assert "audit" in progress
    assert "\n" not in progress
    assert re.search(r"\x1b\[1;3\dm", page)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(environment: dict[str, str], name: str, value: str) -> None:
    environment[name] = value

    page = Terminal(environment, "--private", "audit").read_all().rsplit("\r\x1b[K", 1)[-1]

    assert "audited" in page
    assert "\x1b" not in page


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def interrupted(terminal: Terminal, number: signal.Signals) -> str:
    """What bee shows when it is told to end, which it must do at once and say in its exit code."""
    started = time.monotonic()
    terminal.process.send_signal(number)
    shown = terminal.read_all()
    assert time.monotonic() - started < 5
    assert terminal.process.returncode == 128 + number
    assert "Traceback" not in shown
    return shown


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", ["audit", "capture"])
def test_an_interrupted_command_takes_its_private_bus_along(
    environment: dict[str, str], number: signal.Signals, command: str
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path has to be short
        terminal = Terminal({**environment, "TMPDIR": folder}, "--private", command)
        until(lambda: list(Path(folder).glob("bee-*/bus")))

        interrupted(terminal, number)

        assert os.listdir(folder) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_that_waits_for_polkit_can_be_interrupted(
    make_bus: MakeBus, environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    bus = make_bus(services={AUDIT.bus_name: [program("bee-auditd")]}, polkit=bad_polkit("hang"))
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    terminal = Terminal(environment, "capture", "-o", str(tmp_path / "capture"))
    until(lambda: "bee-auditd" in processes_on(bus), 30)
    time.sleep(0.5)

    interrupted(terminal, number)

    assert not list(tmp_path.glob("*capture*"))
