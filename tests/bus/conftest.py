"""Private buses, whose logs are shown when a test fails and must not complain."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

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
