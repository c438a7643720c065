"""The client's side: what a program sees when all goes well, and when nothing does."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dbus_next.message import Message

from bee_bus import errors
from bee_bus.client import Bus, Proxy
from bee_bus.connection import Connection, Match
from bee_bus.interfaces import parse
from lab.bus.private import LabBus, call, eventually
from lab.bus.service import BUS_NAME, PATH, XML

MakeBus = Callable[..., LabBus]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Something that listens where a bus should be."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        listening.listen()
        yield f"unix:path={tmp_path}/bus", listening


def answering(listening: socket.socket, *answers: bytes) -> threading.Thread:
    """Let whatever connects hear these lines, and nothing more."""

    def converse() -> None:
        connection, _ = listening.accept()
        with connection:
            for answer in answers:
                connection.recv(4096)
                connection.sendall(answer)
            connection.recv(4096)

    thread = threading.Thread(target=converse)
    thread.start()
    return thread


async def test_a_method_is_called_as_the_xml_describes_it(bus: LabBus) -> None:
    async with bus.client() as client:
        proxy = Proxy(client, BUS_NAME, PATH, parse(XML, BUS_NAME))
        assert await proxy.call("Echo", "hello", 0) == ("hello",)
        assert await proxy.call("Structure") == (
            [["nul\N{REPLACEMENT CHARACTER} and ?", 4294967295, True]],
            {"a": {"b": 2**64 - 1}},
        )
        (descriptor,) = await proxy.call("Open", "text")
        with os.fdopen(descriptor, "rb") as file:
            assert file.read() == b"text"
        assert (await proxy.properties())["Label"] == "lab"


async def test_a_call_that_the_xml_does_not_have_is_not_even_sent(bus: LabBus) -> None:
    async with bus.client() as client:
        proxy = Proxy(client, BUS_NAME, PATH, parse(XML, BUS_NAME))
        with pytest.raises(KeyError):
            await proxy.call("Nonsense")
        with pytest.raises(ValueError, match="argument"):
            await proxy.call("Echo", "hello")
        with pytest.raises(TypeError):
            await proxy.call("Echo", 5, 0.0)


async def test_a_call_that_met_the_service_leaving_is_made_again(make_bus: MakeBus) -> None:
    bus = make_bus(services={})
    async with bus.client() as service, bus.client() as client:
        calls: list[Message] = []

        def leave_then_answer(message: Message) -> None:
            calls.append(message)
            if len(calls) == 1:
                reply = Message.new_error(message, errors.ServiceUnknown.name, "was just leaving")
            else:
                reply = Message.new_method_return(message, "s", ["here"])
            service.connection.send(reply)

        service.connection.on_call(leave_then_answer)
        await service.connection.own_name(BUS_NAME)
        proxy = Proxy(client, BUS_NAME, PATH, parse(XML, BUS_NAME))
        assert await proxy.call("Echo", "x", 0.0) == ("here",)
        assert len(calls) == 2


async def test_without_a_bus_the_error_names_the_address(tmp_path: Path) -> None:
    with pytest.raises(errors.Disconnected, match="there is no bus at unix:path="):
        async with Bus(f"unix:path={tmp_path}/none"):
            pass


async def test_asking_for_a_bus_that_is_not_there_leaves_no_socket_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(errors.Disconnected):
            await Connection.open(f"unix:path={tmp_path}/none")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("address", ["nonsense", "unix:", "tcp:host=127.0.0.1,port=1", "unix:path=/\x01"])
async def test_an_address_that_is_none_is_no_bus(address: str) -> None:
    with pytest.raises(errors.Disconnected):
        async with Bus(address):
            pass


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [b"REJECTED EXTERNAL\r\n"],
        [b"HELLO WORLD\r\n"],
        [b"\xff\xfe\r\n"],
        [b"OK 0123\r\n"],
        [b"OK 0123\r\n", b"ERROR\r\n"],
        [b"OK 0123\r\n", b"AGREE_UNIX_FD\r\n"],
        [b"OK 0123\r\n", b"AGREE_UNIX_FD\r\n", b"l\2\1\1" + b"\xff" * 60],
    ],
    ids=[
        "hangs up",
        "rejects",
        "another protocol",
        "garbage",
        "hangs up later",
        "no files",
        "no greeting",
        "noise",
    ],
)
async def test_what_is_no_bus_does_not_hang_the_client(
    peer: tuple[str, socket.socket], answers: list[bytes]
) -> None:
    address, listening = peer
    thread = answering(listening, *answers)
    with pytest.raises(errors.Disconnected, match="does not let us in"):
        async with Bus(address):
            pass
    await asyncio.to_thread(thread.join, 10)


async def test_what_never_answers_is_given_up(
    peer: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bee_bus.connection.CONNECT_SECONDS", 0.2)
    with pytest.raises(errors.Disconnected):
        async with Bus(peer[0]):
            pass


async def test_many_connections_leave_no_descriptor_behind(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        async with bus.client() as client:
            await call(client, "Echo", "sd", "hello", 0.0)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_subscription_that_the_bus_refuses_is_forgotten(bus: LabBus) -> None:
    async with bus.client() as client:
        with pytest.raises(errors.BeeError):
            async with client.connection.subscription(Match(member="not a member name"), print):
                pass
        assert client.connection._subscriptions == []


async def test_a_cancelled_call_leaves_nothing_waiting(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
        waiting = asyncio.create_task(call(client, "Echo", "sd", "never", 60.0))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        assert client.connection._method_return_handlers == {}


async def test_a_burst_larger_than_the_socket_arrives_whole(bus: LabBus) -> None:
    """dbus-next itself takes a full socket for the end of the connection."""
    async with bus.client() as first, bus.client() as second:
        arrived: list[int] = []
        await call(first, "Echo", "sd", "awake", 0.0)
        sender = first.connection.unique_name
        async with second.connection.subscription(
            Match(sender=sender, member="Filled"), lambda message: arrived.append(len(message.body[0]))
        ):
            text = "x" * 30_000
            for _ in range(200):
                first.connection.send(Message.new_signal(PATH, "org.bee.Lab1", "Filled", "s", [text]))
            await call(first, "Echo", "sd", "after them", 0.0)
            await eventually(lambda: len(arrived) == 200)
        assert arrived == [30_000] * 200


async def test_what_is_sent_just_before_the_end_still_leaves(bus: LabBus) -> None:
    async with bus.client() as watcher:
        heard: list[Message] = []
        async with watcher.connection.subscription(Match(member="Last"), heard.append):
            connection = await Connection.open(bus.address)
            for _ in range(50):
                connection.send(Message.new_signal(PATH, "org.bee.Lab1", "Last", "s", ["x" * 30_000]))
            await connection.close()
            await eventually(lambda: len(heard) == 50)


def test_importing_the_client_warns_of_nothing() -> None:
    """On newer Pythons, dbus-next's decorators and asyncio's old names do."""
    code = "import bee_bus.client, bee_bus.host, bee_bus.job"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
