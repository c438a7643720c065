"""The menu in a real terminal: GPUs live, the power switch, the network, as a technician meets them."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bee_bus.names import GPU
from bee_bus.sat_client import SatClient
from lab.bus.private import LabBus, pid_of
from lab.freedesktop import LOGIN1, SYSTEMD1, login1, said, systemd1
from lab.gpus import GpuMachine, gpu_machine
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.tui import Tui

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading a machine needs root")

MakeBus = Callable[..., LabBus]
MakeSat = Callable[..., SatMachine]


@pytest.fixture
def gpus(tmp_path: Path) -> Iterator[GpuMachine]:
    """A server with eight GPUs."""
    with ExitStack() as stack:
        fake = stack.enter_context(FakeNvml("h100", count=8))
        machine = stack.enter_context(gpu_machine(fake, tmp_path))
        yield machine
    assert machine.bus.complaints() == []


def line_of(text: str, number: int) -> str:
    """The table's line of a GPU; empty while there is none."""
    return next((line for line in text.splitlines() if line.startswith(f"{number:>3} ")), "")


def load_of(text: str, number: int) -> int:
    """The utilisation in a GPU's line."""
    words = line_of(text, number).split()
    return int(words[words.index("%") - 1]) if "%" in words else -1


# GPUs.


def test_eight_gpus_are_followed_live_and_each_has_its_chart(gpus: GpuMachine) -> None:
    """A load that begins while the table is looked at; the chart of one; the next; and back."""
    with Tui(gpus.bus.environment) as tui:
        tui.until("GPUs")
        tui.choose("GPUs")
        text = tui.until("8 × NVIDIA H100 80GB HBM3", "/700 W")
        assert all("OK" in line_of(text, number) for number in range(8))
        gpus.fake.load(6, 1.0)
        tui.when(lambda text: load_of(text, 6) > 60, "the load of GPU 6")
        tui.choose("  6 OK")
        text = tui.until("GPU 6  NVIDIA H100", "temperature  last", "SM clock  last", "limit 700")
        assert any(char in text for char in "╭╮╰╯─│")
        assert len(tui.colours()) >= 5
        tui.press("n")
        tui.until("› GPU 7")
        tui.press("p", "p")
        tui.until("› GPU 5")
        tui.press("d")
        tui.until("› Details", "NVIDIA H100 80GB HBM3")
        tui.press("Escape")
        tui.until("utilisation")
        tui.press("Escape")
        tui.until("  7 OK")


def test_a_gpu_that_fails_is_seen_with_the_reason_and_the_next_step(gpus: GpuMachine) -> None:
    with Tui(gpus.bus.environment) as tui:
        tui.until("GPUs")
        tui.press("g")
        tui.until("/700 W")
        gpus.fake.ecc(3, uncorrected=2)
        tui.until("CRITICAL", "uncorrectable ECC errors", "Next:")
        assert "CRITICAL" in line_of(tui.text(), 3)
        gpus.fake.lose(5)
        tui.when(lambda text: "lost" in line_of(text, 5), "a lost GPU")
        gpus.fake.bring_back(5)
        tui.when(lambda text: "/700 W" in line_of(text, 5), "the GPU back")


def test_a_gpu_service_that_is_killed_comes_back_on_the_screen(gpus: GpuMachine) -> None:
    async def kill() -> None:
        async with gpus.bus.client() as bus:
            os.kill(await pid_of(bus, GPU.bus_name), signal.SIGKILL)

    with Tui(gpus.bus.environment) as tui:
        tui.until("GPUs")
        tui.press("g")
        tui.until("/700 W")
        asyncio.run(kill())
        gpus.fake.load(2, 1.0)
        tui.when(lambda text: load_of(text, 2) > 60, "readings after the restart")
        tui.until("OK  8 × NVIDIA")


def test_without_colours_and_in_ascii_the_table_and_the_chart_say_the_same(gpus: GpuMachine) -> None:
    with Tui(gpus.bus.environment, variables={"NO_COLOR": "1", "LANG": "C", "LC_ALL": "C"}) as tui:
        tui.until("GPUs")
        tui.press("g")
        text = tui.until("8 x NVIDIA H100 80GB HBM3", "/700 W")
        assert text.isascii()
        tui.choose("  0 OK")
        assert tui.until("temperature  last", "SM clock").isascii()
        assert tui.colours() == set()


def test_a_machine_whose_driver_is_missing_says_so(tmp_path: Path) -> None:
    with FakeNvml("h100", count=1) as fake, gpu_machine(fake, tmp_path, with_library=False) as machine:
        with Tui(machine.bus.environment) as tui:
            tui.until("GPUs")
            tui.press("g")
            tui.until("driver's library is missing")
        assert machine.bus.complaints() == []


# Power.


def test_switching_off_takes_a_question_and_an_answer(make_bus: MakeBus) -> None:
    bus = make_bus(services=login1())
    with Tui(bus.environment) as tui:
        tui.until("Power")
        tui.choose("Power")
        tui.choose("Switch off")
        tui.until("Switch off this machine now?")
        tui.press("Enter")
        tui.until_gone("now?")
        tui.choose("Switch off")
        tui.until("now?")
        tui.press("Right", "Enter")
        tui.until("This machine switches itself off.")
    assert told(bus, LOGIN1) == ["PowerOff"]


def test_under_an_acceptance_run_the_machine_is_not_restarted_without_a_second_word(
    make_sat: MakeSat,
) -> None:
    machine = make_sat(services=login1())
    start_run(machine)
    with Tui(machine.bus.environment) as tui:
        tui.until("Power")
        tui.press("p")
        tui.until("Under way, and cut off by either:")
        tui.press("r")
        tui.until("Not while this is under way", "acceptance test cpu")
        tui.press("Enter")
        tui.until_gone("Not while")
        assert told(machine.bus, LOGIN1) == []
        tui.press("r")
        tui.until("Restart all the same?")
        tui.press("Right", "Enter")
        tui.until("This machine restarts.")
    assert told(machine.bus, LOGIN1) == ["Reboot"]


def test_a_package_manager_that_holds_a_restart_up_is_named(make_bus: MakeBus) -> None:
    bus = make_bus(services=login1("--inhibited"))
    with Tui(bus.environment) as tui:
        tui.until("Power")
        tui.press("p")
        tui.until("a program holds it up now")
        tui.press("r")
        tui.until("Restart this machine now?")
        tui.press("Right", "Enter")
        tui.until("Unattended Upgrades: Packages are")
    assert told(bus, LOGIN1) == []


# Network.


def test_addresses_are_asked_for_anew_after_a_question(make_bus: MakeBus) -> None:
    bus = make_bus(services=systemd1())
    with Tui(bus.environment) as tui:
        tui.until("Network")
        tui.choose("Network")
        tui.until("renew the addresses")
        tui.press("r")
        tui.until("connections over the network can")
        tui.press("Right", "Enter")
        tui.until("Asked anew")
    assert told(bus, SYSTEMD1) == ["restart bee-network.service"]


@pytest.mark.parametrize(
    ("manner", "words"), [("--without", "no bee-network.service"), ("--failing", "was not restarted")]
)
def test_addresses_that_cannot_be_asked_for_are_explained(make_bus: MakeBus, manner: str, words: str) -> None:
    bus = make_bus(services=systemd1(manner))
    with Tui(bus.environment) as tui:
        tui.until("Network")
        tui.press("n")
        tui.until("renew the addresses")
        tui.press("r")
        tui.until("Ask for addresses anew")
        tui.press("Right", "Enter")
        tui.until(words)
        tui.press("Enter")
        tui.until_gone(words)


def told(bus: LabBus, name: str) -> list[str]:
    """What a fake was made to do."""

    async def ask() -> list[str]:
        async with bus.client() as client:
            return await said(client, name)

    return asyncio.run(ask())


def start_run(machine: SatMachine) -> None:
    """An acceptance run that goes on for longer than the test."""

    async def start() -> None:
        async with machine.bus.client() as bus:
            await SatClient(bus).start("cpu", {"duration": "600"})

    asyncio.run(start())
