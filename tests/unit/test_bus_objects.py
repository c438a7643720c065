"""The object tree without a bus: who is let in, and what happens to whom is not."""

import asyncio
from typing import Any, cast

import pytest
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message

from bee_bus import errors
from bee_bus.calls import Caller, caller
from bee_bus.connection import Connection
from bee_bus.interface import Interface
from bee_bus.interfaces import parse
from bee_bus.objects import ObjectTree

XML = """
<node><interface name="org.bee.Safe1">
  <method name="Take">
    <annotation name="org.bee.Action" value="org.bee.safe.take"/>
    <arg name="amount" type="u" direction="in"/>
    <arg name="left" type="u" direction="out"/>
  </method>
  <property name="Left" type="u" access="read"/>
</interface></node>
"""
ROOT = "/org/bee/Safe1"


class Wire:
    """Stands where the connection is, and keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def send_and_close(self, message: Message) -> None:
        self.sent.append(message)

    async def uid_of(self, unique_name: str) -> int:
        return int(unique_name.rpartition(".")[2])


class Safe(Interface, xml=parse(XML, "org.bee.Safe1")):
    owner_may = frozenset({"Take"})

    def __init__(self) -> None:
        super().__init__(Left=10)
        self.takers: list[str] = []

    def owner_uid(self) -> int:
        return 7

    def validate_Take(self, amount: int) -> None:
        if amount > 10:
            raise errors.InvalidOption("so much was never in it")

    async def Take(self, amount: int) -> int:
        self.takers.append(caller().sender)
        self.update(Left=self.value("Left") - amount)
        return int(self.value("Left"))


class Gate:
    """Asked before a method runs, and remembers for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self, who: Caller, action: str) -> None:
        self.asked.append((who.sender, action))
        await self.answer


def take(amount: int, sender: str | None = ":1.42", flags: MessageFlag = MessageFlag.NONE) -> Message:
    return Message(
        path=ROOT,
        interface="org.bee.Safe1",
        member="Take",
        signature="u",
        body=[amount],
        sender=cast(str, sender),
        serial=9,
        flags=flags,
    )


@pytest.fixture
async def safe() -> tuple[Safe, Wire, Gate, ObjectTree]:
    safe, wire, gate = Safe(), Wire(), Gate()
    tree = ObjectTree(cast(Connection, wire), ROOT, gate)
    tree.add(ROOT, safe)
    return safe, wire, gate, tree


Fixture = tuple[Safe, Wire, Gate, ObjectTree]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def answers(wire: Wire) -> list[Any]:
    return [
        message.error_name if message.message_type is MessageType.ERROR else message.body
        for message in wire.sent
    ]


async def test_nothing_runs_before_the_gate_has_opened(safe: Fixture) -> None:
    one, wire, gate, tree = safe
    tree.handle(take(3))
    await settle()
    assert gate.asked == [(":1.42", "org.bee.safe.take")]
    assert (one.takers, wire.sent) == ([], [])
    gate.answer.set_result(None)
    await settle()
    assert one.takers == [":1.42"]
    assert answers(wire) == [[7]]


async def test_a_refused_call_runs_nothing(safe: Fixture) -> None:
    one, wire, gate, tree = safe
    gate.answer.set_exception(errors.AccessDenied("no"))
    tree.handle(take(3))
    await settle()
    assert one.takers == []
    assert answers(wire) == ["org.freedesktop.DBus.Error.AccessDenied"]


async def test_a_call_that_does_not_say_who_sent_it_is_refused_without_asking(safe: Fixture) -> None:
    one, wire, gate, tree = safe
    gate.answer.set_result(None)
    tree.handle(take(3, sender=None))
    await settle()
    assert (one.takers, gate.asked) == ([], [])
    assert answers(wire) == ["org.freedesktop.DBus.Error.AccessDenied"]


async def test_what_is_wrong_with_the_arguments_is_said_before_anybody_is_asked(safe: Fixture) -> None:
    _, wire, gate, tree = safe
    tree.handle(take(11))
    await settle()
    assert gate.asked == []
    assert answers(wire) == ["org.bee.Error.InvalidOption"]


async def test_the_owner_is_let_in_without_the_gate(safe: Fixture) -> None:
    one, _, gate, tree = safe
    tree.handle(take(3, sender=":1.7"))
    await settle()
    assert (one.takers, gate.asked) == ([":1.7"], [])


async def test_an_object_that_left_while_the_gate_was_asked_is_not_called(safe: Fixture) -> None:
    one, wire, gate, tree = safe
    tree.handle(take(3))
    await settle()
    tree.remove(ROOT)
    gate.answer.set_result(None)
    await settle()
    assert one.takers == []
    assert answers(wire) == ["org.freedesktop.DBus.Error.UnknownObject"]


async def test_an_object_that_was_replaced_while_the_gate_was_asked_is_not_called(safe: Fixture) -> None:
    one, wire, gate, tree = safe
    successor = Safe()
    tree.handle(take(3))
    await settle()
    tree.remove(ROOT)
    tree.add(ROOT, successor)
    gate.answer.set_result(None)
    await settle()
    assert one.takers == successor.takers == []
    assert answers(wire) == ["org.freedesktop.DBus.Error.UnknownObject"]


async def test_a_gate_that_breaks_is_shut(safe: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    one, wire, gate, tree = safe
    gate.answer.set_exception(ZeroDivisionError("insides"))
    tree.handle(take(3))
    await settle()
    assert one.takers == []
    assert answers(wire) == ["org.bee.Error.Internal"]
    assert len(caplog.records) == 1


async def test_who_wants_no_answer_gets_none_not_even_an_error(safe: Fixture) -> None:
    one, wire, gate, tree = safe
    gate.answer.set_result(None)
    tree.handle(take(3, flags=MessageFlag.NO_REPLY_EXPECTED))
    tree.handle(take(11, flags=MessageFlag.NO_REPLY_EXPECTED))
    await settle()
    assert one.takers == [":1.42"]
    assert wire.sent == []


async def test_an_object_has_its_place_below_the_root_and_each_interface_once(safe: Fixture) -> None:
    _, _, _, tree = safe
    for path in ("/", "/org/bee", "/org/bee/Safe10", "/org/bee/Safe1x/y"):
        with pytest.raises(ValueError, match="is not under"):
            tree.add(path, Safe())
    with pytest.raises(ValueError, match="already has"):
        tree.add(ROOT, Safe())
    assert tree.paths() == [ROOT]


async def test_before_the_name_is_owned_nobody_is_told(safe: Fixture) -> None:
    one, wire, _, tree = safe
    tree.add(f"{ROOT}/item/a", Safe())
    one.update(Left=1)
    one.flush()
    assert wire.sent == []
    tree.announcing = True
    tree.add(f"{ROOT}/item/b", Safe())
    assert [message.member for message in wire.sent] == ["InterfacesAdded"]
