"""org.bee.Gpu1 as its clients see it.

async with GpuClient(bus).watching(interval_ms=1000) as watch:
    async for news in watch:
        ...  # a GpuTick or a GpuEvent
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from dbus_next.message import Message

from bee_bus import errors, values
from bee_bus.client import Bus, Proxy
from bee_bus.connection import Match, NameWatch
from bee_bus.documents.gpus import GpuEvent, GpuTick, SampledGpu
from bee_bus.names import GPU, GPU_INTERFACE, OBJECT_MANAGER

DEADLINE_SECONDS = 60.0  # GPUs that hang cost the service its own deadlines first
QUEUE_MAX = 1000  # what a client that does not read may hold up; the oldest goes


class GpuClient:
    """org.bee.Gpu1."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._proxy = Proxy(bus, GPU.bus_name, GPU.path, GPU_INTERFACE)

    async def get_inventory(self) -> str:
        """Every GPU, looked at now; JSON, GpuInventory."""
        return await self._text("GetInventory")

    async def get_health(self) -> str:
        """The verdict, the findings and the last events; JSON, GpuHealth."""
        return await self._text("GetHealth")

    async def get_history(self, gpu: str = "", since: int = 0, fields: Sequence[str] = ()) -> str:
        """What was sampled; JSON, a list of GpuHistory."""
        return await self._text("GetHistory", gpu, since, list(fields))

    async def properties(self) -> dict[str, Any]:
        """Version, State, Verdict, the versions and the counts."""
        return await self._proxy.properties(deadline_seconds=DEADLINE_SECONDS)

    async def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The GPUs: path → interface → properties."""
        reply = await self.bus.connection.ask(GPU.bus_name, GPU.path, OBJECT_MANAGER, "GetManagedObjects")
        found: dict[str, dict[str, dict[str, Any]]] = values.plain(reply.body[0])
        return found

    async def watch(self, interval_ms: int) -> int:
        """Take or change this connection's lease; the pace that it gets."""
        (granted,) = await self._proxy.call("Watch", interval_ms, deadline_seconds=DEADLINE_SECONDS)
        return int(granted)

    async def unwatch(self) -> None:
        await self._proxy.call("Unwatch")

    @asynccontextmanager
    async def watching(self, *, interval_ms: int) -> AsyncIterator["GpuWatch"]:
        """All ticks and events while the block lasts."""
        watch = GpuWatch(self.bus)
        connection = self.bus.connection
        signals = Match(sender=GPU.bus_name, path=GPU.path, interface=GPU_INTERFACE)
        async with (
            connection.subscription(signals, watch.take),
            connection.name_watch(GPU.bus_name) as owner,
        ):
            watch.granted_ms = await self.watch(interval_ms)
            leaving = asyncio.create_task(_end_with(owner, watch))
            connection.lost.add_done_callback(watch.end)
            try:
                yield watch
            finally:
                leaving.cancel()
                connection.lost.remove_done_callback(watch.end)
                with suppress(errors.BeeError):  # it goes with the connection in any case
                    await self.unwatch()

    async def _text(self, method: str, *arguments: Any) -> str:
        (text,) = await self._proxy.call(method, *arguments, deadline_seconds=DEADLINE_SECONDS)
        return str(text)


class GpuWatch:
    """What one watch brings, in order. Ends with ServiceGone when the service does."""

    def __init__(self, bus: Bus) -> None:
        self.granted_ms = 0
        self.dropped = 0  # ticks and events that came faster than they were read
        self._bus = bus
        self._news: asyncio.Queue[GpuTick | GpuEvent | None] = asyncio.Queue()

    def __aiter__(self) -> "GpuWatch":
        return self

    async def __anext__(self) -> GpuTick | GpuEvent:
        news = await self._news.get()
        if news is not None:
            return news
        if self._bus.connection.lost.done():
            raise errors.Disconnected("the bus went away")
        raise errors.ServiceGone("the GPU service has ended; its log says why (journalctl -u bee-gpud)")

    def take(self, message: Message) -> None:
        """A signal of the service. One that this bee does not understand is passed over."""
        with suppress(msgspec.MsgspecError, ValueError):
            if message.member == "Samples":
                when, text = message.body
                gpus = msgspec.json.decode(text, type=tuple[SampledGpu, ...])
                self._put(GpuTick(unix_seconds=when / 1e6, gpus=gpus))
            elif message.member == "Event":
                when, gpu, kind, severity, said, details = message.body
                raw = {
                    "unix_seconds": when / 1e6,
                    "gpu": gpu,
                    "kind": kind,
                    "severity": severity,
                    "message": said,
                    "details": msgspec.json.decode(details),
                }
                self._put(msgspec.convert(raw, GpuEvent))

    def end(self, *_: object) -> None:
        self._news.put_nowait(None)

    def _put(self, news: GpuTick | GpuEvent) -> None:
        if self._news.qsize() >= QUEUE_MAX:
            self._news.get_nowait()
            self.dropped += 1
        self._news.put_nowait(news)


async def _end_with(service: NameWatch, watch: GpuWatch) -> None:
    await service.lost(service.owner or "")
    watch.end()
