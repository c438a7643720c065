"""Which services are there: by the names on the bus, and by how asking them went."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bee_bus.client import Bus
from bee_bus.connection import NameWatch
from bee_bus.errors import (
    BeeError,
    Disconnected,
    NoReply,
    OtherError,
    ServiceGone,
    ServiceUnknown,
    SpawnFailed,
    in_words,
)
from bee_bus.following import until_first
from bee_bus.names import AUDIT, DBUS, DBUS_PATH, GPU, SAT, SERVICES, Service
from bee_web.documents import ServicesNow, ServiceWord
from bee_web.door import Door
from bee_web.live.follower import Follower
from bee_web.live.hub import Hub

TOPIC = "services"
NAMES: Mapping[Service, str] = {AUDIT: "audit", SAT: "sat", GPU: "gpu"}
NO_BUS = "the bus is not there"

# A service that answers with another error is well.
_NOT_THERE = (Disconnected, NoReply, OtherError, ServiceGone, ServiceUnknown, SpawnFailed)


class Services(Follower):
    """``now``: what there is to know, also while there is no bus."""

    def __init__(self, door: Door, hub: Hub) -> None:
        super().__init__(door)
        self._hub = hub
        self._bus_trouble = NO_BUS  # empty: the bus is there
        self._owners: dict[Service, str | None] = {}
        self._startable: frozenset[str] = frozenset()
        self._errors: dict[Service, BeeError] = {}
        self.now = self._look()

    def word(self, service: Service) -> ServiceWord:
        word: ServiceWord = getattr(self.now, NAMES[service])
        return word

    def answered(self, service: Service, error: BeeError | None) -> None:
        """How asking a service went."""
        if isinstance(error, Disconnected):
            return  # that is the bus's state, which is followed
        if isinstance(error, _NOT_THERE):
            self._errors[service] = error
        else:
            self._errors.pop(service, None)
        self._tell()

    def lost(self, words: str) -> None:
        self._bus_trouble = words
        self._owners.clear()
        self._errors.clear()
        self._tell()

    async def follow(self, bus: Bus) -> None:
        await until_first(*(self._follow_name(bus, service) for service in SERVICES))

    async def _follow_name(self, bus: Bus, service: Service) -> None:
        async with bus.connection.name_watch(service.bus_name) as watch:
            while True:
                await self._take(bus, service, watch)
                await watch.lost(watch.owner)

    async def _take(self, bus: Bus, service: Service, watch: NameWatch) -> None:
        reply = await bus.connection.ask(DBUS, DBUS_PATH, DBUS, "ListActivatableNames")
        self._startable = frozenset(reply.body[0])
        self._bus_trouble = ""
        self._owners[service] = watch.owner
        if watch.owner is not None:
            self._errors.pop(service, None)
        self._tell()

    def _tell(self) -> None:
        self.now = self._look()
        self._hub.publish(TOPIC, msgspec.json.encode(self.now))

    def _look(self) -> ServicesNow:
        words = {name: self._word(service) for service, name in NAMES.items()}
        return ServicesNow(
            bus=not self._bus_trouble,
            audit=words["audit"],
            sat=words["sat"],
            gpu=words["gpu"],
            messages={
                name: self._message(service)
                for service, name in NAMES.items()
                if words[name] in ("missing", "error")
            },
        )

    def _word(self, service: Service) -> ServiceWord:
        if self._bus_trouble or service in self._errors:
            return "error"
        if self._owners.get(service) is not None:
            return "running"
        return "idle" if service.bus_name in self._startable else "missing"

    def _message(self, service: Service) -> str:
        if self._bus_trouble:
            return self._bus_trouble
        if service in self._errors:
            return in_words(self._errors[service])
        return "the bus does not know this service"
