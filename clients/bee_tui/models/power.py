"""Restart and switch off: whether this machine can, what would be cut off by it, and doing it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bee_tui.model import Model

if TYPE_CHECKING:
    from bee_bus.client import Bus
    from bee_bus.login1 import PowerAction
    from bee_bus.under_way import Work

LOOK_SECONDS = 10.0


class Power(Model):
    """``can``: what login1 says of "Reboot" and "PowerOff", empty until it is known."""

    def __init__(self, address: str | None = None) -> None:
        super().__init__(address)
        self.can: Mapping[str, str] = {}

    async def act(self, action: PowerAction) -> None:
        """Begin to restart or to switch off. Raises BeeError."""
        from bee_bus.login1 import Login1Client

        async with self.bus() as bus:
            await Login1Client(bus).act(action)

    async def under_way(self) -> tuple[Work, ...]:
        """What runs at this moment. A service that does not say whether it works counts as work."""
        from bee_bus.under_way import work_under_way

        async with self.bus() as bus:
            return await work_under_way(bus)

    async def follow(self, bus: Bus) -> None:
        from bee_bus.login1 import Login1Client

        client = Login1Client(bus)
        while True:
            can = {"Reboot": await client.can("Reboot"), "PowerOff": await client.can("PowerOff")}
            self.well()
            if can != self.can:
                self.can = can
                self.changed()
            await asyncio.sleep(LOOK_SECONDS)
