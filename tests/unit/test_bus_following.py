"""Several things at once for as long as the bus is there: the first end is the end of all."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bee_bus.errors import Disconnected, NotFound
from bee_bus.following import until_first, while_connected


class Work:
    """Goes on until it is told to end, and knows whether it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = False
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def do(self) -> None:
        try:
            await self.end
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def a_bus() -> Any:
    return SimpleNamespace(connection=SimpleNamespace(lost=asyncio.get_running_loop().create_future()))


async def test_what_returns_first_ends_the_others() -> None:
    one, two = Work(), Work()
    one.end.set_result(None)
    await until_first(one.do(), two.do())
    assert (one.cancelled, two.cancelled) == (False, True)


async def test_what_fails_first_is_raised() -> None:
    one, two = Work(), Work()
    two.end.set_exception(NotFound("gone"))
    with pytest.raises(NotFound):
        await until_first(one.do(), two.do())
    assert one.cancelled


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    one, two = Work(), Work()
    task = asyncio.create_task(until_first(one.do(), two.do()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.cancelled
    assert two.cancelled


async def test_work_ends_with_the_bus() -> None:
    work, bus = Work(), a_bus()
    asyncio.get_running_loop().call_later(0.01, bus.connection.lost.set_result, None)
    with pytest.raises(Disconnected):
        await while_connected(bus, work.do())
    assert work.cancelled


async def test_work_that_ends_leaves_the_connection_as_it_is() -> None:
    work, bus = Work(), a_bus()
    work.end.set_result(None)
    await while_connected(bus, work.do())
    assert not bus.connection.lost.done(), "others wait for its end too"
