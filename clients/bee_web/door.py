"""The way to the services: one connection to the bus for everybody, made anew when it was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from bee_bus.client import Bus
from bee_bus.errors import BeeError, Disconnected

# A bus that is not there is not asked for more often, however many visitors there are.
RETRY_SECONDS = 1.0


class Door:
    """``address``: of the bus; by default the system bus. An ``async with`` closes it at the end.

    async with door.bus() as bus:
        await AuditClient(bus).run()
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._bus: Bus | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._failed: BeeError | None = None
        self._failed_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._opening:
            self._closed = True
            if self._bus is not None:
                await self._bus.__aexit__()
                self._bus = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._bus is not None and not self._bus.connection.lost.done()

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """The connection, which others use too. Raises Disconnected when there is no bus."""
        yield await self._opened()

    async def _opened(self) -> Bus:
        async with self._opening:
            if self._closed:
                raise Disconnected("the web page is ending")
            if self._bus is not None and not self._bus.connection.lost.done():
                return self._bus
            if self._bus is not None:
                await self._bus.__aexit__()
                self._bus = None
            if self._failed is not None and time.monotonic() < self._failed_at + RETRY_SECONDS:
                raise Disconnected(self._failed.message)
            bus = Bus(self._address)
            try:
                await bus.__aenter__()
            except BeeError as error:
                self._failed, self._failed_at = error, time.monotonic()
                raise
            self._bus, self._failed = bus, None
            return bus
