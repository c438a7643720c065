"""Visitors who send too much, too slowly or not at all, and who do not take what they asked for."""

import contextlib
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bee_web.connections import PER_CLIENT
from bee_web.server import BODY_BYTES_MAX, HEADER_BYTES_MAX
from lab.bus.private import LabBus
from lab.web import HOST, WAIT_SECONDS, Web, web_page
from lab.web_routes import addresses

MakeBus = Callable[..., LabBus]

PROMPT_SECONDS = 10.0  # generous: what is held up waits for much longer
REQUEST = b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def web(make_bus: MakeBus, tmp_path: Path) -> Iterator[Web]:
    bus = make_bus(services={})
    with web_page(bus, logs=tmp_path) as page:
        yield page
    bus.expect("wrong token")  # the forms that are sent here have none


def answers_promptly(web: Web) -> None:
    begin = time.monotonic()
    assert web.get("/api/v1/session").json == {"logged_in": False}
    assert time.monotonic() < begin + PROMPT_SECONDS


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    got = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while part := connection.recv(65536):
            got += part
    return got


def test_a_body_that_is_too_long_is_not_read(web: Web) -> None:
    with web.raw() as connection:
        head = f"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES_MAX + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 400 " in rest(connection)
    answers_promptly(web)


def test_a_body_that_never_says_its_length_ends_at_the_limit(web: Web) -> None:
    with web.raw() as connection:
        connection.sendall(b"POST /do/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(BODY_BYTES_MAX // 4096 + 64):
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        rest(connection)
    answers_promptly(web)


def test_headers_without_end_are_cut_off(web: Web) -> None:
    with web.raw() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(REQUEST + b"X-Long: " + b"x" * HEADER_BYTES_MAX * 64)
        assert b"200" not in rest(connection)
    answers_promptly(web)


def test_rubbish_gets_an_end_and_no_line_in_the_log(web: Web) -> None:
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"GET / HTTP/9.9\r\n\r\n",
    ):
        with web.raw() as connection:
            connection.sendall(sent)
            assert b" 200 " not in rest(connection)
    answers_promptly(web)


def test_multipart_without_sense_is_nothing(web: Web) -> None:
    kind = "multipart/form-data; boundary=x"
    body = b"--x\r\nContent-Disposition: nonsense\r\n\r\n" * 1000
    answer = web.ask("POST", "/do/login", body, {"Origin": web.origin, "Content-Type": kind})
    assert answer.status in (400, 401)  # no field in it is a token
    answers_promptly(web)


def test_who_sends_headers_slowly_holds_nobody_up(web: Web) -> None:
    """More connections than one address gets: the oldest that wait make room."""
    with ExitStack() as stack:
        slow = [stack.enter_context(web.raw()) for _ in range(PER_CLIENT)]
        for connection in slow:
            connection.sendall(REQUEST[:20])
        for _ in range(20):
            answers_promptly(web)
        with contextlib.suppress(ConnectionError):
            slow[0].sendall(REQUEST[20:] + b"\r\n")
        assert rest(slow[0]) == b""


def test_who_sends_a_body_slowly_holds_nobody_up(web: Web) -> None:
    with ExitStack() as stack:
        for _ in range(PER_CLIENT):
            connection = stack.enter_context(web.raw())
            connection.sendall(b"POST /do/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        answers_promptly(web)


def test_who_does_not_take_answers_holds_nobody_up(web: Web, tmp_path: Path) -> None:
    """Answers of 8 MB that nobody reads: what waits in memory is bounded."""
    snapshot = tmp_path / "bee-audit.json"
    snapshot.write_text('{"filler": "' + "x" * (8 << 20) + '"}')
    snapshot.chmod(0o644)
    ask = b"GET /api/v1/audit HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(120):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(WAIT_SECONDS)
            connection.connect((HOST, web.port))
            connection.sendall(ask)
        answers_promptly(web)
        deadline = time.monotonic() + 60
        while _resident_bytes(web) > 350 << 20:
            assert time.monotonic() < deadline, f"{_resident_bytes(web) >> 20} MiB are held"
            time.sleep(0.2)
        answers_promptly(web)


def _resident_bytes(web: Web) -> int:
    pages = int(Path(f"/proc/{web.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


HOSTILE = (
    "%ff",
    "%00",
    "..",
    "<script>",
    "?q=%ff",
    "?next=//x",
    "?since=-1",
    f"?since={'9' * 30}",
    "%2f",
    "?x=%0a",
)
HEADERS: dict[str, tuple[str, ...]] = {
    "Cookie": ("bee_session=\xff", "a=b; bee_session", 'bee_session="x'),
    "Content-Type": (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "x; charset=\xff",
    ),
    "Last-Event-ID": ("x", "-1", "9" * 30),
    "If-None-Match": ("*", "W/x"),
    "Range": ("bytes=-1", "bytes=9999999-", "x"),
    "Accept": ("\xff",),
    "Authorization": ("Bearer", "Digest x"),
}
BODIES = (b"", b"{}", b'{"pack": "\\ud800"}', b"pack=%ff&option.=x&run=../x&action=reboot", b"\xff\x00" * 20)


def test_whatever_is_asked_there_is_an_answer_and_no_fault(web: Web) -> None:
    chance = random.Random(7)
    paths = [
        each.example for each in addresses("20260101T000000_001", "0000:3b:00.0", "memory", "reboot", "x.txt")
    ]
    for _ in range(400):
        path = chance.choice(paths) + chance.choice(("", *HOSTILE))
        method = chance.choice(("GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS"))
        headers = {name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < 0.3}
        own = {"Origin": web.origin} if chance.random() < 0.7 else {}
        answer = web.ask(method, path, chance.choice(BODIES), {**headers, **own}, most_bytes=0)
        assert answer.status < 500 or answer.status == 503, (method, path, headers, answer.status)
    answers_promptly(web)


def test_every_answer_forbids_what_pages_do_not_need(web: Web) -> None:
    for path in ("/", "/api/v1/session", "/api/v1/nothing", "/nothing", "/static/nothing", "/metrics"):
        headers = web.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        for name, value in (
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Server", "bee"),
        ):
            assert headers[name] == value, (path, name)
        assert "Access-Control-Allow-Origin" not in headers
