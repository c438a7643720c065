"""Run a service on the bus, from its first export to its idle end.

    def main() -> int:
        return serve("org.bee.Audit1", build, idle_seconds=60)

    async def build(host: Host) -> None:
        host.export("/org/bee/Audit1", AuditInterface(...))

Everything is exported before the name is owned, so the first caller finds it complete. The service ends
when nothing has been asked of it for a while and nobody holds it (`Host.inhibit`), on SIGTERM, or when the
bus goes away.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dbus_next.message import Message

from bee_bus import errors
from bee_bus.authority import Authority
from bee_bus.connection import Connection, NameTaken
from bee_bus.interface import Interface
from bee_bus.objects import ObjectTree
from bee_bus.sd_notify import notify, watchdog_seconds

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1

FINISH_SECONDS = 8.0  # for jobs to end after SIGTERM, well inside systemd's patience
LATE_CALL_SECONDS = 5.0  # for calls that came while the service was leaving

Build = Callable[["Host"], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]


def serve(bus_name: str, build: Build, *, idle_seconds: float = 60.0, address: str | None = None) -> int:
    """Run the service until its end and return its exit status: 0 when idle or told to stop, 1 otherwise."""
    return asyncio.run(run(bus_name, build, idle_seconds=idle_seconds, address=address))


async def run(bus_name: str, build: Build, *, idle_seconds: float = 60.0, address: str | None = None) -> int:
    try:
        connection = await Connection.open(address)
    except errors.Disconnected as error:
        log.error("%s", error)
        return EXIT_FAILED
    host = Host(connection, bus_name, idle_seconds)
    try:
        return await host._run(build)
    finally:
        await connection.close()


class Host:
    """A running service: what is on the bus, and what keeps it there."""

    def __init__(self, connection: Connection, bus_name: str, idle_seconds: float) -> None:
        self.connection = connection
        self.bus_name = bus_name
        self.root = "/" + bus_name.replace(".", "/")
        self.idle_seconds = idle_seconds
        self.objects = ObjectTree(connection, self.root, Authority(connection).require)
        self._inhibitors: list[str] = []
        self._hooks: list[Hook] = []
        self._last_use = time.monotonic()
        self._leaving = False
        self._stop = asyncio.Event()

    def export(self, path: str, *interfaces: Interface) -> None:
        """Put interfaces on the object at `path`."""
        self.objects.add(path, *interfaces)

    def unexport(self, path: str) -> None:
        """Take the object at `path` off the bus."""
        self.objects.remove(path)

    def replace(self, folder: str, objects: Mapping[str, Sequence[Interface]]) -> None:
        """Make `objects`, by path, all that lives below `folder`; only what differs is announced."""
        self.objects.replace(folder, objects)

    @contextmanager
    def inhibit(self, reason: str) -> Iterator[None]:
        """Keep the service running for as long as the block does; `reason` names what for.

        ServiceUnknown once the service has begun to leave: the caller asks again and gets a new one.
        """
        if self._leaving:
            raise errors.ServiceUnknown(f"{self.bus_name} was just leaving the bus; ask again")
        self._inhibitors.append(reason)
        try:
            yield
        finally:
            self._inhibitors.remove(reason)
            self._last_use = time.monotonic()

    @property
    def inhibitors(self) -> tuple[str, ...]:
        return tuple(self._inhibitors)

    def at_stop(self, hook: Hook) -> None:
        """Await `hook` before the service ends early (SIGTERM, bus lost): the place to cancel work."""
        self._hooks.append(hook)

    def stop(self) -> None:
        """End the service as SIGTERM does."""
        self._stop.set()

    async def _run(self, build: Build) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self.connection.on_call(self._called)
        await build(self)
        self.objects.announcing = True
        try:
            await self.connection.own_name(self.bus_name)
        except (NameTaken, errors.BeeError) as error:
            log.error("cannot own %s: %s", self.bus_name, error)
            return EXIT_FAILED
        notify("READY=1")
        self._last_use = time.monotonic()
        return await self._until_the_end()

    async def _until_the_end(self) -> int:
        idle = asyncio.create_task(self._idle())
        stop = asyncio.create_task(self._stop.wait())
        watchdog = asyncio.create_task(_feed_watchdog())
        ends: list[asyncio.Future[Any]] = [idle, stop, self.connection.lost]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            notify("STOPPING=1")
            if self.connection.lost.done():
                log.error("the bus went away")
                await self._finish_work()
                return EXIT_FAILED
            if self._stop.is_set():
                await self._finish_work()
            await self._leave()
            return EXIT_OK
        finally:
            for task in (idle, stop, watchdog):
                task.cancel()

    def _called(self, message: Message) -> None:
        self._last_use = time.monotonic()
        self.objects.handle(message)

    async def _idle(self) -> None:
        """Return when nothing has been asked or held for idle_seconds."""
        while True:
            if self._inhibitors or self.objects.calls:
                self._last_use = time.monotonic()
            left = self._last_use + self.idle_seconds - time.monotonic()
            if left <= 0:
                self._leaving = True
                log.info("idle for %g s, leaving", self.idle_seconds)
                return
            await asyncio.sleep(min(left, 1.0) if self._inhibitors or self.objects.calls else left)

    async def _finish_work(self) -> None:
        self._leaving = True
        if self._hooks:
            hooks = [asyncio.ensure_future(hook()) for hook in self._hooks]
            done, late = await asyncio.wait(hooks, timeout=FINISH_SECONDS)
            for each in done:
                if error := each.exception():
                    log.error("while stopping: %s", error, exc_info=error)
            if late:
                log.error("still busy after %g s: %s", FINISH_SECONDS, ", ".join(self._inhibitors))

    async def _leave(self) -> None:
        """Give the name back, and answer the calls that were already on their way to it."""
        try:
            await self.connection.give_name_back(self.bus_name)
        except errors.Disconnected:
            return
        # The bus delivers in order: what was sent to the name came before the answer to releasing it.
        calls = set(self.objects.calls)
        if calls:
            _, late = await asyncio.wait(calls, timeout=0 if self._stop.is_set() else LATE_CALL_SECONDS)
            for call in late:
                call.cancel()
            if late:
                await asyncio.wait(late, timeout=1)


async def _feed_watchdog() -> None:
    period = watchdog_seconds()
    while period is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(period / 3)
