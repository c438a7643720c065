"""Acceptance tests in the menu, as a person at the console goes through them; the services are real."""

import asyncio
import os
import re
import signal
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bee_bus.client import AuditClient
from lab import smartctl
from lab.bus.private import OPERATOR_UID, STRANGER_UID, pid_of, until
from lab.disks import DiskShelf
from lab.freedesktop import UDISKS2, said, udisks2
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.sat.driving import held, loading
from lab.tui import Tui

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]
OpenMenu = Callable[..., Tui]

NVTOP = "This is nvtop, Enter ends it"


@pytest.fixture
def gpus(make_sat: MakeSat) -> Iterator[SatMachine]:
    """A server with two GPUs, whose load goes on until it is let go."""
    with FakeNvml("h100", count=2) as fake:
        sat = make_sat(fake=fake)
        sat.tools.behave(bee_gpu_stress="waits")
        yield sat


@pytest.fixture
def nvtop(tmp_path: Path) -> Path:
    """A folder for PATH with an nvtop, which counts how often it was opened."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "nvtop"
    program.write_text(f'#!/bin/sh\necho opened >> {folder}/count\necho "{NVTOP}"\nread line\n')
    program.chmod(0o755)
    return folder


def menu(sat: SatMachine, path: str = "/usr/bin:/bin", home: Path = Path("/root"), **keywords: object) -> Tui:
    variables = {"PATH": path, "HOME": str(home), **keywords.pop("variables", {})}  # type: ignore[dict-item]
    return Tui(sat.bus.environment, variables=variables, **keywords)  # type: ignore[arg-type]


def open_form(tui: Tui, pack: str) -> None:
    tui.until("Acceptance tests")
    tui.press("t")
    tui.until("Start a test", "Processors")
    tui.choose(pack)
    tui.until("[ Start ]")


def opened(nvtop: Path) -> int:
    count = nvtop / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


# A GPU run from the form to the chart.


async def test_the_form_of_nvidia_is_ready_to_be_started_as_it_is(gpus: SatMachine, nvtop: Path) -> None:
    with menu(gpus) as tui:
        open_form(tui, "bee-gpu-stress")
        form = tui.until("NVIDIA H100", "10 min")
        assert re.search(r"\(•\) 10 min +\( \) 1 h +\( \) 8 h +\( \) 24 h", form)
        assert re.findall(r"\[(.)\] +(\d) +NVIDIA H100 80GB HBM3 +80 GiB", form) == [("x", "0"), ("x", "1")]
        assert "the largest GPU has 80 GiB" in form

        tui.press("Right", "Enter")  # an hour
        tui.until("(•) 1 h")
        tui.press("Down", "Enter")  # without the first GPU
        tui.until("[ ]  0")
        tui.choose("[ Start ]")
        tui.until("RUNNING", "gpu-stress")

    await loading(gpus, "nvidia")
    (call,) = gpus.tools.calls("bee-gpu-stress")
    assert call["cuda_visible_devices"] == gpus.fake.value(1, "uuid")
    assert "3600" in call["words"]


async def test_nvtop_comes_with_the_run_is_closed_and_opened_again(gpus: SatMachine, nvtop: Path) -> None:
    with menu(gpus, f"{nvtop}:/usr/bin:/bin") as tui:
        open_form(tui, "bee-gpu-stress")
        tui.until("NVIDIA H100")
        tui.choose("[ Start ]")
        tui.until(NVTOP)
        tui.press("Enter")
        tui.until("RUNNING", "o nvtop", "GPU 1", "°C")
        tui.press("o")
        until(lambda: opened(nvtop) == 2)
        tui.until(NVTOP)
        await loading(gpus, "nvidia")

        gpus.tools.let_go()

        result = tui.until("has ended: OK", "3 of 3 steps passed")
        assert NVTOP not in result, "it has gone with the run: the result is what counts"
        assert "o nvtop" not in result
        tui.press("c")
        chart = tui.until("GPU 0", "temperature", "utilisation", "power", "SM clock")
        assert re.search(r"\d+┤", chart)
        assert all(len(line) <= 80 for line in chart.splitlines())
        tui.press("n")
        tui.until("GPU 1  ")
        red, blue, green, yellow = "38;5;210", "38;5;75", "38;5;78", "38;5;220"
        assert {red, blue, green, yellow} <= tui.colours()


async def test_without_nvtop_all_the_rest_works(gpus: SatMachine, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")  # and nothing else is on the path
    with menu(gpus, str(tmp_path)) as tui:
        open_form(tui, "bee-gpu-stress")
        tui.until("NVIDIA H100")
        tui.press("F5")
        screen = tui.until("RUNNING", "a abort")
        assert "nvtop" not in screen
        await loading(gpus, "nvidia")
        gpus.tools.let_go()
        tui.until("has ended: OK")


async def test_one_of_two_disks_is_chosen_for_a_self_test(make_sat: MakeSat) -> None:
    shelf = DiskShelf()
    shelf.sata("sda", None)
    shelf.nvme(0, None)
    sat = make_sat(disks=shelf)
    sat.tools.add_disk("sda", smartctl.hdd())
    sat.tools.add_disk("nvme0", smartctl.nvme())
    sat.runs.parent.mkdir(exist_ok=True)
    async with sat.bus.client() as bus:
        audit = await AuditClient(bus).run()
        await audit.finished(deadline_seconds=60)
    with menu(sat) as tui:
        open_form(tui, "health of every disk")
        form = tui.until("[x] nvme0", "[x] sda")
        assert "(•) short" in form
        tui.click("nvme0")
        tui.until("[ ] nvme0", "[x] sda")
        tui.choose("[ Start ]")
        tui.until("RUNNING", "sda: ")
        until(lambda: ["-t", "short", "/dev/sda"] in [one["words"] for one in sat.tools.calls("smartctl")])
    assert sat.tools.calls("nvme") == []


async def test_abort_asks_and_ends_the_load(gpus: SatMachine) -> None:
    with menu(gpus) as tui:
        open_form(tui, "bee-gpu-stress")
        tui.until("NVIDIA H100")
        tui.press("F5")
        tui.until("RUNNING")
        await loading(gpus, "nvidia")

        tui.press("a")
        tui.until("End this run now?")
        tui.press("Enter")  # Go on
        tui.until_gone("End this run now?")
        assert gpus.tools.processes(), "nothing has happened to it"
        tui.press("a")
        tui.until("End this run now?")
        tui.press("Right", "Enter")

        until(lambda: not gpus.tools.processes(), 2)
        tui.until("ABORTED", "has ended")


# Runs of others, and runs that are left.


def test_a_run_that_is_left_goes_on_and_can_be_found_again(sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="waits")
    with menu(sat) as tui:
        open_form(tui, "stress-ng")
        tui.press("F5")
        tui.until("RUNNING", "a abort")
        tui.press("Escape")
        tui.until("The run goes on", "In progress")
        tui.press("Home")
        tui.choose("cpu  ")
        tui.until("RUNNING", "vecmath")
        sat.tools.let_go()
        tui.until("has ended: OK")


async def test_a_run_that_somebody_else_starts_appears_and_is_followed(sat: SatMachine) -> None:
    with menu(sat) as tui:
        tui.until("Acceptance tests")
        tui.press("t")
        tui.until("Start a test", "Processors")
        async with held(sat, "cpu") as (_, run):
            tui.until("In progress", "cpu")
            tui.press("Home")
            tui.choose("cpu  ")
            tui.until(run.run, "RUNNING", "a abort")
            sat.tools.let_go()
            tui.until("has ended: OK", "3 of 3 steps passed")
        tui.press("Escape")
        tui.until_gone("In progress")


async def test_what_is_held_by_another_run_is_explained_and_the_form_stays(sat: SatMachine) -> None:
    async with held(sat, "cpu") as (_, run):
        with menu(sat) as tui:
            open_form(tui, "stress-ng")
            tui.press("F5")
            tui.until(run.run, "Wait for the other run")
            tui.press("Enter")
            tui.until("[ Start ]")
        sat.tools.let_go()
        await run.finished(deadline_seconds=60)


def test_who_may_not_start_a_run_is_told_so(sat: SatMachine) -> None:
    with menu(sat, uid=STRANGER_UID) as tui:
        open_form(tui, "stress-ng")
        tui.press("F5")
        tui.until("administrator", "a member of group bee")
        tui.press("Enter")
        tui.until("[ Start ]")


def test_a_member_of_group_bee_runs_it_all(sat: SatMachine) -> None:
    with menu(sat, uid=OPERATOR_UID) as tui:
        open_form(tui, "stress-ng")
        tui.press("F5")
        tui.until("has ended: OK")
        tui.press("f")
        tui.until("summary.txt")
        tui.choose("summary.txt")
        tui.until("overall_status=OK")


def test_a_value_that_is_not_taken_is_explained(sat: SatMachine) -> None:
    with menu(sat) as tui:
        open_form(tui, "memtester")
        tui.press("Down")
        tui.type("much")
        tui.press("F5")
        tui.until("size_mb='much'", "it takes MiB")
        tui.press("Enter")
        tui.until("much", "[ Start ]")


async def test_a_service_that_is_killed_under_the_run_is_told_and_the_run_is_interrupted(
    sat: SatMachine,
) -> None:
    sat.bus.expect("was interrupted")
    with menu(sat) as tui:
        async with held(sat, "cpu") as (bus, run):
            tui.until("Acceptance tests")
            tui.press("r")
            tui.until(run.run)
            tui.press("Enter")
            tui.until("RUNNING")
            os.kill(await pid_of(bus, "org.bee.Sat1"), signal.SIGKILL)
            tui.until("INTERRUPTED", "the service was ended or killed", seconds=30)


# Results.


def test_a_result_is_read_down_to_the_output_and_taken_away(sat: SatMachine, tmp_path: Path) -> None:
    sat.tools.behave(stress_ng="fails")
    with menu(sat, home=tmp_path) as tui:
        open_form(tui, "stress-ng")
        tui.press("F5")
        tui.until("has ended: FAILED")
        tui.when(lambda _: "cpu" in tui.focused())
        tui.press("Enter")
        tui.until("command", "stress-ng --cpu", "exit code")
        tui.choose("output")
        tui.until("stress-ng:", "End end")
        tui.press("Escape", "Escape")
        tui.until("judge anew")
        tui.press("j")
        tui.until("it is the same: FAILED")
        tui.press("f")
        tui.until("summary.txt")
        tui.choose("summary.txt")
        tui.until("overall_status=FAILED")
        tui.press("Escape", "Escape")
        tui.until("e export")
        tui.press("e")
        tui.until("The archive is saved")
    (path,) = tmp_path.glob("bee-sat-*.tar.gz")
    with tarfile.open(path) as archive:
        assert any(name.endswith("/summary.txt") for name in archive.getnames())
    assert not list(tmp_path.glob(".bee-sat*")), "nothing half done is left"


async def test_a_plain_terminal_shows_all_of_it_in_ascii(gpus: SatMachine) -> None:
    with menu(gpus, term="vt100", variables={"LC_ALL": "C"}) as tui:
        open_form(tui, "bee-gpu-stress")
        tui.until("NVIDIA H100", "(*) 10 min")
        tui.press("F5")
        await loading(gpus, "nvidia")
        tui.until("GPU 1  ", " C ")
        gpus.tools.let_go()
        tui.until("has ended: OK")
        tui.press("c")
        assert tui.until("SM clock", "0+").isascii()
        assert tui.colours() == set()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def test_a_result_goes_onto_a_usb_stick_which_is_unmounted_afterwards(make_sat: MakeSat, stick: Path) -> None:
    sat = make_sat(services=udisks2(str(stick)))
    with menu(sat, home=stick) as tui:
        open_form(tui, "stress-ng")
        tui.press("F5")
        tui.until("has ended: OK")
        tui.press("e")
        tui.until("REPORTS", "Ultra \\x1b[2J", "/dev/sdc1")
        tui.choose("REPORTS")
        tui.until("The archive is saved", "the stick is unmounted")
    (path,) = stick.iterdir()
    assert tarfile.is_tarfile(path)
    assert asyncio.run(_said(sat)) == ["mount sdc1", "unmount sdc1"]


def test_a_stick_that_cannot_be_unmounted_is_not_to_be_pulled_out(make_sat: MakeSat, stick: Path) -> None:
    sat = make_sat(services=udisks2(str(stick), "--busy"))
    with menu(sat) as tui:
        open_form(tui, "stress-ng")
        tui.press("F5")
        tui.until("has ended: OK")
        tui.press("e")
        tui.until("REPORTS")
        tui.choose("REPORTS")
        tui.until("not pull it out before it is")


async def _said(sat: SatMachine) -> list[str]:
    async with sat.bus.client() as bus:
        return await said(bus, UDISKS2)
