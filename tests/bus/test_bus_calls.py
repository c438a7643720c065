"""What a method call is, from the message to the answer."""

import array
import asyncio
import os
import socket
from collections.abc import Callable

import pytest
from dbus_next.constants import MessageFlag
from dbus_next.message import Message

from bee_bus import errors
from bee_bus.values import plain
from lab.bus.private import OPERATOR_UID, STRANGER_UID, LabBus, call, eventually, get, lab_service, once_there
from lab.bus.service import BUS_NAME, PATH

MakeBus = Callable[..., LabBus]


async def test_every_method_knows_its_own_caller(bus: LabBus) -> None:
    async with (
        bus.client() as root,
        bus.client(OPERATOR_UID) as operator,
        bus.client(STRANGER_UID) as stranger,
    ):
        clients = {0: root, OPERATOR_UID: operator, STRANGER_UID: stranger}
        for _ in range(5):
            replies = await asyncio.gather(*(call(client, "Whoami") for client in clients.values()))
            assert [reply.body for reply in replies] == [
                [client.connection.unique_name, uid] for uid, client in clients.items()
            ]


async def test_an_expected_error_arrives_with_its_name_and_sentence(bus: LabBus) -> None:
    async with bus.client() as client:
        for name, error in errors.TABLE.items():
            with pytest.raises(error, match=f"told to fail with {name}"):
                await call(client, "Fail", "s", name)


async def test_a_fault_says_nothing_of_its_insides_and_is_logged_once(bus: LabBus) -> None:
    bus.expect("Traceback")
    bus.expect("org.bee.Lab1.Fail failed")
    async with bus.client() as client:
        with pytest.raises(errors.Internal) as caught:
            await call(client, "Fail", "s", "crash")
    assert "secret" not in caught.value.message
    assert "Traceback" not in caught.value.message
    assert bus.log().count("ZeroDivisionError: secret insides") == 1


async def test_an_answer_of_the_wrong_type_is_a_fault_too(bus: LabBus) -> None:
    bus.expect("Traceback")
    bus.expect("org.bee.Lab1.Fail failed")
    async with bus.client() as client:
        with pytest.raises(errors.Internal):
            await call(client, "Fail", "s", "wrong type")
        assert (await call(client, "Echo", "sd", "still here", 0.0)).body == ["still here"]


async def test_a_call_that_is_given_up_is_answered(bus: LabBus) -> None:
    async with bus.client() as client:
        with pytest.raises(errors.Cancelled):
            await call(client, "Fail", "s", "cancel", deadline_seconds=5)


async def test_a_call_waits_no_longer_than_its_deadline(bus: LabBus) -> None:
    async with bus.client() as client:
        with pytest.raises(errors.NoReply, match=r"did not answer Echo in 0\.2 s"):
            await call(client, "Echo", "sd", "late", 0.5, deadline_seconds=0.2)
        await asyncio.sleep(0.5)  # the late answer comes and disturbs nobody
        assert (await call(client, "Echo", "sd", "next", 0.0)).body == ["next"]


async def test_slow_calls_do_not_hold_up_others(bus: LabBus) -> None:
    async with bus.client() as client:
        slow = asyncio.create_task(call(client, "Echo", "sd", "slow", 1.0))
        assert (await call(client, "Echo", "sd", "fast", 0.0, deadline_seconds=0.9)).body == ["fast"]
        assert (await slow).body == ["slow"]


async def test_structures_arrive_whole_and_no_string_can_end_the_connection(bus: LabBus) -> None:
    async with bus.client() as client:
        rows, table = (await call(client, "Structure")).body
        assert rows == [["nul\N{REPLACEMENT CHARACTER} and ?", 4294967295, True]]
        assert table == {"a": {"b": 2**64 - 1}}


@pytest.mark.parametrize(
    ("path", "interface", "member", "signature", "body", "error"),
    [
        (PATH, BUS_NAME, "Nonsense", "", [], errors.UnknownMethod),
        (PATH, BUS_NAME, "Echo", "s", ["x"], errors.InvalidArgs),
        (PATH, "org.bee.Job1", "Cancel", "", [], errors.UnknownInterface),
        (PATH + "/nowhere", BUS_NAME, "Echo", "sd", ["x", 0.0], errors.UnknownObject),
        ("/", "org.freedesktop.DBus.Properties", "GetAll", "s", [BUS_NAME], errors.UnknownObject),
        (PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", ["org.bee.None1"], errors.UnknownInterface),
        (PATH, "org.freedesktop.DBus.Properties", "Get", "ss", [BUS_NAME, "None"], errors.UnknownProperty),
        (PATH, "org.freedesktop.DBus.Properties", "Get", "s", [BUS_NAME], errors.InvalidArgs),
        (PATH, "org.freedesktop.DBus.Peer", "Pong", "", [], errors.UnknownMethod),
        ("/org", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", [], errors.UnknownInterface),
        (PATH + "/none", "org.freedesktop.DBus.Introspectable", "Introspect", "", [], errors.UnknownObject),
    ],
)
async def test_a_call_of_what_is_not_there_is_refused_by_the_right_name(
    bus: LabBus,
    path: str,
    interface: str,
    member: str,
    signature: str,
    body: list[object],
    error: type[errors.BeeError],
) -> None:
    async with bus.client() as client:
        with pytest.raises(error):
            await client.connection.ask(BUS_NAME, path, interface, member, signature, body)


async def test_properties_can_only_be_read(bus: LabBus) -> None:
    from dbus_next.signature import Variant

    async with bus.client() as client:
        with pytest.raises(errors.PropertyReadOnly):
            await client.connection.ask(
                BUS_NAME,
                PATH,
                "org.freedesktop.DBus.Properties",
                "Set",
                "ssv",
                [BUS_NAME, "Changes", Variant("u", 99)],
            )
        reply = await client.connection.ask(
            BUS_NAME, PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", [BUS_NAME]
        )
        assert plain(reply.body[0]) == {
            "Changes": 0,
            "Cancelled": 0,
            "Label": "lab",
            "Silent": 1,
            "Bulky": "",
        }


async def test_a_caller_who_wants_no_answer_gets_none_and_the_call_is_made(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
        client.connection.tell(BUS_NAME, PATH, BUS_NAME, "Change", "u", [1])
        client.connection.tell(BUS_NAME, PATH, BUS_NAME, "Nonsense", "u", [1])

        async def changed() -> bool:
            return bool(await get(client, "Changes") == 1)

        await eventually(changed)


async def test_a_returned_file_arrives_and_is_not_kept_open(bus: LabBus) -> None:
    async with bus.client() as client:
        before = (await call(client, "OpenFiles")).body[0]
        for number in range(50):
            reply = await call(client, "Open", "s", f"file {number}")
            with os.fdopen(reply.fds[0], "rb") as file:
                assert file.read() == f"file {number}".encode()
        assert (await call(client, "OpenFiles")).body[0] == before


async def test_a_file_that_comes_too_late_is_closed_by_the_client(bus: LabBus) -> None:
    async with bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            with pytest.raises(errors.NoReply):
                await call(client, "Open", "s", "late", deadline_seconds=0)
        await call(client, "Echo", "sd", "all answers are here", 0.0)
        assert len(os.listdir("/proc/self/fd")) == before


async def test_files_that_nobody_asked_for_are_closed(bus: LabBus) -> None:
    async with bus.client() as client:
        before = (await call(client, "OpenFiles")).body[0]
        with open("/dev/null", "rb") as file:  # noqa: ASYNC230
            for _ in range(40):
                message = Message(
                    destination=BUS_NAME,
                    path=PATH,
                    interface=BUS_NAME,
                    member="Echo",
                    signature="h",
                    body=[0],
                    unix_fds=[file.fileno()],
                    flags=MessageFlag.NO_REPLY_EXPECTED,
                )
                await client.connection.send(message)
        assert (await call(client, "OpenFiles")).body[0] == before


async def test_a_message_from_the_future_does_not_end_the_service(bus: LabBus) -> None:
    """A raw client sends header fields and flags that no specification knows."""
    async with bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(f"{bus.folder}/bus")
            raw.sendall(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n")
            for serial, (path, interface, member, extra) in enumerate(
                [
                    ("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", b""),
                    (PATH, "org.freedesktop.DBus.Peer", "Ping", b"\xc8\1s\0\3\0\0\0odd\0"),
                ],
                start=1,
            ):
                destination = "org.freedesktop.DBus" if serial == 1 else BUS_NAME
                fields = b""
                for code, kind, text in (
                    (1, b"o", path),
                    (2, b"s", interface),
                    (3, b"s", member),
                    (6, b"s", destination),
                ):
                    fields += b"\0" * (-len(fields) % 8)
                    fields += bytes([code, 1]) + kind + b"\0" + array.array("I", [len(text)]).tobytes()
                    fields += text.encode() + b"\0"
                if extra:
                    fields += b"\0" * (-len(fields) % 8) + extra
                header = b"l\1\xf8\1" + array.array("I", [0, serial, len(fields)]).tobytes() + fields
                raw.sendall(header + b"\0" * (-len(header) % 8))
            await asyncio.sleep(0.3)
        assert (await call(client, "Echo", "sd", "alive", 0.0)).body == ["alive"]
    assert "the bus went away" not in bus.log()


async def test_a_huge_call_is_refused_and_holds_nobody_up(bus: LabBus) -> None:
    """Decoding it would take dbus-next seconds, in which nobody else is answered."""
    async with bus.client(STRANGER_UID) as stranger, bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
        refused = asyncio.create_task(call(stranger, "Nonsense", "ay", bytes(20 << 20)))
        assert (await call(client, "Echo", "sd", "next", 0.0, deadline_seconds=2)).body == ["next"]
        with pytest.raises(errors.InvalidArgs, match="less than 1 MiB"):
            await refused
        many = ["x" * 20] * 40_000
        with pytest.raises(errors.InvalidArgs, match="less than 1 MiB"):
            await call(client, "Populate", "ass", many, "red")
        assert (await call(client, "Echo", "sd", "still here", 0.0)).body == ["still here"]


async def test_a_service_that_dies_answers_nobody_and_the_client_learns_it_at_once(make_bus: MakeBus) -> None:
    bus = make_bus(services={})
    service = bus.process(lab_service())
    async with bus.client() as client:
        await once_there(client, "Echo", "sd", "awake", 0.0)
        waiting = asyncio.create_task(call(client, "Echo", "sd", "never", 30.0))
        await asyncio.sleep(0.2)
        service.kill()
        with pytest.raises(errors.NoReply):
            await asyncio.wait_for(waiting, 5)
    service.wait()


async def test_without_the_service_the_client_is_told_so(make_bus: MakeBus) -> None:
    bus = make_bus(services={})
    async with bus.client() as client:
        with pytest.raises(errors.ServiceUnknown):
            await call(client, "Echo", "sd", "anybody?", 0.0)


async def test_a_service_that_cannot_be_started_is_named_as_that(make_bus: MakeBus) -> None:
    bus = make_bus(services={BUS_NAME: ["/bin/false"]})
    async with bus.client() as client:
        with pytest.raises(errors.SpawnFailed):
            await call(client, "Echo", "sd", "anybody?", 0.0)
