"""org.bee.Sat1 as its clients see it.

async with Bus() as bus:
    run = await SatClient(bus).start("memory", {"duration": "60"})
    ended = await run.finished(on_change=show)
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BufferedReader
from typing import Any

from dbus_next.message import Message

from bee_bus import errors, values
from bee_bus.client import Bus, JobClient, OnChange, Proxy
from bee_bus.connection import DEADLINE_SECONDS, Match
from bee_bus.names import OBJECT_MANAGER, PROPERTIES, SAT, SAT_INTERFACE, SAT_RUN_INTERFACE, job_path

READING_SECONDS = 60.0  # judging anew and archives of old runs may take a while


class SatClient:
    """org.bee.Sat1."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._proxy = Proxy(bus, SAT.bus_name, SAT.path, SAT_INTERFACE)

    async def start(self, pack: str, options: Mapping[str, str] | None = None) -> "SatRunClient":
        """Begin a run. Raises InvalidOption, Busy, NotSupported, AccessDenied."""
        deadline_seconds = None if self.bus.interactive else DEADLINE_SECONDS
        reply = await self._proxy.reply("Start", pack, dict(options or {}), deadline_seconds=deadline_seconds)
        return SatRunClient(self.bus, reply.sender, reply.body[0])

    async def attach(self, run: str) -> "SatRunClient":
        """A run that is under way, or has just ended. Raises NotFound when it has no job (any more)."""
        path = job_path(SAT, run)
        found = await self._find(path)
        if found is None:
            raise errors.NotFound(f"run {run} is not under way")
        return SatRunClient(self.bus, found, path)

    async def get_packs(self) -> str:
        """Every pack and its options; JSON, a list of SatPack."""
        return await self._text("GetPacks")

    async def list_runs(self) -> str:
        """All runs, newest first; JSON, a list of SatRun."""
        return await self._text("ListRuns")

    async def get_result(self, run: str) -> str:
        """JSON, SatResult. Raises NotFound."""
        return await self._text("GetResult", run)

    async def recompute(self, run: str) -> str:
        """JSON, SatResult, judged anew from the records. Raises NotFound."""
        return await self._text("Recompute", run)

    async def list_artifacts(self, run: str) -> list[str]:
        (names,) = await self._proxy.call("ListArtifacts", run, deadline_seconds=READING_SECONDS)
        return [str(name) for name in names]

    async def open_artifact(self, run: str, name: str) -> BufferedReader:
        """A file of a run, open for reading; the caller closes it. Raises NotFound."""
        return await self._file("OpenArtifact", run, name)

    async def export(self, run: str, format_name: str) -> BufferedReader:
        """A finished run as "junit" or "ocp"; the caller closes it."""
        return await self._file("Export", run, format_name)

    async def properties(self) -> dict[str, Any]:
        """Version, Packs, Directory, Active and Held."""
        return await self._proxy.properties()

    async def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The runs under way, and those that have just ended: path → interface → properties."""
        reply = await self.bus.connection.ask(SAT.bus_name, SAT.path, OBJECT_MANAGER, "GetManagedObjects")
        found: dict[str, dict[str, dict[str, Any]]] = values.plain(reply.body[0])
        return found

    async def _find(self, path: str) -> str | None:
        """The unique name of the service's process, when it has an object at the path."""
        reply = await self.bus.connection.ask(SAT.bus_name, SAT.path, OBJECT_MANAGER, "GetManagedObjects")
        return reply.sender if path in reply.body[0] else None

    async def _text(self, method: str, *arguments: Any) -> str:
        (text,) = await self._proxy.call(method, *arguments, deadline_seconds=READING_SECONDS)
        return str(text)

    async def _file(self, method: str, *arguments: Any) -> BufferedReader:
        deadline_seconds = None if self.bus.interactive else READING_SECONDS
        (descriptor,) = await self._proxy.call(method, *arguments, deadline_seconds=deadline_seconds)
        os.set_inheritable(descriptor, False)
        return os.fdopen(descriptor, "rb")


class SatRunClient(JobClient):
    """A run: a job with org.bee.Sat1.Run beside it."""

    def __init__(self, bus: Bus, service: str, path: str) -> None:
        super().__init__(bus, service, path)
        self.run = path.rpartition("/")[2]
        self._run = Proxy(bus, service, path, SAT_RUN_INTERFACE)

    async def run_properties(self) -> dict[str, Any]:
        """Pack, Options, Resources, Steps and Artifacts."""
        return await self._run.properties()

    async def get_result(self) -> str:
        """The result so far; JSON, SatResult."""
        (text,) = await self._run.call("GetResult", deadline_seconds=READING_SECONDS)
        return str(text)

    @asynccontextmanager
    async def following_steps(self, on_change: OnChange) -> AsyncIterator[None]:
        """`on_change` gets the run's properties (Steps and the rest) at once and after every change."""
        known: dict[str, Any] = {}
        early: dict[str, Any] = {}

        def changed(message: Message) -> None:
            news = values.plain(message.body[1])
            if known:
                known.update(news)
                on_change(dict(known))
            else:
                early.update(news)

        wanted = Match(
            sender=self.service,
            path=self.path,
            interface=PROPERTIES,
            member="PropertiesChanged",
            arg0=SAT_RUN_INTERFACE,
        )
        async with self.bus.connection.subscription(wanted, changed):
            known.update(await self.run_properties() | early)
            on_change(dict(known))
            yield
