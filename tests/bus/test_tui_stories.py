"""The menu in a real terminal, against the real services: what a technician does and meets."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from bee_bus.names import AUDIT
from lab.bus.private import OPERATOR_UID, STRANGER_UID, LabBus, python_command, until
from lab.cli import processes_on
from lab.gpus import gpu_machine
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.tui import Tui

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="auditing a machine needs root")

MakeBus = Callable[..., LabBus]
MakeSat = Callable[..., SatMachine]


@pytest.fixture
def sat(make_sat: MakeSat) -> SatMachine:
    """A healthy server with all services, which can keep its audits."""
    machine = make_sat()
    machine.runs.parent.mkdir()
    return machine


@contextmanager
def menu(bus: LabBus, **keywords: object) -> Iterator[Tui]:
    """The menu on the machine's bus, its first screen complete."""
    with Tui(bus.environment, **keywords) as tui:  # type: ignore[arg-type]
        tui.until("Verdict", "Audit", "Shell")
        yield tui


# A first audit.


def test_a_first_audit_with_arrows_and_enter_alone(sat: SatMachine) -> None:
    """From the first screen to what is wrong, what to do about it, and the part that it is about."""
    sat.memory_error(uncorrected=1)
    with menu(sat.bus) as tui:
        tui.until("not audited since this machine started")
        tui.choose("Audit")
        tui.choose("Audit this machine now")
        tui.until("The audit has ended.", "CRITICAL")
        text = tui.until("uncorrected")
        assert text.index("CRITICAL") < text.index("Next:")
        tui.choose("memory/")
        tui.until("Where:", "Rule: memory.")
        tui.press("Enter")
        tui.until_gone("Rule: memory.")
        tui.choose(" memory ")
        tui.until("› memory", "P1-DIMMB1")
        tui.choose(" P1-DIMMB1  ")
        tui.until("› memory › P1-DIMMB1", "part number", "M321R8GA0BB0-CQKZJ")
        tui.press("Left", "Left", "Left")
        tui.until("Verdict   CRITICAL", "audited", "Web page")


def test_an_audit_is_followed_section_by_section_and_goes_on_without_the_screen(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.press("a")
        tui.until("Audit this machine now")
        tui.press("F5")
        tui.when(
            lambda text: "board " in text and ("running" in text or "waiting" in text), "sections at work"
        )
        tui.press("Escape")
        tui.until("audited", "Web page")
        tui.press("a")
        tui.until("audited", " memory ")


def test_an_audit_that_busctl_starts_is_seen_by_those_who_look(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.until("not audited")
        command = [
            "busctl",
            f"--address={sat.bus.address}",
            "call",
            AUDIT.bus_name,
            AUDIT.path,
            AUDIT.bus_name,
        ]
        subprocess.run([*command, "Run", "a{ss}", "0"], check=True, capture_output=True)
        tui.until_gone("not audited")
        assert "audited" in tui.line("Verdict")


def test_a_stranger_is_told_whom_to_ask_and_a_member_of_the_group_is_not_stopped(sat: SatMachine) -> None:
    with menu(sat.bus, uid=STRANGER_UID) as tui:
        tui.press("a")
        tui.choose("Audit this machine now")
        tui.until("administrator's password", "group bee")
        tui.press("Enter")
        tui.until_gone("administrator's password")
        tui.until("Audit this machine now")
    with menu(sat.bus, uid=OPERATOR_UID) as tui:
        tui.press("a")
        tui.choose("Audit this machine now")
        tui.until("The audit has ended.")


# Services that come and go.


def test_a_machine_without_the_services_says_what_is_missing(make_bus: MakeBus) -> None:
    with menu(make_bus(services={})) as tui:
        tui.when(lambda text: text.count("this service is not on this bus") == 2, "two services missing")
        tui.press("a")
        tui.until("this service is not on this bus", "Esc back")


def test_a_service_that_is_killed_is_back_by_itself(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.press("a")
        tui.choose("Audit this machine now")
        tui.until("The audit has ended.")
        kill(sat.bus, "bee_audit.main")
        tui.press("x")
        tui.until_gone("The audit has ended.")
        tui.press("F5")
        tui.until("The audit has ended.", " firmware ")
        kill(sat.bus, "bee_audit.main")
        tui.press("Left")
        tui.until("Verdict", "audited")


def kill(bus: LabBus, module: str) -> None:
    """Kill a service of this bus, as a fault of its own would."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().decode().split("\0")
            if module in command and bus.address in (process / "environ").read_text():
                os.kill(int(process.name), signal.SIGKILL)
                until(partial(gone, process))


def gone(process: Path) -> bool:
    return not process.exists()


def test_a_bus_that_goes_away_does_not_end_the_menu(make_bus: MakeBus, tmp_path: Path) -> None:
    bus = LabBus(services={})
    with bus, Tui(bus.environment) as tui:
        tui.until("not on this bus")
        bus.stop()
        tui.until("there is no bus")
        tui.press("a")
        tui.until("there is no bus", "Esc back")
        tui.press("C-c")
        assert tui.exit_status() == 0


def test_gpus_at_a_glance_are_live(tmp_path: Path) -> None:
    with FakeNvml("h100", count=8) as fake, gpu_machine(fake, tmp_path) as machine, menu(machine.bus) as tui:
        tui.until("8 × NVIDIA H100", " °C", " W")


# Terminals of every kind.


def test_without_colours_and_without_utf8_all_is_plain_ascii(sat: SatMachine) -> None:
    with menu(sat.bus, variables={"NO_COLOR": "1", "LC_ALL": "C"}) as tui:
        tui.choose("Audit")
        tui.choose("Audit this machine now")
        text = tui.until("The audit has ended.")
        assert text.isascii()
        assert "----" in text
        assert tui.colours() == set()


@pytest.mark.parametrize("term", ["linux", "vt220", "screen", "xterm-256color"])
def test_every_terminal_shows_the_words(sat: SatMachine, term: str) -> None:
    with menu(sat.bus, term=term) as tui:
        colours = tui.colours()
        assert bool(colours) == (term != "vt220")
        assert any(";" in colour for colour in colours) == (term == "xterm-256color")


def test_the_screen_follows_its_size_and_survives_a_tiny_one(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.press("a")
        tui.choose("Audit this machine now")
        tui.until("The audit has ended.")
        for columns, rows in ((40, 10), (20, 7), (19, 6), (5, 2), (1, 1), (200, 60), (80, 24)):
            tui.resize(columns, rows)
            tui.press("Down")
            if columns >= 20:
                tui.until("bee ›")
        tui.until(" firmware ", "Esc back")
        tui.press("C-c")
        assert tui.exit_status() == 0


def test_a_mouse_does_what_enter_does(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.click("Audit ")
        tui.until("Audit this machine now")
        tui.click("Audit this machine now")
        tui.until("The audit has ended.")
        tui.click("Esc back")
        tui.until("Web page")


def test_the_web_page_as_a_code_with_its_address_below(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.until("QR code")
        tui.press("w")
        text = tui.until("› Web page", "http://")
        assert "▀" in text
        assert text.index("▀") < text.index("http://")


# Keys that would end or stop other programs.


def test_a_shell_and_back_with_the_terminal_as_it_was(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.choose("Shell")
        tui.until("exit (or Ctrl-D) leads back")
        tui.type("PS1='ready> '; echo mark=$BEE_MENU; stty -a | grep -c 'intr = ^C'\n")
        tui.until("mark=1", "\n1\n")
        tui.type("sleep 1000\n")
        until(lambda: "sleep 1000" in processes_on(sat.bus))
        tui.press("C-c")
        until(lambda: "sleep 1000" not in processes_on(sat.bus))
        tui.type("sleep 1000\n")
        until(lambda: "sleep 1000" in processes_on(sat.bus))
        tui.press("C-z")
        tui.type("kill %1; stty raw -echo\n")
        tui.type("kill -STOP $$\n")
        tui.type("exit\n")
        tui.until("Web page", "Shell")
        tui.press("a")
        tui.until("Audit this machine now")


def test_no_key_stops_or_freezes_the_menu(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.press("C-z", "C-s", "C-q", "C-\\")
        tui.press("a")
        tui.until("Audit this machine now")
        tui.press("C-c")
        assert tui.exit_status() == 0


def test_keys_that_are_typed_ahead_are_all_taken(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        tui.until("not audited")
        tui.type("a\x1b[B\x1b[A")
        tui.press("Left")
        tui.press("q")
        assert tui.exit_status() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_leaves_the_terminal_in_order(sat: SatMachine, number: signal.Signals) -> None:
    shell = [*python_command("-m", "bee_tui.main")]
    script = (
        'before=$(stty -g); "$@"; echo "status $?"; test "$before" = "$(stty -g)" && echo restored; sleep 60'
    )
    with Tui(sat.bus.environment, command=["sh", "-c", script, "sh", *shell]) as tui:
        tui.until("Verdict", "Shell")
        os.kill(child_of(tui.pid), number)
        tui.until("status 0", "restored")


def child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def test_when_the_terminal_is_gone_so_is_the_menu(sat: SatMachine) -> None:
    with menu(sat.bus) as tui:
        pid = tui.pid
    until(lambda: not Path(f"/proc/{pid}").exists())


# How it is started.


def test_bee_tui_brings_its_own_bus_and_takes_it_along(tmp_path: Path) -> None:
    environment = {**os.environ, "BEE_LOG_DIRECTORY": str(tmp_path)}
    with Tui(environment, command=python_command("-m", "bee_cli.main", "--private", "tui")) as tui:
        tui.until("not audited since this machine started", seconds=60)
        tui.press("F10")
        assert tui.exit_status() == 0


def test_without_a_terminal_it_says_what_works_without_one() -> None:
    for command in (["-m", "bee_tui.main"], ["-m", "bee_cli.main", "tui"]):
        ended = subprocess.run(
            python_command(*command), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 3
        assert "terminal" in ended.stderr
        assert "Traceback" not in ended.stderr
