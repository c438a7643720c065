"""Objects on the bus: properties and their changes, the ObjectManager, introspection, signals."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from dbus_next.message import Message

from bee_bus.client import Bus
from bee_bus.connection import Match
from bee_bus.names import OBJECT_MANAGER, PROPERTIES
from bee_bus.values import plain
from lab.bus.private import LabBus, call, eventually, pid_of
from lab.bus.service import BUS_NAME, PATH


@asynccontextmanager
async def listening(client: Bus, **match: Any) -> AsyncIterator[list[Message]]:
    """The lab service's signals, as they come."""
    heard: list[Message] = []
    async with client.connection.subscription(Match(sender=BUS_NAME, **match), heard.append):
        yield heard


async def managed(client: Bus) -> dict[str, dict[str, dict[str, object]]]:
    reply = await client.connection.ask(BUS_NAME, PATH, OBJECT_MANAGER, "GetManagedObjects")
    objects: dict[str, dict[str, dict[str, object]]] = plain(reply.body[0])
    return objects


async def introspect(client: Bus, path: str) -> ElementTree.Element:
    reply = await client.connection.ask(BUS_NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect")
    return ElementTree.fromstring(reply.body[0])


async def test_one_change_is_one_signal_and_says_what_the_xml_lets_it_say(bus: LabBus) -> None:
    async with bus.client() as client, listening(client, interface=PROPERTIES) as heard:
        await call(client, "Change", "u", 1)
        await call(client, "Tick", "u", 1)
        assert [plain(message.body) for message in heard] == [[BUS_NAME, {"Changes": 1}, ["Bulky"]]]
        assert heard[0].path == PATH


async def test_a_signal_carries_what_the_xml_says(bus: LabBus) -> None:
    async with bus.client() as client, listening(client, member="Ticked") as heard:
        await call(client, "Tick", "u", 7)
        await call(client, "Tick", "u", 8)
        assert [(message.path, message.interface, message.body) for message in heard] == [
            (PATH, BUS_NAME, [7, "tick"]),
            (PATH, BUS_NAME, [8, "tick"]),
        ]


async def test_a_subscription_that_has_ended_hears_nothing_and_leaves_no_rule(bus: LabBus) -> None:
    async with bus.client() as client:
        async with listening(client, member="Ticked") as heard:
            await call(client, "Tick", "u", 1)
        await call(client, "Tick", "u", 2)
        assert [message.body[0] for message in heard] == [1]
        everything: list[Message] = []
        client.connection._subscriptions.append((Match(), None, everything.append))
        await call(client, "Tick", "u", 3)
        assert everything == [], "the bus still sends what nobody subscribes to"


async def test_a_signal_that_somebody_else_sends_in_the_services_name_is_not_heard(bus: LabBus) -> None:
    async with bus.client() as client, bus.client() as forger, listening(client, member="Ticked") as heard:
        await call(client, "Tick", "u", 1)
        forged = Message.new_signal(PATH, BUS_NAME, "Ticked", "us", [666, "forged"])
        setattr(forged, "destination", client.connection.unique_name)  # noqa: B010  (its type says None)
        await forger.connection.send(forged)
        await call(forger, "Tick", "u", 2)
        await call(client, "Tick", "u", 3)
        assert [message.body[0] for message in heard] == [1, 2, 3]


async def test_a_subscription_follows_the_name_to_its_next_owner(bus: LabBus) -> None:
    async with bus.client() as client, listening(client, member="Ticked") as heard:
        await call(client, "Tick", "u", 1)
        os.kill(await pid_of(client, BUS_NAME), signal.SIGKILL)
        async with client.connection.name_watch(BUS_NAME) as watch:
            await eventually(lambda: watch.owner is None)
        await call(client, "Tick", "u", 2)
        assert [message.body[0] for message in heard] == [1, 2]


async def test_objects_come_and_go_with_signals_from_the_managers_path(bus: LabBus) -> None:
    async with bus.client() as client, listening(client, interface=OBJECT_MANAGER) as heard:
        await call(client, "Populate", "ass", ["a1", "b2"], "red")
        await call(client, "Populate", "ass", ["b2", "c3"], "red")
        await call(client, "Tick", "u", 1)
        assert {message.path for message in heard} == {PATH}

        def item(name: str) -> dict[str, dict[str, str]]:
            return {"org.bee.Lab1.Item": {"Name": name, "Colour": "red"}}

        assert [(message.member, plain(message.body)) for message in heard] == [
            ("InterfacesAdded", [f"{PATH}/item/a1", item("a1")]),
            ("InterfacesAdded", [f"{PATH}/item/b2", item("b2")]),
            ("InterfacesRemoved", [f"{PATH}/item/a1", ["org.bee.Lab1.Item"]]),
            ("InterfacesAdded", [f"{PATH}/item/c3", item("c3")]),
        ]


async def test_an_object_that_stays_says_only_what_is_new(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Populate", "ass", ["a1", "b2"], "red")
        async with listening(client, path_namespace=PATH) as heard:
            await call(client, "Populate", "ass", ["a1", "b2"], "red")
            await call(client, "Populate", "ass", ["a1", "b2"], "blue")
            await call(client, "Tick", "u", 1)
            assert [(message.path, message.member) for message in heard] == [
                (f"{PATH}/item/a1", "PropertiesChanged"),
                (f"{PATH}/item/b2", "PropertiesChanged"),
                (PATH, "Ticked"),
            ]
            assert [plain(message.body[1]) for message in heard[:2]] == [{"Colour": "blue"}] * 2
        objects = await managed(client)
        assert {path: object_["org.bee.Lab1.Item"]["Colour"] for path, object_ in objects.items()} == {
            f"{PATH}/item/a1": "blue",
            f"{PATH}/item/b2": "blue",
        }


async def test_an_object_whose_name_begins_like_another_gets_no_child_from_it(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Populate", "ass", ["gpu1", "gpu10"], "red")
        assert [node.get("name") for node in (await introspect(client, f"{PATH}/item")).findall("node")] == [
            "gpu1",
            "gpu10",
        ]
        assert (await introspect(client, f"{PATH}/item/gpu1")).findall("node") == []


async def test_the_path_can_be_walked_down_from_the_root(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Populate", "ass", ["a1"], "red")
        path = "/"
        for part in ["org", "bee", "Lab1", "item", "a1"]:
            children = (await introspect(client, path)).findall("node")
            assert [node.get("name") for node in children] == [part]
            path = path.rstrip("/") + "/" + part


async def test_busctl_shows_the_service_to_people(bus: LabBus) -> None:
    if shutil.which("busctl") is None:
        pytest.skip("busctl is not installed")
    async with bus.client() as client:
        await call(client, "Populate", "ass", ["a1"], "red")
        shown = await busctl(bus, "introspect", BUS_NAME, PATH)
        assert any(line.split()[:4] == [".Change", "method", "u", "u"] for line in shown)
        assert any(line.split()[:3] == [".Ticked", "signal", "us"] for line in shown)
        assert any(line.split() == [".Label", "property", "s", '"lab"', "const"] for line in shown)
        assert any(f"{PATH}/item/a1" in line for line in await busctl(bus, "tree", BUS_NAME))
        assert await busctl(bus, "call", BUS_NAME, PATH, BUS_NAME, "Change", "u", "2") == ["u 1"]
        assert await busctl(bus, "get-property", BUS_NAME, PATH, BUS_NAME, "Changes") == ["u 1"]


async def busctl(bus: LabBus, *words: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        "busctl",
        f"--address={bus.address}",
        "--no-pager",
        *words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()


async def test_four_hundred_objects_are_there_in_a_moment(bus: LabBus) -> None:
    names = [f"item{number:03d}" for number in range(400)]
    async with bus.client() as client:
        await call(client, "Tick", "u", 1)
        started = time.perf_counter()
        await call(client, "Populate", "ass", names, "red")
        populated = time.perf_counter() - started
        started = time.perf_counter()
        assert len(await managed(client)) == 400
        listed = time.perf_counter() - started
        started = time.perf_counter()
        await call(client, "Populate", "ass", names, "red")
        unchanged = time.perf_counter() - started
    took = {"put there": populated, "listed": listed, "left as they are": unchanged}
    assert all(seconds < 1 for seconds in took.values()), took
