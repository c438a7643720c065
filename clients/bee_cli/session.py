"""A command's time on the bus, the machine's or a private one, and an end in good order."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bee_bus.client import Bus
from bee_bus.errors import BeeError, Busy, InvalidArgs, InvalidOption, NotFound, NotSupported
from bee_cli.errors import CliError
from bee_cli.text import clean

if TYPE_CHECKING:
    from bee_cli.private_bus import PrivateBus

Work = Callable[[Bus], Awaitable[int]]
PrivateWork = Callable[[Bus, "PrivateBus"], Awaitable[int]]

ANSWERS = (Busy, InvalidArgs, InvalidOption, NotFound, NotSupported)  # what a service in order says
LOG_LINES = 5  # of the services' log, shown after a failure on a private bus

_TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)


def on_bus(work: Work, *, private: bool) -> int:
    """Do the work with a bus and return its exit code. Raises BeeError, CliError and KeyboardInterrupt.

    A private bus and what was started on it are gone when this returns, also when a signal ended it.
    """
    if private:
        return on_private_bus(lambda bus, _: work(bus))
    return asyncio.run(_until_told(_on_system_bus(work)))


def on_private_bus(work: PrivateWork) -> int:
    """Do the work with a private bus. Raises as `on_bus` does."""
    return asyncio.run(_until_told(_on_private_bus(work)))


async def _until_told(work: Awaitable[int]) -> int:
    """The exit code of the work, or of the signal that ended it."""
    told: list[signal.Signals] = []
    this = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def end(number: signal.Signals) -> None:
        told.append(number)
        if this is not None:
            this.cancel()

    for number in _TOLD_TO_END:
        loop.add_signal_handler(number, end, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not told:
            raise
        return 128 + told[0]


async def _on_system_bus(work: Work) -> int:
    async with Bus(interactive=_person_present()) as bus:
        return await work(bus)


async def _on_private_bus(work: PrivateWork) -> int:
    from bee_cli.private_bus import PrivateBus

    with PrivateBus() as private:
        try:
            async with Bus(private.address, interactive=_person_present()) as bus:
                return await work(bus, private)
        except ANSWERS:
            raise
        except BeeError as error:
            # The log of the services is gone with the bus: what it says has to be told now.
            said = private.log().strip().splitlines()[-LOG_LINES:]
            hint = "\n     ".join(["The services said:", *map(clean, said)]) if said else error.hint
            raise CliError(str(error), hint) from error


def _person_present() -> bool:
    """Whether somebody can answer when polkit asks for a password."""
    return sys.stdin is not None and sys.stdin.isatty()
