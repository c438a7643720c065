"""What the handlers need, made once: the file, the way to the bus, what is live, who is logged in."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bee_bus.version import VERSION
from bee_bus.web_token import web_directory

if TYPE_CHECKING:
    from bee_web.charts import RunCharts
    from bee_web.deeds import Deeds
    from bee_web.door import Door
    from bee_web.live import Live
    from bee_web.live.hub import Hub
    from bee_web.login.login import Login
    from bee_web.reads import Reads
    from bee_web.snapshot import SnapshotFile

LOG_DIRECTORY = "/var/log"  # where bee-auditd keeps the snapshot


@dataclass(frozen=True)
class House:
    """``started_at``: Unix time."""

    snapshot: SnapshotFile
    door: Door
    reads: Reads
    charts: RunCharts
    hub: Hub
    live: Live
    login: Login
    deeds: Deeds
    started_at: float = field(default_factory=time.time)
    version: str = VERSION


@asynccontextmanager
async def house(address: str | None = None) -> AsyncIterator[House]:
    """A house on the bus at ``address``, by default the system bus, followed as long as it stands."""
    from bee_web.charts import RunCharts
    from bee_web.deeds import Deeds
    from bee_web.door import Door
    from bee_web.live import Live
    from bee_web.live.hub import Hub
    from bee_web.login.login import Login
    from bee_web.reads import Reads
    from bee_web.snapshot import SnapshotFile

    snapshot = SnapshotFile(log_directory() / "bee-audit.json")
    hub = Hub()
    async with Door(address) as door:
        reads = Reads(door)
        charts = RunCharts(door, reads)
        live = Live(door, reads, snapshot, hub)
        await live.start()
        try:
            yield House(
                snapshot=snapshot,
                door=door,
                reads=reads,
                charts=charts,
                hub=hub,
                live=live,
                login=Login(web_directory()),
                deeds=Deeds(door),
            )
        finally:
            await live.stop()
            charts.close()


def log_directory() -> Path:
    return Path(os.environ.get("BEE_LOG_DIRECTORY") or LOG_DIRECTORY)
