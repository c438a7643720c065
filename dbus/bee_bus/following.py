"""Keeping up with services: several things at once, for as long as the bus is there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from bee_bus.errors import Disconnected

if TYPE_CHECKING:
    from bee_bus.client import Bus


async def until_first(*work: Coroutine[Any, Any, None]) -> None:
    """Several things at once, until one of them returns or raises; the others are cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def while_connected(bus: Bus, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and raise Disconnected when the bus goes away under it."""
    await until_first(work, _lost(bus))


async def _lost(bus: Bus) -> None:
    await asyncio.shield(bus.connection.lost)
    raise Disconnected("the bus went away")
