"""What somebody who is logged in to the web page does with the machine, and what they are refused."""

import os
from collections.abc import Callable, Iterator

import pytest

from bee_bus.sat_client import SatClient
from lab.bus.private import eventually
from lab.freedesktop import LOGIN1, SYSTEMD1, login1, said, systemd1
from lab.sat import SatMachine
from lab.sat.driving import held, listed, loading, result_of
from lab.web import Web, token_folder, web_page

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]

CPU = {"pack": "cpu", "options": {"duration": "1"}}


@pytest.fixture
def machine(make_sat: MakeSat) -> SatMachine:
    return make_sat(services={**login1("--sessions", "2"), **systemd1()})


@pytest.fixture
def web(machine: SatMachine) -> Iterator[Web]:
    """The page, logged in."""
    with web_page(machine.bus, logs=machine.runs.parent) as page:
        assert page.log_in().status == 200
        yield page


# Acceptance runs.


async def test_a_run_is_started_followed_and_cancelled(machine: SatMachine, web: Web) -> None:
    machine.tools.behave(stress_ng="waits")
    started = web.post("/api/v1/runs", CPU)
    assert started.status == 201
    run = started.json["run"]
    assert started.headers["Location"] == f"/api/v1/runs/{run}"
    await loading(machine, "cpu")
    assert web.get(f"/api/v1/runs/{run}").json["status"] == "RUNNING"

    second = web.post("/api/v1/runs", CPU)
    assert (second.status, second.json["error"]) == (409, "Busy")

    assert web.post(f"/api/v1/runs/{run}/cancel").status == 202
    await eventually(lambda: web.get(f"/api/v1/runs/{run}").json["status"] == "ABORTED", 30)
    over = web.post(f"/api/v1/runs/{run}/cancel")
    assert over.status in (404, 409)  # gone, or still shown as ended


async def test_a_run_outlives_the_page_that_started_it(machine: SatMachine) -> None:
    machine.tools.behave(stress_ng="waits")
    folder = token_folder()
    with web_page(machine.bus, logs=machine.runs.parent, folder=folder) as page:
        page.log_in()
        run = page.post("/api/v1/runs", CPU).json["run"]
        await loading(machine, "cpu")
    with web_page(machine.bus, logs=machine.runs.parent, folder=folder) as page:
        assert page.get(f"/api/v1/runs/{run}").json["status"] == "RUNNING"
        machine.tools.let_go()
        await eventually(lambda: page.get(f"/api/v1/runs/{run}").json["status"] == "OK", 60)


async def test_who_started_it_was_the_page_in_its_records(machine: SatMachine, web: Web) -> None:
    run = web.post("/api/v1/runs", CPU).json["run"]
    await eventually(lambda: web.get(f"/api/v1/runs/{run}").json["status"] == "OK", 60)
    async with machine.bus.client() as bus:
        assert (await result_of(bus, run)).status == "OK"
        assert [entry.run for entry in await listed(bus)] == [run]


def test_what_cannot_be_run_is_said_with_what_can(web: Web) -> None:
    for document, word in (
        ({"pack": "gpu"}, "packs: memory"),
        ({"pack": "cpu", "options": {"duration": "-1"}}, "duration"),
        ({"pack": "cpu", "options": {"colour": "red"}}, "colour"),
    ):
        answer = web.post("/api/v1/runs", document)
        assert (answer.status, answer.json["error"]) == (400, "InvalidOption")
        assert word in answer.json["message"]
    for run in ("nothing", "..", "%2e%2e", "a%2Fb", "%00", "<script>"):
        assert web.post(f"/api/v1/runs/{run.replace('<', '%3C').replace('>', '%3E')}/cancel").status == 404


def test_a_body_that_is_none_is_refused_in_words(web: Web) -> None:
    headers = {"Origin": web.origin, "Content-Type": "application/json"}
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"pack": 1}',
        b'{"pack": "cpu", "more": 1}',
        b"\xff",
        b'{"options": {}}',
    ):
        answer = web.ask("POST", "/api/v1/runs", body, headers)
        assert (answer.status, answer.json["error"]) == (400, "InvalidBody"), body
    answer = web.ask(
        "POST", "/api/v1/runs", b'{"pack": "cpu"}', {"Origin": web.origin, "Content-Type": "text/plain"}
    )
    assert (answer.status, answer.json["error"]) == (415, "NotJson")


def test_a_program_shows_the_token_with_each_request(machine: SatMachine, web: Web) -> None:
    web.cookie = ""
    headers = {"Authorization": f"Bearer {web.token}", "Content-Type": "application/json"}
    answer = web.ask("POST", "/api/v1/audit/run", b"", headers)
    assert answer.status == 202
    assert "Set-Cookie" not in answer.headers
    foreign = {**headers, "Origin": "http://evil.example"}
    assert web.ask("POST", "/api/v1/audit/run", b"", foreign).status == 403


async def test_forms_do_the_same_without_scripts(machine: SatMachine, web: Web) -> None:
    machine.tools.behave(stress_ng="waits")
    started = web.send_form("/do/run", {"pack": "cpu", "option.duration": "1", "option.cpus": ""})
    assert started.status == 303
    run = started.headers["Location"].removeprefix("/runs/")
    await loading(machine, "cpu")
    cancelled = web.send_form("/do/cancel", {"run": run})
    assert (cancelled.status, cancelled.headers["Location"]) == (303, f"/runs/{run}")
    async with machine.bus.client() as bus:
        await eventually(lambda: _ended(SatClient(bus), run), 30)
    audited = web.send_form("/do/audit", {})
    assert (audited.status, audited.headers["Location"]) == (303, "/")
    assert web.send_form("/do/run", {"pack": "<script>"}).status == 400


async def _ended(client: SatClient, run: str) -> bool:
    return '"ABORTED"' in await client.get_result(run)


# An audit.


async def test_an_audit_writes_the_snapshot_that_the_page_shows(machine: SatMachine, web: Web) -> None:
    assert web.get("/api/v1/audit").status == 404
    job = web.post("/api/v1/audit/run", {"options": {}})
    assert job.status == 202
    assert job.json["job"]
    await eventually(lambda: web.get("/api/v1/audit").status == 200, 60)
    assert web.get("/api/v1/audit").json["hardware"]["summary"]["verdict"]


# Network and power.


async def test_addresses_are_asked_for_anew(machine: SatMachine, web: Web) -> None:
    assert web.post("/api/v1/network/renew").json == {"done": "renew"}
    assert web.send_form("/do/renew", {}).status == 303
    async with machine.bus.client() as bus:
        assert await said(bus, SYSTEMD1) == ["restart bee-network.service"] * 2


async def test_the_machine_goes_down_only_when_the_word_was_typed(machine: SatMachine, web: Web) -> None:
    for confirm in ("", "yes", "poweroff", "Reboot"):
        answer = web.post("/api/v1/power/reboot", {"confirm": confirm})
        assert (answer.status, answer.json["error"]) == (400, "NotConfirmed")
        assert web.send_form("/do/power", {"action": "reboot", "confirm": confirm}).status == 400
    assert web.send_form("/do/power", {"action": "format", "confirm": "format"}).status == 400
    async with machine.bus.client() as bus:
        assert await said(bus, LOGIN1) == []
        assert web.post("/api/v1/power/reboot", {"confirm": "reboot"}).status == 202
        answer = web.send_form("/do/power", {"action": "poweroff", "confirm": "poweroff"})
        assert (answer.status, answer.headers["Location"]) == (303, "/power?asked=poweroff")
        assert await said(bus, LOGIN1) == ["Reboot", "PowerOff"]


async def test_the_machine_stays_up_for_a_run_unless_somebody_means_it(machine: SatMachine, web: Web) -> None:
    async with held(machine, "cpu") as (bus, _):
        for answer in (
            web.post("/api/v1/power/poweroff", {"confirm": "poweroff"}),
            web.send_form("/do/power", {"action": "poweroff", "confirm": "poweroff"}),
        ):
            assert answer.status == 409
            assert "acceptance test cpu" in answer.text
        assert await said(bus, LOGIN1) == []
        assert web.post("/api/v1/power/poweroff", {"confirm": "RUN-IS-ON"}).status == 202
        assert await said(bus, LOGIN1) == ["PowerOff"]
        machine.tools.let_go()


async def test_who_holds_the_machine_up_is_named(make_sat: MakeSat) -> None:
    machine = make_sat(services=login1("--inhibited"))
    with web_page(machine.bus) as page:
        page.log_in()
        answer = page.post("/api/v1/power/reboot", {"confirm": "reboot"})
        assert (answer.status, answer.json["error"]) == (409, "Busy")
        assert "Packages are being installed" in answer.json["message"]


def test_without_anybody_who_could_do_it_that_is_said(make_sat: MakeSat) -> None:
    machine = make_sat()
    with web_page(machine.bus) as page:
        page.log_in()
        for path, document in (("network/renew", None), ("power/reboot", {"confirm": "reboot"})):
            answer = page.post(f"/api/v1/{path}", document)
            assert (answer.status, answer.json["error"]) in ((409, "NotSupported"), (503, "ServiceUnknown"))
