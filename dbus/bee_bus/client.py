"""The services as their clients see them: typed, made from the same XML, errors as exceptions.

async with Bus() as bus:
    job = await AuditClient(bus).run()
    state = await job.finished(on_change=show)
    snapshot = await job.get_snapshot()
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from io import BufferedReader
from typing import Any, Self

from dbus_next.message import Message

from bee_bus import errors, interfaces, values
from bee_bus.connection import DEADLINE_SECONDS, Connection, Match, Reply
from bee_bus.interfaces import Description
from bee_bus.names import (
    AUDIT,
    AUDIT_INTERFACE,
    AUDIT_RUN_INTERFACE,
    JOB_INTERFACE,
    OBJECT_MANAGER,
    PROPERTIES,
)

OnChange = Callable[[Mapping[str, Any]], None]


class Bus:
    """A client's connection to the bus, for the length of an ``async with``."""

    def __init__(self, address: str | None = None, *, interactive: bool = False) -> None:
        """`interactive`: a person is there who can type a password when polkit asks for one."""
        self.address = address
        self.interactive = interactive
        self._connection: Connection | None = None

    @classmethod
    def over(cls, connection: Connection) -> Self:
        """A service's own connection, to ask other services by."""
        bus = cls(connection.address)
        bus._connection = connection
        return bus

    async def __aenter__(self) -> Self:
        self._connection = await Connection.open(self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("use it as: async with Bus() as bus")
        return self._connection


class Proxy:
    """One interface of one object."""

    def __init__(self, bus: Bus, destination: str, path: str, interface: str | Description) -> None:
        self.bus = bus
        self.destination = destination
        self.path = path
        self.description = interfaces.load(interface) if isinstance(interface, str) else interface

    async def call(
        self, method: str, *arguments: Any, deadline_seconds: float | None = DEADLINE_SECONDS
    ) -> tuple[Any, ...]:
        """Call a method of the XML; the results as plain values, files as descriptors that are now ours."""
        return self._results(method, await self.reply(method, *arguments, deadline_seconds=deadline_seconds))

    async def reply(
        self, method: str, *arguments: Any, deadline_seconds: float | None = DEADLINE_SECONDS
    ) -> Reply:
        """Call a method of the XML, for its answer as it came.

        A call that met the service in the moment of its leaving is made once more, to the service that
        takes over.
        """
        described = self.description.methods[method]
        kinds = values.all_types(described.input_signature)
        body = [values.wire(kind, argument) for kind, argument in zip(kinds, arguments, strict=True)]
        for again in (True, False):
            try:
                return await self.bus.connection.ask(
                    self.destination,
                    self.path,
                    self.description.name,
                    method,
                    described.input_signature,
                    body,
                    deadline_seconds=deadline_seconds,
                    interactive=self.bus.interactive,
                )
            except errors.ServiceUnknown:
                if not again or self.destination.startswith(":"):
                    raise
        raise AssertionError("unreachable")

    async def properties(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> dict[str, Any]:
        """All properties, as plain values."""
        reply = await self.bus.connection.ask(
            self.destination,
            self.path,
            PROPERTIES,
            "GetAll",
            "s",
            [self.description.name],
            deadline_seconds=deadline_seconds,
        )
        found: dict[str, Any] = values.plain(reply.body[0])
        return found

    def _results(self, method: str, reply: Reply) -> tuple[Any, ...]:
        outputs = self.description.methods[method].outputs
        return tuple(
            reply.fds[part] if argument.signature == "h" else values.plain(part)
            for argument, part in zip(outputs, reply.body, strict=True)
        )


class AuditClient:
    """org.bee.Audit1."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._proxy = Proxy(bus, AUDIT.bus_name, AUDIT.path, AUDIT_INTERFACE)

    async def run(self, options: Mapping[str, str] | None = None) -> "RunClient":
        """Start an audit, or join one of the same sections that is under way."""
        return await self._job("Run", options)

    async def capture(self, options: Mapping[str, str] | None = None) -> "RunClient":
        """Start an audit that keeps everything it reads."""
        return await self._job("Capture", options)

    async def get_snapshot(self) -> str:
        """The current snapshot, JSON."""
        (snapshot,) = await self._proxy.call("GetSnapshot")
        return str(snapshot)

    async def properties(self) -> dict[str, Any]:
        """Version, Sections, SnapshotPath, Verdict and the counts."""
        return await self._proxy.properties()

    async def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Components and jobs: path → interface → properties."""
        reply = await self.bus.connection.ask(AUDIT.bus_name, AUDIT.path, OBJECT_MANAGER, "GetManagedObjects")
        found: dict[str, dict[str, dict[str, Any]]] = values.plain(reply.body[0])
        return found

    async def _job(self, method: str, options: Mapping[str, str] | None) -> "RunClient":
        # Polkit may be asking a person, so there is no deadline when that was allowed.
        deadline_seconds = None if self.bus.interactive else DEADLINE_SECONDS
        reply = await self._proxy.reply(method, dict(options or {}), deadline_seconds=deadline_seconds)
        return RunClient(self.bus, reply.sender, reply.body[0])


class JobClient:
    """One job: org.bee.Job1. It is asked of the very process that runs it, never of a successor."""

    def __init__(self, bus: Bus, service: str, path: str) -> None:
        """`service`: the unique name of the process, as the reply that named the job gave it."""
        self.bus = bus
        self.service = service
        self.path = path
        self._proxy = Proxy(bus, service, path, JOB_INTERFACE)

    async def properties(self) -> dict[str, Any]:
        """Kind, State, Verdict, Step, Progress and the rest."""
        return await self._proxy.properties()

    async def cancel(self) -> None:
        """Tell it to end."""
        await self._proxy.call("Cancel")

    async def finished(
        self, on_change: OnChange | None = None, *, deadline_seconds: float | None = None
    ) -> dict[str, Any]:
        """Follow the job to its end and return its properties then.

        `on_change` gets the properties at once and after every change. Raises ServiceGone when the service
        ends before the job has, NoReply after the deadline.
        """
        try:
            async with asyncio.timeout(deadline_seconds), self._followed() as changes:
                while True:
                    properties = await changes.get()
                    if properties is None and self.bus.connection.lost.done():
                        raise errors.Disconnected("the bus went away before the job had ended")
                    if properties is None:
                        raise errors.ServiceGone("the service ended before the job did")
                    if on_change is not None:
                        on_change(properties)
                    if properties["State"] == "finished":
                        return properties
        except TimeoutError:
            raise errors.NoReply(f"the job has not finished in {deadline_seconds:g} s") from None

    @asynccontextmanager
    async def _followed(self) -> AsyncIterator["asyncio.Queue[dict[str, Any] | None]"]:
        """The properties, now and after every change; None when the service or the bus has gone."""
        connection = self.bus.connection
        changes: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        known: dict[str, Any] = {}
        early: dict[str, Any] = {}  # what changed before the first full answer is part of that, or newer

        def changed(message: Message) -> None:
            news = values.plain(message.body[1])
            if known:
                known.update(news)
                changes.put_nowait(dict(known))
            else:
                early.update(news)

        def gone(*_: object) -> None:
            changes.put_nowait(None)

        def owner_changed(message: Message) -> None:
            if message.body[1]:  # the old owner; a service that is only just started has none
                gone()

        wanted = Match(
            sender=self.service,
            path=self.path,
            interface=PROPERTIES,
            member="PropertiesChanged",
            arg0=JOB_INTERFACE,
        )
        leaving = Match(
            sender="org.freedesktop.DBus",
            interface="org.freedesktop.DBus",
            member="NameOwnerChanged",
            arg0=self.service,
        )
        connection.lost.add_done_callback(gone)
        try:
            async with (
                connection.subscription(leaving, owner_changed),
                connection.subscription(wanted, changed),
            ):
                try:
                    known.update(await self.properties() | early)
                except (errors.ServiceUnknown, errors.ServiceGone, errors.UnknownObject) as error:
                    raise errors.ServiceGone("the service ended before the job could be followed") from error
                changes.put_nowait(dict(known))
                yield changes
        finally:
            connection.lost.remove_done_callback(gone)


class RunClient(JobClient):
    """An audit or a capture: a job with org.bee.Audit1.Run beside it."""

    def __init__(self, bus: Bus, service: str, path: str) -> None:
        super().__init__(bus, service, path)
        self._run = Proxy(bus, service, path, AUDIT_RUN_INTERFACE)

    async def run_properties(self) -> dict[str, Any]:
        """Sections, Collectors and Artifacts."""
        return await self._run.properties()

    async def get_snapshot(self) -> str:
        """This audit's own snapshot, JSON."""
        (snapshot,) = await self._run.call("GetSnapshot")
        return str(snapshot)

    async def open_artifact(self, name: str) -> BufferedReader:
        """A file of this job, open for reading; the caller closes it."""
        (descriptor,) = await self._run.call("OpenArtifact", name)
        os.set_inheritable(descriptor, False)
        return os.fdopen(descriptor, "rb")
