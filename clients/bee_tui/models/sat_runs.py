"""All acceptance runs there are records of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from bee_bus.documents.sat import SatRun
from bee_bus.names import JOB_INTERFACE, SAT, SAT_RUN_INTERFACE
from bee_tui.model import Model, Trouble, together

if TYPE_CHECKING:
    from bee_bus.client import Bus
    from bee_bus.mirror import Objects


class Runs(Model):
    """``runs``: newest first, those under way too; None until they are known."""

    runs: tuple[SatRun, ...] | None = None

    async def follow(self, bus: Bus) -> None:
        from bee_bus.mirror import follow_objects

        stale = asyncio.Event()
        stale.set()
        states: dict[str, str] = {}

        def look(objects: Objects) -> None:
            now = {
                path: one.get(JOB_INTERFACE, {}).get("State", "")
                for path, one in objects.items()
                if SAT_RUN_INTERFACE in one
            }
            if now != states:
                states.clear()
                states.update(now)
                stale.set()

        wanted = (JOB_INTERFACE, SAT_RUN_INTERFACE)
        await together(follow_objects(bus, SAT, look, interfaces=wanted), self._keep(bus, stale))

    async def _keep(self, bus: Bus, stale: asyncio.Event) -> None:
        from bee_bus.sat_client import SatClient

        while True:
            await stale.wait()
            stale.clear()
            try:
                self.runs = msgspec.json.decode(await SatClient(bus).list_runs(), type=tuple[SatRun, ...])
            except msgspec.MsgspecError as error:
                raise Trouble("the acceptance service is of another version of bee") from error
            self.well()
            self.changed()
