"""Who may do what: a real polkitd decides, and whatever is not a clear yes is a no."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bee_bus import errors
from lab.bus.private import (
    OPERATOR_UID,
    STRANGER_UID,
    LabBus,
    bad_polkit,
    call,
    eventually,
    get,
    lab_service,
    once_there,
)
from lab.bus.service import BUS_NAME

MakeBus = Callable[..., LabBus]


async def said(bus: LabBus) -> list[str]:
    """What the misbehaving polkit was asked."""
    async with bus.client() as client:
        reply = await client.connection.ask("org.freedesktop.PolicyKit1", "/", "org.bee.Lab1.Polkit", "Said")
        return list(reply.body[0])


async def cancelled(bus: LabBus) -> bool:
    return "cancel org.bee.lab.change" in await said(bus)


async def test_root_may_change(bus: LabBus) -> None:
    async with bus.client() as client:
        assert (await call(client, "Change", "u", 3)).body == [1]


async def test_a_member_of_group_bee_may_change(bus: LabBus) -> None:
    async with bus.client(OPERATOR_UID) as client:
        assert (await call(client, "Change", "u", 3)).body == [1]


async def test_a_stranger_may_look_but_not_change(bus: LabBus) -> None:
    async with bus.client(STRANGER_UID) as client:
        assert (await call(client, "Echo", "sd", "hello", 0.0)).body == ["hello"]
        with pytest.raises(errors.InteractiveAuthorizationRequired):
            await call(client, "Change", "u", 3)
        assert await get(client, "Changes") == 0


async def test_a_stranger_who_can_type_a_password_has_nobody_to_ask_for_it(bus: LabBus) -> None:
    async with bus.client(STRANGER_UID) as client:
        with pytest.raises((errors.InteractiveAuthorizationRequired, errors.AccessDenied)):
            await call(client, "Change", "u", 3, interactive=True)
        assert await get(client, "Changes") == 0


async def test_a_rule_of_the_site_decides(make_bus: MakeBus, tmp_path: Path) -> None:
    rule = tmp_path / "10-site.rules"
    rule.write_text(
        "polkit.addRule(function (action, subject) {"
        ' if (action.id === "org.bee.lab.change") { return polkit.Result.NO; } });'
    )
    bus = make_bus(rules=[rule])
    async with bus.client(OPERATOR_UID) as client:
        with pytest.raises(errors.AccessDenied):
            await call(client, "Change", "u", 3)
        assert await get(client, "Changes") == 0


async def test_arguments_are_looked_at_before_polkit_is_asked(make_bus: MakeBus) -> None:
    bus = make_bus(polkit=bad_polkit("hang"))
    async with bus.client() as client:
        with pytest.raises(errors.InvalidOption, match="1 to 9"):
            await call(client, "Change", "u", 10)
        with pytest.raises(errors.InvalidArgs):
            await call(client, "Change", "s", "3")
    assert await said(bus) == []


async def test_without_a_polkitd_nobody_may_do_anything(make_bus: MakeBus) -> None:
    bus = make_bus(polkit=None)
    bus.expect("polkit could not be asked")
    async with bus.client() as client:
        with pytest.raises(errors.AccessDenied):
            await call(client, "Change", "u", 3)
        with pytest.raises(errors.AccessDenied):
            await call(client, "Echo", "sd", "hello", 0.0)
        assert await get(client, "Changes") == 0


@pytest.mark.parametrize("manner", ["error", "garbage"])
async def test_an_answer_that_is_no_answer_is_a_no(make_bus: MakeBus, manner: str) -> None:
    bus = make_bus(polkit=bad_polkit(manner))
    bus.expect("polkit could not be asked")
    async with bus.client() as client:
        with pytest.raises(errors.AccessDenied):
            await call(client, "Change", "u", 3)
        assert await get(client, "Changes") == 0


async def test_while_polkit_hangs_the_check_waits_and_nothing_else_does(make_bus: MakeBus) -> None:
    bus = make_bus(polkit=bad_polkit("hang"))
    async with bus.client() as waiting, bus.client() as other:
        change = asyncio.create_task(call(waiting, "Change", "u", 3, deadline_seconds=None))
        await asyncio.sleep(0.5)
        assert await get(other, "Changes") == 0
        assert (
            await other.connection.ask(BUS_NAME, "/org/bee/Lab1", "org.freedesktop.DBus.Peer", "Ping")
        ).body == []
        assert not change.done()
        change.cancel()


async def test_the_subject_is_the_senders_name_and_interaction_only_when_it_is_allowed(
    make_bus: MakeBus,
) -> None:
    bus = make_bus(polkit=bad_polkit("error"))
    bus.expect("polkit could not be asked")
    async with bus.client() as client:
        for interactive in (False, True):
            with pytest.raises(errors.AccessDenied):
                await call(client, "Change", "u", 3, interactive=interactive)
        sender = client.connection.unique_name
    assert await said(bus) == [
        f"check org.bee.lab.change of {sender} flags 0",
        f"check org.bee.lab.change of {sender} flags 1",
    ]


@pytest.mark.parametrize("manner", ["hang", "late-yes"])
async def test_a_caller_who_leaves_during_the_check_has_done_nothing(make_bus: MakeBus, manner: str) -> None:
    bus = make_bus(polkit=bad_polkit(manner))
    async with bus.client() as leaver:
        change = asyncio.create_task(call(leaver, "Change", "u", 3, deadline_seconds=None))
        await eventually(lambda: said(bus))
    with pytest.raises(errors.Disconnected):
        await change
    async with bus.client() as witness:
        await eventually(lambda: cancelled(bus))
        await asyncio.sleep(0.1)
        assert await get(witness, "Changes") == 0


async def test_two_checks_of_one_caller_are_cancelled_each_for_itself(make_bus: MakeBus) -> None:
    bus = make_bus(polkit=bad_polkit("hang"))
    async with bus.client() as first, bus.client() as second:
        waits = [
            asyncio.create_task(call(each, "Change", "u", 3, deadline_seconds=None))
            for each in (first, second)
        ]
        while len(await said(bus)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await first.connection.close()
        await eventually(lambda: cancelled(bus))
        await asyncio.sleep(0.1)
        assert (await said(bus)).count("cancel org.bee.lab.change") == 1
        assert not waits[1].done()
        waits[1].cancel()
        with pytest.raises(errors.Disconnected):
            await waits[0]


async def test_when_the_service_is_told_to_stop_a_waiting_check_is_withdrawn_and_answered(
    make_bus: MakeBus,
) -> None:
    bus = make_bus(services={}, polkit=bad_polkit("hang"))
    service = bus.process(lab_service())
    async with bus.client() as client:
        change = asyncio.create_task(once_there(client, "Change", "u", 3, deadline_seconds=None))
        await eventually(lambda: said(bus))
        service.terminate()
        with pytest.raises(errors.Cancelled):
            await change
    assert service.wait(10) == 0
    assert await cancelled(bus)


async def test_the_bus_itself_refuses_what_no_interface_offers(bus: LabBus) -> None:
    async with bus.client(STRANGER_UID) as client:
        with pytest.raises(errors.AccessDenied):
            await client.connection.ask(BUS_NAME, "/org/bee/Lab1", "org.example.Other", "Anything")


async def test_only_root_may_own_the_name(bus: LabBus) -> None:
    async with bus.client(STRANGER_UID) as client:
        with pytest.raises(errors.AccessDenied, match="not allowed to own"):
            await client.connection.own_name("org.bee.Lab1")
