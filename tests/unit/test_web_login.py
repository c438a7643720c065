"""The parts of logging in to the web page, on a clock that a test sets."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bee_bus.web_token import TokenError, login_url, read_token, web_directory
from bee_web.login.attempts import IN_ALL, PER_CLIENT, WINDOW_SECONDS, Attempts
from bee_web.login.login import Login, TooManyAttempts, WrongToken
from bee_web.login.sessions import IDLE_SECONDS, LIFE_SECONDS, MANY, Sessions
from bee_web.login.token import make_token, matches


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# The token.


def test_a_token_is_made_once_and_for_its_group(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        make_token(tmp_path)
    finally:
        os.umask(umask)
    token = read_token(tmp_path)
    assert len(token) == 14
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o640
    make_token(tmp_path)
    assert read_token(tmp_path) == token
    assert os.listdir(tmp_path) == ["token"]


def test_of_many_that_make_one_at_once_all_have_the_same(tmp_path: Path) -> None:
    def make(_: int) -> str:
        make_token(tmp_path)
        return read_token(tmp_path)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(make, range(64)))) == 1
    assert os.listdir(tmp_path) == ["token"]


def test_two_machines_have_two_tokens(tmp_path: Path) -> None:
    tokens = set()
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        make_token(folder)
        tokens.add(read_token(folder))
    assert len(tokens) == 100
    assert len(set("".join(tokens))) == 33, "every character of the alphabet, and the dash"


@pytest.mark.parametrize(
    "content", ["", "k7qd-9xmf-2wt\n", "k7qd-9xmf-2wtnn\n", "k7qd-9xmf-2wt!\n", "\x00" * 60]
)
def test_a_file_that_holds_no_token_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(TokenError, match="does not hold a token"):
        read_token(tmp_path)
    with pytest.raises(TokenError):
        Login(tmp_path).log_in(content.strip(), "10.0.0.1")


def test_where_there_can_be_no_token_nobody_gets_in(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="cannot be made"):
        Login(tmp_path / "nowhere").log_in("", "10.0.0.1")


@pytest.mark.parametrize("typed", ["k7qd-9xmf-0w1n", "K7QD9XMFOWIN", " k7qd 9xmf-owLn\t", "k7qd--9xmf--0w1n"])
def test_the_token_as_people_type_it(typed: str) -> None:
    assert matches(typed, "k7qd-9xmf-0w1n")


@pytest.mark.parametrize(
    "typed", ["", "-", "k7qd-9xmf-0w1", "k7qd-9xmf-0w1n0", "k7qd-9xmf-0w1m", "é" * 12, "\ud800", "x" * 99999]
)
def test_what_is_not_the_token(typed: str) -> None:
    assert not matches(typed, "k7qd-9xmf-0w1n")


def test_the_address_that_logs_in_has_the_token_where_no_server_sees_it() -> None:
    assert login_url("http://10.1.2.3/", "k7qd-9xmf-2wtn") == "http://10.1.2.3/login#k7qd-9xmf-2wtn"


def test_the_folder_can_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BEE_WEB_DIRECTORY", raising=False)
    assert web_directory() == Path("/run/bee-web")
    monkeypatch.setenv("BEE_WEB_DIRECTORY", "/elsewhere")
    assert web_directory() == Path("/elsewhere")


# Sessions.


def test_a_session_ends_after_an_hour_without_use(clock: Clock) -> None:
    sessions = Sessions(clock)
    name = sessions.start("10.0.0.1")
    clock.now += IDLE_SECONDS - 1
    session = sessions.find(name)
    assert session is not None
    clock.now += IDLE_SECONDS - 1
    assert sessions.find(name) is session
    clock.now += IDLE_SECONDS
    assert sessions.find(name) is None
    assert session.ended


def test_a_session_ends_after_half_a_day_whatever_its_use(clock: Clock) -> None:
    sessions = Sessions(clock)
    name, begin = sessions.start("10.0.0.1"), clock.now
    while clock.now < begin + LIFE_SECONDS - 60:
        assert sessions.find(name) is not None
        clock.now += 60
    clock.now = begin + LIFE_SECONDS
    assert sessions.find(name) is None
    assert len(sessions) == 0


def test_looking_whether_there_is_one_is_no_use_of_it(clock: Clock) -> None:
    sessions = Sessions(clock)
    name = sessions.start("10.0.0.1")
    clock.now += IDLE_SECONDS - 1
    session = sessions.find(name, use=False)
    assert session is not None
    assert sessions.seconds_left(session) == LIFE_SECONDS - IDLE_SECONDS + 1
    clock.now += 1
    assert sessions.find(name) is None


def test_of_too_many_the_one_that_is_unused_for_longest_ends(clock: Clock) -> None:
    sessions = Sessions(clock)
    names = []
    for _ in range(MANY):
        names.append(sessions.start("10.0.0.1"))
        clock.now += 1
    assert sessions.find(names[0]) is not None
    sessions.start("10.0.0.1")
    assert len(sessions) == MANY
    assert sessions.find(names[0]) is not None
    assert sessions.find(names[1]) is None


def test_no_two_sessions_have_one_name_and_none_is_found_by_another(clock: Clock) -> None:
    sessions = Sessions(clock)
    names = {sessions.start("10.0.0.1") for _ in range(MANY)}
    assert len(names) == MANY
    for wrong in (None, "", "x", next(iter(names))[:-1], next(iter(names)) + "x", "\udcff"):
        assert sessions.find(wrong) is None
        sessions.end(wrong)
    assert len(sessions) == MANY


# Attempts.


def test_five_failures_a_minute_and_then_the_oldest_has_to_be_over(clock: Clock) -> None:
    attempts = Attempts(clock)
    for _ in range(PER_CLIENT):
        assert attempts.wait_seconds("10.0.0.1") == 0
        attempts.failed("10.0.0.1")
        clock.now += 1
    assert attempts.wait_seconds("10.0.0.1") == WINDOW_SECONDS - PER_CLIENT
    assert attempts.wait_seconds("10.0.0.2") == 0
    clock.now += WINDOW_SECONDS - PER_CLIENT
    assert attempts.wait_seconds("10.0.0.1") == 0


def test_so_many_failures_a_minute_from_all_together(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(IN_ALL):
        assert attempts.wait_seconds("10.0.0.1") == 0
        attempts.failed(f"10.1.{number // 250}.{number % 250}")
    assert attempts.wait_seconds("10.0.0.1") == WINDOW_SECONDS
    clock.now += WINDOW_SECONDS
    assert attempts.wait_seconds("10.0.0.1") == 0


def test_a_host_with_many_addresses_of_one_network_is_one(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(PER_CLIENT):
        attempts.failed(f"2001:db8::{number:x}")
    assert attempts.wait_seconds("2001:db8::ffff:1") > 0
    assert attempts.wait_seconds("2001:db8:0:1::1") == 0
    for _ in range(PER_CLIENT):
        attempts.failed("::ffff:10.0.0.1")
    assert attempts.wait_seconds("10.0.0.1") > 0
    for _ in range(PER_CLIENT):
        attempts.failed("fe80::1%eth0")
    assert attempts.wait_seconds("fe80::1") > 0
    assert attempts.wait_seconds("fe80::2%eth0") == 0, "of link-local addresses all are in one network"


def test_the_right_token_is_not_looked_at_while_one_has_to_wait(tmp_path: Path, clock: Clock) -> None:
    make_token(tmp_path)
    login = Login(tmp_path, attempts=Attempts(clock))
    for _ in range(PER_CLIENT):
        with pytest.raises(WrongToken):
            login.log_in("wrong", "10.0.0.1")
    with pytest.raises(TooManyAttempts) as refused:
        login.log_in(read_token(tmp_path), "10.0.0.1")
    assert refused.value.wait_seconds == WINDOW_SECONDS
    clock.now += WINDOW_SECONDS
    assert login.log_in(read_token(tmp_path), "10.0.0.1")


def test_being_right_is_never_counted(tmp_path: Path, clock: Clock) -> None:
    make_token(tmp_path)
    login = Login(tmp_path, attempts=Attempts(clock))
    for _ in range(IN_ALL * 2):
        login.bearer(read_token(tmp_path), "10.0.0.1")
