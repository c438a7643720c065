"""The web page is one caller on the bus for everybody: what its user may do there, and that a visitor who has
not logged in gets nothing of it done. (A deputy who can be talked into using his own rights is confused.)
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest
from dbus_next.signature import Variant

from bee_bus import interfaces
from bee_bus.client import Bus
from bee_bus.errors import BeeError
from bee_bus.login1 import MANAGER as LOGIN1_MANAGER
from bee_bus.names import POLKIT, POLKIT_INTERFACE, POLKIT_PATH, SERVICES
from bee_bus.systemd1 import MANAGER as SYSTEMD1_MANAGER
from bee_bus.systemd1 import NETWORK_UNIT
from lab.bus.monitor import Call, monitored
from lab.bus.private import OPERATOR_UID, STRANGER_UID, WEB_UID, LabBus
from lab.freedesktop import LOGIN1, SYSTEMD1, login1, said, systemd1
from lab.sat import SatMachine
from lab.sat.driving import ended, held
from lab.web import Web, web_page
from lab.web_routes import Address, addresses

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeBus = Callable[..., LabBus]
MakeSat = Callable[..., SatMachine]

MANAGE_UNITS = "org.freedesktop.systemd1.manage-units"

# What everybody may do by the policy's defaults: looking.
READING = {"org.bee.audit.read", "org.bee.gpu.read", "org.bee.gpu.watch", "org.bee.sat.read"}
# What this user alone gets by a rule, and a visitor without a login too.
FILES_OF_RUNS = {"org.bee.sat.artifact"}
# What it gets by a rule and uses for who is logged in.
CHANGES = {
    "org.bee.audit.run",
    "org.bee.sat.run",
    "org.bee.job.cancel",
    "org.freedesktop.login1.reboot",
    "org.freedesktop.login1.reboot-multiple-sessions",
    "org.freedesktop.login1.power-off",
    "org.freedesktop.login1.power-off-multiple-sessions",
}
# Routes that are for logging in and out, and change nothing else.
OPEN_TO_ALL = {"/api/v1/session", "/do/login", "/do/logout"}

BODIES: dict[str, tuple[str, bytes]] = {
    "/api/": ("application/json", b'{"pack": "cpu", "options": {"duration": "1"}}'),
    "/api/v1/audit": ("application/json", b'{"options": {}}'),
    "/api/v1/power": ("application/json", b'{"confirm": "RUN-IS-ON"}'),
    "/api/v1/session": ("application/json", b'{"token": "no"}'),
    "/do/": (
        "application/x-www-form-urlencoded",
        b"pack=cpu&option.duration=1&action=reboot&confirm=RUN-IS-ON&run=",
    ),
}


async def allowed(asking: Bus, subject: Bus, action: str, **details: str) -> bool:
    """What polkit answers about another connection, as a service asks it."""
    name = subject.connection.unique_name
    reply = await asking.connection.ask(
        POLKIT,
        POLKIT_PATH,
        POLKIT_INTERFACE,
        "CheckAuthorization",
        "(sa{sv})sa{ss}us",
        [["system-bus-name", {"name": Variant("s", name)}], action, details, 0, ""],
    )
    return bool(reply.body[0][0])


async def all_actions(asking: Bus) -> set[str]:
    reply = await asking.connection.ask(POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "EnumerateActions", "s", [""])
    return {each[0] for each in reply.body[0] if not each[0].startswith("org.bee.lab.")}


async def test_the_rights_of_the_web_page_are_these_and_no_others(make_bus: MakeBus) -> None:
    bus = make_bus(services={})
    async with bus.client() as root, bus.client(WEB_UID) as web, bus.client(STRANGER_UID) as stranger:
        actions = await all_actions(root)
        assert {*READING, *FILES_OF_RUNS, *CHANGES, MANAGE_UNITS, "org.bee.audit.capture"} <= actions
        of_web = {action for action in actions if await allowed(root, web, action)}
        of_everybody = {action for action in actions if await allowed(root, stranger, action)}
        assert of_web == READING | FILES_OF_RUNS | CHANGES
        assert {action for action in of_everybody if action.startswith("org.bee.")} == READING
        assert of_web - of_everybody == FILES_OF_RUNS | CHANGES


async def test_of_units_it_may_restart_the_network_alone_and_it_mounts_nothing(make_bus: MakeBus) -> None:
    bus = make_bus(services={})
    async with bus.client() as root, bus.client(WEB_UID) as web, bus.client(OPERATOR_UID) as operator:
        assert await allowed(root, web, MANAGE_UNITS, unit=NETWORK_UNIT, verb="restart")
        for unit, verb in ((NETWORK_UNIT, "stop"), ("ssh.service", "restart"), ("", "")):
            assert not await allowed(root, web, MANAGE_UNITS, unit=unit, verb=verb)
        stick = {"drive.removable": "true", "drive.removable.bus": "usb"}
        mount = "org.freedesktop.udisks2.filesystem-mount"
        assert await allowed(root, operator, mount, **stick)
        assert not await allowed(root, web, mount, **stick)


@pytest.fixture
def machine(make_sat: MakeSat) -> SatMachine:
    """A server with all services, on which something can be broken by who may."""
    return make_sat(services={**login1(), **systemd1()})


@pytest.fixture
def web(machine: SatMachine) -> Iterator[Web]:
    machine.bus.expect("wrong token")
    with web_page(machine.bus, logs=machine.runs.parent) as page:
        yield page


def protected() -> dict[tuple[str, str], str]:
    """The methods behind the rights that the web page has by a rule: interface and member → action."""
    found = {
        (LOGIN1_MANAGER, "Reboot"): "org.freedesktop.login1.reboot",
        (LOGIN1_MANAGER, "PowerOff"): "org.freedesktop.login1.power-off",
        (SYSTEMD1_MANAGER, "RestartUnit"): MANAGE_UNITS,
    }
    for name in {name for service in SERVICES for name in service.interfaces}:
        for method in interfaces.load(name).methods.values():
            if method.action in CHANGES | FILES_OF_RUNS:
                found[name, method.name] = str(method.action)
    assert set(found.values()) >= {
        "org.bee.audit.run",
        "org.bee.sat.run",
        "org.bee.job.cancel",
        "org.bee.sat.artifact",
    }
    return found


async def asked_by_the_page(bus: Bus, calls: Sequence[Call]) -> set[tuple[str, str]]:
    """Interface and member of what did not come from others: a run asks for audits by itself."""
    others = set()
    for sender in {call.sender for call in calls}:
        with suppress(BeeError):  # who has left may have been the page
            if await bus.connection.uid_of(sender) != WEB_UID:
                others.add(sender)
    return {(call.interface, call.member) for call in calls if call.sender not in others}


def body_for(path: str, run: str) -> tuple[dict[str, str], bytes]:
    start = max((each for each in BODIES if path.startswith(each)), key=len, default="/api/")
    kind, body = BODIES[start]
    return {"Content-Type": kind}, body + run.encode() if start == "/do/" else body


def examples(run: str) -> list[Address]:
    return addresses(run, "0000:3b:00.0", "memory", "reboot", "summary.txt", "archive", "junit", "x")


def try_everything(web: Web, run: str, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    """Ask every address by every method; what was answered to those that change something."""
    answers: dict[tuple[str, str], int] = {}
    for address in examples(run):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            kind, body = body_for(address.example, run)
            sent = None if method in ("GET", "HEAD") else body
            most = 0 if method in ("GET", "HEAD") else None
            answer = web.ask(method, address.example, sent, {**kind, **headers}, most_bytes=most)
            assert answer.status != 500, (method, address)
            if method in address.changes:
                answers[method, address.example] = answer.status
    return answers


async def test_who_has_not_logged_in_reaches_no_right_of_the_page_but_files_of_runs(
    machine: SatMachine, web: Web
) -> None:
    done = (await ended(machine, "cpu")).run
    web.log_in()
    live = web.cookie
    web.log_in()
    over, web.cookie = live, ""  # logging in again has ended it
    async with held(machine, "cpu") as (bus, run):
        with monitored(machine.bus) as calls:
            # As a browser without a session sends it, with one that is over, and as another site's page would
            # have the browser of somebody who is logged in send it.
            web.log_in()
            logged_in, web.cookie = web.cookie, ""
            own = {"Origin": web.origin}
            for cookie, headers, refusals in (
                ("", own, {401}),
                (over, own, {401}),
                ("", {"Origin": web.origin, "Authorization": "Basic YmVlOmJlZQ=="}, {401}),
                ("", {}, {403}),
                (logged_in, {}, {403}),
                (logged_in, {"Origin": "http://evil.example"}, {403}),
                (logged_in, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {403}),
            ):
                web.cookie = cookie
                for name in (run.run, done):
                    answers = try_everything(web, name, headers)
                    for (method, path), status in answers.items():
                        if path not in OPEN_TO_ALL or refusals == {403}:
                            assert status in refusals, (method, path, headers, status)
            seen = await asked_by_the_page(bus, calls())
            used = {protected()[call] for call in seen if call in protected()}
            assert used <= FILES_OF_RUNS
            assert ("org.bee.Sat1", "ListRuns") in seen, "the monitor sees what is asked"
        job = await run.properties()
        assert job["State"] == "running"
        assert await said(bus, LOGIN1) == []
        assert await said(bus, SYSTEMD1) == []
        machine.tools.let_go()


async def test_each_of_these_is_reached_by_who_has_logged_in(machine: SatMachine, web: Web) -> None:
    """Without this the test above could be content with a page that does nothing at all."""
    web.log_in()
    with monitored(machine.bus) as calls:
        async with held(machine, "cpu") as (bus, run):
            changed = {address.example for address in examples(run.run) if address.changes} - OPEN_TO_ALL
            for path in sorted(changed):
                kind, body = body_for(path, run.run)
                answer = web.ask("POST", path, body, {**kind, "Origin": web.origin})
                assert answer.status in (200, 201, 202, 303, 404, 409), (path, answer.status, answer.body)
            seen = await asked_by_the_page(bus, calls())
            used = {protected()[call] for call in seen if call in protected()}
            assert used >= {
                "org.bee.audit.run",
                "org.bee.sat.run",
                "org.bee.job.cancel",
                "org.freedesktop.login1.reboot",
                MANAGE_UNITS,
            }
            assert set(await said(bus, LOGIN1)) == {"Reboot"}
            assert set(await said(bus, SYSTEMD1)) == {f"restart {NETWORK_UNIT}"}
        machine.tools.let_go()
