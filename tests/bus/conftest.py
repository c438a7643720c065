"""Private buses, whose logs are shown when a test fails and must not complain."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bee_machine.kmsg import LogUnreadable, open_kernel_log
from lab import cli
from lab.bus.private import LabBus
from lab.sat import SatMachine, sat_machine

MakeBus = Callable[..., LabBus]
MakeSat = Callable[..., SatMachine]


@pytest.fixture
def make_bus() -> Iterator[MakeBus]:
    """Start a private bus that ends with the test."""
    started: list[LabBus] = []
    with ExitStack() as stack:

        def make(**keywords: Any) -> LabBus:
            started.append(stack.enter_context(LabBus(**keywords)))
            return started[-1]

        yield make
    for bus in started:
        sys.stdout.write(bus.log())
    assert [line for bus in started for line in bus.complaints()] == []


@pytest.fixture
def bus(make_bus: MakeBus) -> LabBus:
    """A private bus with org.bee.Lab1 and the machine's own polkitd."""
    return make_bus()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of the test's commands."""
    (tmp_path / "logs").mkdir()
    return cli.environment(tmp_path / "logs")


@pytest.fixture
def bee(environment: dict[str, str], tmp_path: Path) -> cli.Bee:
    """The command line, run in a folder of its own."""
    return cli.Bee(tmp_path, environment)


@pytest.fixture
def make_sat(tmp_path: Path) -> Iterator[MakeSat]:
    """Start a machine with org.bee.Sat1 that ends with the test."""
    try:
        os.close(open_kernel_log())
    except LogUnreadable as error:
        pytest.skip(f"acceptance runs judge the kernel log: {error}")
    made: list[SatMachine] = []
    with ExitStack() as stack:

        def make(**keywords: Any) -> SatMachine:
            folder = tmp_path / f"machine{len(made)}"
            made.append(stack.enter_context(sat_machine(folder, **keywords)))
            return made[-1]

        yield make
    for machine in made:
        sys.stdout.write(machine.bus.log())
    assert [line for machine in made for line in machine.bus.complaints()] == []


@pytest.fixture
def sat(make_sat: MakeSat) -> SatMachine:
    """A healthy server with the acceptance service."""
    return make_sat()
