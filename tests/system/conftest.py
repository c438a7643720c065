"""The machines of the system tests, each booted once for all tests that look at it."""

from collections.abc import Iterator

import pytest

from lab import container, hardware, server
from lab.container import Container
from lab.prerequisites import CONTAINER, SERVER, require
from lab.server import Server


@pytest.fixture(scope="session")
def machine() -> Iterator[Container]:
    """A booted Debian 13 with bee installed, without hardware of its own."""
    require(*CONTAINER)
    with container.booted() as booted:
        yield booted


@pytest.fixture(scope="module")
def reference() -> Iterator[Server]:
    """A whole server, all in order."""
    require(*SERVER)
    with server.running(hardware.REFERENCE) as booted:
        yield booted


@pytest.fixture(scope="module")
def faulty() -> Iterator[Server]:
    """The same server with every fault that the emulation can make."""
    require(*SERVER)
    with server.running(hardware.FAULTY) as booted:
        yield booted
