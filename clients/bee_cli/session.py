"""A command's time on the bus, the machine's or a private one, and an end in good order."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bee_bus.client import Bus

Work = Callable[[Bus], Awaitable[int]]

_TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)


def on_bus(work: Work, *, private: bool) -> int:
    """Do the work with a bus and return its exit code. Raises BeeError, CliError and KeyboardInterrupt.

    A private bus and what was started on it are gone when this returns, also when a signal ended it.
    """
    return asyncio.run(_on_bus(work, private))


async def _on_bus(work: Work, private: bool) -> int:
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
        async with AsyncExitStack() as stack:
            address = None
            if private:
                from bee_cli.private_bus import private_bus

                address = await stack.enter_async_context(private_bus())
            bus = await stack.enter_async_context(Bus(address, interactive=_person_present()))
            return await work(bus)
    except asyncio.CancelledError:
        if not told:
            raise
        return 128 + told[0]


def _person_present() -> bool:
    """Whether somebody can answer when polkit asks for a password."""
    return sys.stdin is not None and sys.stdin.isatty()
