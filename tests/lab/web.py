"""bee-web on a private bus, as its own user without any right but those that polkit gives it, and a browser's
side of HTTP.

with web_page(sat.bus, logs=sat.runs.parent) as web:
    web.log_in()
    answer = web.post("/api/v1/runs", {"pack": "memory", "options": {}})
"""

import atexit
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bee_bus.web_token import read_token
from lab.bus.private import WEB_UID, LabBus, python_command

HOST = "127.0.0.1"
WAIT_SECONDS = 30.0
BEE_GROUP = 64000  # as lab.bus.private has it

# What the page needs is loaded before it turns into its user, who may not read the source.
_AS_USER = """
import asyncio, concurrent.futures.thread, importlib, os, pkgutil, sys
import encodings.ascii, encodings.idna, encodings.latin_1, encodings.unicode_escape, encodings.utf_8_sig
import dbus_next.aio, gzip, linecache, mimetypes, traceback, zlib
import tornado.autoreload, tornado.platform.asyncio
import bee_bus, bee_bus.documents, bee_charts, bee_web, bee_web.main, bee_web.rendering
for package in (bee_bus, bee_charts, bee_web):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
from bee_bus import interfaces, names
for service in names.SERVICES:
    for interface in service.interfaces:
        interfaces.load(interface)
bee_web.rendering.prepare()
uid = int(sys.argv.pop(1))
os.setgroups([]); os.setgid(uid); os.setuid(uid)
raise SystemExit(bee_web.main.main())
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Web:
    """A running web page. ``cookie``: what the browser sends along; empty while it is logged out."""

    def __init__(self, port: int, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self.folder = folder
        self.process = process
        self.cookie = ""

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def token(self) -> str:
        return read_token(self.folder)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        most_bytes: int | None = None,
        source: str = HOST,
    ) -> Answer:
        """One request on a connection of its own; ``most_bytes``: of an answer that does not end."""
        connection = http.client.HTTPConnection(
            HOST, self.port, timeout=WAIT_SECONDS, source_address=(source, 0)
        )
        try:
            sent = {"Cookie": self.cookie} if self.cookie else {}
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            read = answer.read() if most_bytes is None else answer.read1(most_bytes) if most_bytes else b""
            return Answer(answer.status, answer.headers, read)
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, document: Any = None, *, origin: str | None = None, **headers: str) -> Answer:
        """As a page of ours does it with JSON. ``origin``: by default its own."""
        kept = {"Origin": self.origin if origin is None else origin, "Content-Type": "application/json"}
        return self.ask("POST", path, json.dumps(document or {}).encode(), {**kept, **headers})

    def send_form(self, path: str, fields: Mapping[str, str], *, origin: str | None = None) -> Answer:
        """As a browser without scripts does it."""
        from urllib.parse import urlencode

        headers = {
            "Origin": self.origin if origin is None else origin,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.ask("POST", path, urlencode(fields).encode(), headers)

    def log_in(self, token: str | None = None) -> Answer:
        """Log in, by default with the right token; the cookie is kept."""
        answer = self.post("/api/v1/session", {"token": self.token if token is None else token})
        if answer.status == 200:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def raw(self) -> socket.socket:
        """A connection on which anything can be sent."""
        return socket.create_connection((HOST, self.port), timeout=WAIT_SECONDS)


@contextmanager
def web_page(
    bus: LabBus,
    *,
    logs: Path | None = None,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
    idle_seconds: float | None = None,
    own_user: bool = True,
) -> Iterator[Web]:
    """Start bee-web on the bus. ``logs``: where the snapshot is; ``folder``: of a token that is to stay.

    ``own_user``: without it the page is root's, who may read what a browser loads where the source is.
    ``idle_seconds``: it gets its socket passed, as from systemd, and stays so long for nobody.
    """
    made = folder or token_folder()
    environment = {**bus.environment, "BEE_WEB_DIRECTORY": str(made), **(variables or {})}
    if logs is not None:
        _let_through(logs)
        environment["BEE_LOG_DIRECTORY"] = str(logs)
    with ExitStack() as stack:
        if folder is None:
            stack.callback(shutil.rmtree, made)
        log = bus.folder / "log"
        begin = log.stat().st_size
        output = stack.enter_context(log.open("ab"))
        if idle_seconds is None:
            command = _command("--port", "0", "--address", HOST, own_user=own_user)
            fds, port = [], 0
        else:
            listening = stack.enter_context(socket.create_server((HOST, 0)))
            environment |= {"BEE_IDLE_SECONDS": str(idle_seconds)}
            command = _with_socket(listening.fileno(), _command(own_user=own_user))
            fds, port = [listening.fileno()], listening.getsockname()[1]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, pass_fds=fds)
        stack.callback(_end, process)
        page = Web(port or _port(process, log, begin), made, process)
        page.get("/api/v1/session")  # with a socket from outside it may still be on its way
        yield page


def _command(*words: str, own_user: bool) -> list[str]:
    if os.geteuid() == 0 and own_user:
        return python_command("-c", _AS_USER, str(WEB_UID), *words)
    return python_command("-m", "bee_web.main", *words)


def _with_socket(number: int, command: list[str]) -> list[str]:
    """The command with a socket as systemd passes it, sd_listen_fds(3)."""
    return ["bash", "-c", f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{number}', "bash", *command]


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def token_folder() -> Path:
    """As systemd-tmpfiles makes it. It stays as long as the tests run: they start pages anew on it."""
    folder = Path(tempfile.mkdtemp(prefix="bee-web-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.geteuid() == 0:
        os.chown(folder, WEB_UID, BEE_GROUP)
        folder.chmod(0o2750)
    return folder


def _let_through(folder: Path) -> None:
    """Let other users pass the folders of this test, as they pass /var/log."""
    folder.mkdir(parents=True, exist_ok=True)
    top = Path(tempfile.gettempdir())
    for each in (folder, *folder.parents):
        if top in each.parents:
            each.chmod(each.stat().st_mode | 0o055)


def _port(process: "subprocess.Popen[bytes]", log: Path, begin: int) -> int:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        said = log.read_bytes()[begin:].decode("utf-8", "replace")
        if found := re.search(r"^bee-web: http://[^/\s]+:(\d+)/$", said, re.MULTILINE):
            return int(found[1])
        assert process.poll() is None, f"bee-web ended with {process.returncode}:\n{said}"
        assert time.monotonic() < deadline, f"bee-web does not listen:\n{said}"
        time.sleep(0.02)
