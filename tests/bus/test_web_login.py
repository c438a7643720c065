"""Logging in to the web page: with the token, not without, not too often, not from another site's page."""

import asyncio
import os
import re
import stat
import time
from collections.abc import Callable, Iterator

import pytest

from lab.bus.private import WEB_UID, LabBus, eventually
from lab.web import BEE_GROUP, HOST, Web, token_folder, web_page

MakeBus = Callable[..., LabBus]


@pytest.fixture
def web(make_bus: MakeBus) -> Iterator[Web]:
    """A web page on a bus without services."""
    bus = make_bus(services={})
    bus.expect("wrong token")
    with web_page(bus) as page:
        yield page


def test_the_token_is_there_before_anybody_asks_and_is_for_the_group_alone(web: Web) -> None:
    assert re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){2}[0-9a-hjkmnp-tv-z]{4}", web.token)
    status = (web.folder / "token").stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    if os.geteuid() == 0:
        assert (status.st_uid, status.st_gid) == (WEB_UID, BEE_GROUP)
    assert os.listdir(web.folder) == ["token"]


def test_the_token_stays_when_the_page_is_started_again(make_bus: MakeBus) -> None:
    bus, folder = make_bus(services={}), token_folder()
    tokens = []
    for _ in range(2):
        with web_page(bus, folder=folder) as page:
            tokens.append(page.token)
            assert page.log_in().status == 200
    assert tokens[0] == tokens[1]


def test_the_token_logs_in_as_people_type_it(web: Web) -> None:
    for typed in (web.token, web.token.upper(), web.token.replace("-", ""), f" {web.token} "):
        web.cookie = ""
        assert web.log_in(typed).status == 200
        assert web.get("/api/v1/session").json["logged_in"] is True


def test_the_cookie_is_for_this_page_alone_and_not_for_scripts(web: Web) -> None:
    cookie = web.log_in().headers["Set-Cookie"]
    name, *attributes = [part.strip() for part in cookie.split(";")]
    assert len(name.partition("=")[2]) >= 43  # 256 bits
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} == set(attributes)
    assert web.token not in cookie


def test_without_the_token_nobody_is_logged_in(web: Web) -> None:
    for wrong in ("", "k7qd-9xmf-2wtn", web.token[:-1], web.token + "0"):
        answer = web.log_in(wrong)
        assert (answer.status, answer.json["error"]) == (401, "WrongToken")
        assert "Set-Cookie" not in answer.headers
    assert web.get("/api/v1/session").json == {"logged_in": False}


def test_a_cookie_that_was_made_up_is_nobody(web: Web) -> None:
    for made_up in ("bee_session=x", "bee_session=", f"bee_session={web.token}", 'bee_session="\\377"'):
        web.cookie = made_up
        assert web.get("/api/v1/session").json == {"logged_in": False}
        assert web.post("/api/v1/runs", {"pack": "memory"}).status == 401


def test_the_sixth_wrong_token_in_a_minute_has_to_wait_and_a_right_one_behind_it_too(web: Web) -> None:
    answers = [web.log_in(f"wrong{number}") for number in range(6)]
    assert [each.status for each in answers] == [401] * 5 + [429]
    assert answers[-1].json["error"] == "TooManyAttempts"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    right = web.log_in()
    assert right.status == 429
    assert "Set-Cookie" not in right.headers
    assert (
        web.get("/api/v1/session", Authorization=f"Bearer {web.token}").status == 200
    )  # it is not looked at


def test_who_fails_does_not_lock_out_others(web: Web) -> None:
    for _ in range(6):
        web.log_in("wrong")
    headers = {"Origin": web.origin, "Content-Type": "application/json"}
    body = f'{{"token": "{web.token}"}}'.encode()
    assert web.ask("POST", "/api/v1/session", body, headers, source="127.0.0.2").status == 200


def test_wrong_bearer_tokens_are_counted_as_well(web: Web) -> None:
    statuses = [web.post("/api/v1/audit/run", Authorization="Bearer wrong").status for _ in range(6)]
    assert statuses == [401] * 5 + [429]


def test_who_is_logged_in_stays_so_while_others_guess(web: Web) -> None:
    web.log_in()
    for _ in range(7):
        web.log_in("wrong")
    assert web.get("/api/v1/session").json["logged_in"] is True


def test_after_logging_out_the_cookie_is_worth_nothing(web: Web) -> None:
    web.log_in()
    answer = web.ask("DELETE", "/api/v1/session", headers={"Origin": web.origin})
    assert answer.status == 204
    assert web.get("/api/v1/session").json == {"logged_in": False}
    assert web.post("/api/v1/runs", {"pack": "memory"}).status == 401


def test_logging_in_anew_ends_the_browsers_session_before(web: Web) -> None:
    web.log_in()
    before = web.cookie
    web.log_in()
    web.cookie = before
    assert web.get("/api/v1/session").json == {"logged_in": False}


def test_a_browser_without_scripts_logs_in_by_a_form(web: Web) -> None:
    answer = web.send_form("/do/login", {"token": web.token, "next": "/runs?x=1"})
    assert (answer.status, answer.headers["Location"]) == (303, "/runs?x=1")
    web.cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert web.get("/api/v1/session").json["logged_in"] is True
    out = web.send_form("/do/logout", {})
    assert (out.status, out.headers["Location"]) == (303, "/")
    assert web.get("/api/v1/session").json == {"logged_in": False}


def test_nobody_is_sent_elsewhere_after_a_login(web: Web) -> None:
    for elsewhere in (
        "//evil.example/",
        "http://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "x",
    ):
        answer = web.send_form("/do/login", {"token": web.token, "next": elsewhere})
        assert (answer.status, answer.headers["Location"]) == (303, "/")


def test_another_sites_page_logs_nobody_in(web: Web) -> None:
    foreign = ("http://evil.example", "null", f"http://{HOST}", f"http://{HOST}:1", "", "garbage", "http://[")
    for origin in foreign:
        assert web.post("/api/v1/session", {"token": web.token}, origin=origin).status == 403
        assert web.send_form("/do/login", {"token": web.token}, origin=origin).status == 403


def test_what_the_browser_says_of_the_site_counts_as_well(web: Web) -> None:
    for site in ("cross-site", "same-site", "none"):
        answer = web.post("/api/v1/session", {"token": web.token}, **{"Sec-Fetch-Site": site})
        assert (answer.status, answer.json["error"]) == (403, "CrossOrigin")
    assert (
        web.post("/api/v1/session", {"token": web.token}, **{"Sec-Fetch-Site": "same-origin"}).status == 200
    )


async def test_the_page_goes_when_nobody_has_asked_for_long_and_stays_for_who_is_logged_in(
    make_bus: MakeBus,
) -> None:
    with web_page(make_bus(services={}), idle_seconds=1.0) as page:
        page.log_in()
        begin = time.monotonic()
        while time.monotonic() < begin + 3:
            assert page.process.poll() is None
            await asyncio.sleep(0.1)
        page.ask("DELETE", "/api/v1/session", headers={"Origin": page.origin})
        await eventually(lambda: page.process.poll() is not None, 20)
        assert page.process.returncode == 0
