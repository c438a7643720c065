"""Whose page asks: what browsers say of it, and what programs do."""

import pytest
from tornado.httputil import HTTPHeaders

from bee_bus import errors
from bee_bus.errors import TABLE
from bee_web.handlers.base import Refusal, as_refusal, check_same_origin
from bee_web.handlers.session import own_address
from bee_web.login.sessions import NotLoggedIn

HOSTS = ("10.0.0.7", "10.0.0.7:8080", "[fd00::7]", "[fd00::7]:8080", "gpu07.lan")


def checked(**headers: str) -> bool:
    try:
        check_same_origin(HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()}))
    except Refusal as refusal:
        return (refusal.status, refusal.name) != (403, "CrossOrigin")
    return True


@pytest.mark.parametrize("host", HOSTS)
def test_a_page_of_ours_may_ask(host: str) -> None:
    assert checked(Host=host, Origin=f"http://{host}")
    assert checked(Host=host, Origin=f"https://{host}"), "behind somebody's TLS"
    assert checked(Host=host.upper(), Origin=f"http://{host}", Sec_Fetch_Site="same-origin")
    assert checked(Host=host, Sec_Fetch_Site="same-origin")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://10.0.0.8",
        "http://10.0.0.7:81",
        "http://10.0.0.7.evil.example",
        "http://evil.example/10.0.0.7",
        "http://x@10.0.0.7",
        "file://10.0.0.7",
        "10.0.0.7",
        "http://10.0.0.7, http://10.0.0.7",
        "http://[",
    ],
)
def test_another_sites_page_may_not(origin: str) -> None:
    assert not checked(Host="10.0.0.7", Origin=origin)
    assert not checked(Host="10.0.0.7", Origin=origin, Authorization="Bearer k7qd-9xmf-2wtn")
    assert not checked(Host="10.0.0.7", Origin=origin, Sec_Fetch_Site="same-origin")


def test_what_comes_from_nowhere_needs_a_token_of_its_own() -> None:
    assert not checked(Host="10.0.0.7")
    assert not checked(Host="10.0.0.7", Authorization="Basic YWRtaW46YWRtaW4=")
    assert checked(Host="10.0.0.7", Authorization="Bearer k7qd-9xmf-2wtn")
    assert not checked(Host="10.0.0.7", Authorization="Bearer x", Sec_Fetch_Site="cross-site")
    assert not checked(Origin="http://"), "no host is nobody's"


def test_every_error_of_the_bus_has_an_answer_that_names_it() -> None:
    for kind in TABLE.values():
        refusal = as_refusal(kind("words"))
        assert 400 <= refusal.status < 600
        assert refusal.status != 500
        assert refusal.name == kind.name.rpartition(".")[2]
        assert refusal.message
    assert as_refusal(errors.Busy("x")).status == 409
    assert as_refusal(errors.ServiceUnknown("x")).status == 503
    assert as_refusal(NotLoggedIn()).status == 401


def test_a_fault_of_ours_tells_nobody_what_it_was() -> None:
    refusal = as_refusal(ValueError("/root/secret"))
    assert refusal.status == 500
    assert "secret" not in refusal.message


def test_after_a_login_one_stays_here() -> None:
    assert own_address("/runs/1?x=2#3") == "/runs/1?x=2#3"
    for elsewhere in ("", "x", "//x", "/\\x", "http://x", "/\r\nSet-Cookie: x", "/\x00", "/é", "\t//x"):
        assert own_address(elsewhere) == "/"
