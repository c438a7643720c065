"""bee web, bee web token and `make run`: the page without an installation, and what logs people in."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bee_cli.workbench import URL
from bee_web.login.token import make_token
from lab import cli
from lab.bus.private import python_command

WAIT_SECONDS = 120.0


@contextmanager
def running(command: list[str], environment: Mapping[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """A program that a person ends by Ctrl-C; its output in one stream."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def said(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What it prints, up to and with the line that fits."""
    assert process.stdout is not None
    text = ""
    deadline = time.monotonic() + WAIT_SECONDS
    for line in process.stdout:
        text += line
        if re.search(pattern, text, re.MULTILINE):
            return text
        assert time.monotonic() < deadline, text
    raise AssertionError(f"it ended:\n{text}")


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_bee_web_token_prints_the_token_and_where_it_logs_in(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    bee = cli.Bee(tmp_path, {**environment, "BEE_WEB_DIRECTORY": str(folder)})
    missing = bee("web", "token")
    assert (missing.returncode, missing.stdout) == (3, "")
    assert "cannot be read" in missing.stderr
    assert "bee-web-token.service" in missing.stderr

    make_token(folder)
    shown = bee("web", "token")
    token, *urls = shown.stdout.splitlines()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert (folder / "token").read_text() == f"{token}\n"
    assert all(re.fullmatch(rf"http://[^/]+/login#{token}", url) for url in urls)


def test_bee_web_serves_on_a_bus_of_its_own_and_takes_it_along(environment: dict[str, str]) -> None:
    command = python_command(
        "-m", "bee_cli.main", "--private", "web", "--port", "0", "--address", "127.0.0.1"
    )
    with running(command, environment) as process:
        url = re.findall(r"http://\S+", said(process, r"^bee-web: http"))[-1]
        assert status_of(url) == 200
        assert status_of(f"{url}api/v1/runs") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
    with pytest.raises(urllib.error.URLError):
        status_of(url)


def test_make_run_audits_the_machine_and_serves_the_page(environment: dict[str, str]) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", 8080)) == 0:
            pytest.skip("another program is on port 8080")
    with running(python_command("-m", "bee_cli.workbench"), environment) as process:
        text = said(process, r"^bee-web: http://localhost:8080/$")
        token = re.search(r"http://localhost:8080/login#((\w{4}-){2}\w{4}) ", text)
        assert token is not None
        assert "export DBUS_SYSTEM_BUS_ADDRESS=unix:path=" in text
        assert status_of(URL) == 200
        assert status_of(f"{URL}api/v1/audit") == 200
        asked = urllib.request.Request(
            f"{URL}api/v1/audit/run", b"", {"Authorization": f"Bearer {token[1]}"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.status == 202
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 0
    with pytest.raises(urllib.error.URLError):
        status_of(URL)


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["--port", str(taken.getsockname()[1]), "--address", "127.0.0.1"]
        ended = subprocess.run(
            [sys.executable, "-m", "bee_web.main", *words], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 3
    assert re.search(
        r"^bee-web: cannot listen on 127.0.0.1, port \d+: Address already in use$", ended.stderr, re.M
    )
