"""Private buses, whose logs are shown when a test fails and must not complain."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab import cli
from lab.bus.private import LabBus

MakeBus = Callable[..., LabBus]


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
