"""The web page on a booted Debian 13: port 80 from systemd, a user without rights, the token, an idle end."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from lab.container import Container
from lab.rootfs import MEMBER, STRANGER

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SERVICE = "bee-web.service"
TOKEN = "/run/bee-web/token"
# Exposure (0 to 10) times ten, as `systemd-analyze security --threshold` counts.
EXPOSURE_LIMIT = 8

# What a browser sends: METHOD ADDRESS BODY HEADER...; prints the status, then the body.
ASK = """
import sys, urllib.error, urllib.request
method, address, body, *headers = sys.argv[1:]
fields = dict(header.split("=", 1) for header in headers)
asked = urllib.request.Request(address, body.encode() or None, fields, method=method)
try:
    answer = urllib.request.urlopen(asked, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode(), sep="\\n")
"""


def ask(
    machine: Container, method: str, path: str, body: str = "", host: str = "127.0.0.1", **headers: str
) -> tuple[int, str]:
    """One request from inside, by anybody."""
    words = [f"{name.replace('_', '-')}={value}" for name, value in headers.items()]
    command = ["python3", "-c", ASK, method, f"http://{host}{path}", body, *words]
    status, _, text = machine.run(command, user=STRANGER).stdout.partition("\n")
    return int(status), text


def post(machine: Container, path: str, document: object, token: str) -> tuple[int, str]:
    return ask(
        machine,
        "POST",
        path,
        json.dumps(document),
        Authorization=f"Bearer {token}",
        Content_Type="application/json",
    )


def eventually(true: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def show(machine: Container, unit: str, name: str) -> str:
    return machine.run(["systemctl", "show", f"--property={name}", "--value", unit]).stdout.strip()


def state(machine: Container, unit: str) -> str:
    return show(machine, unit, "ActiveState")


@pytest.fixture
def stopped(machine: Container) -> Container:
    """The page is not running; its socket listens."""
    machine.run(["systemctl", "stop", SERVICE])
    machine.run(["systemctl", "start", "bee-web.socket"])
    return machine


@pytest.fixture
def token(machine: Container) -> str:
    return machine.run(["bee", "web", "token"], user=MEMBER).stdout.splitlines()[0]


@pytest.fixture
def leaving_early(machine: Container) -> Iterator[Container]:
    """The page leaves after two seconds without anybody."""
    folder = f"/run/systemd/system/{SERVICE}.d"
    words = (
        f"mkdir -p {folder} && printf '[Service]\\nEnvironment=BEE_IDLE_SECONDS=2\\n' > {folder}/idle.conf"
    )
    machine.run(["sh", "-c", words])
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "stop", SERVICE])
    yield machine
    machine.run(["rm", "-r", folder])
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "stop", SERVICE])


def test_the_token_is_there_before_anybody_has_asked_for_the_page(machine: Container) -> None:
    assert show(machine, "bee-web-token.service", "Result") == "success"
    assert state(machine, "bee-web.socket") == "active"
    assert machine.run(["stat", "--format=%a %U %G", TOKEN]).stdout == "640 bee-web bee\n"
    assert machine.run(["stat", "--format=%a %U %G", "/run/bee-web"]).stdout == "2750 bee-web bee\n"


def test_only_the_group_may_see_the_token(machine: Container, token: str) -> None:
    assert re.fullmatch(r"(\w{4}-){2}\w{4}", token)
    assert machine.run(["bee", "web", "token"]).stdout.splitlines()[0] == token
    refused = machine.run(["bee", "web", "token"], user=STRANGER, check=False)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "only root and members of group bee may see" in refused.stderr
    assert machine.run(["cat", TOKEN], user=STRANGER, check=False).returncode != 0
    assert "bee" not in machine.run(["id", "--groups", "--name", "bee-web"]).stdout.split()


def test_the_first_request_on_port_80_starts_the_page(stopped: Container) -> None:
    assert state(stopped, SERVICE) == "inactive"
    status, text = ask(stopped, "GET", "/")
    assert status == 200
    assert "lab" in text
    assert state(stopped, SERVICE) == "active"
    status, text = ask(stopped, "GET", "/api/v1/audit")
    assert status == 200
    assert json.loads(text)["host_name"] == "lab"
    assert ask(stopped, "GET", "/metrics")[0] == 200
    assert ask(stopped, "GET", "/healthz", host="[::1]")[0] == 200


def test_it_runs_as_its_own_user_without_a_capability_and_without_a_network(machine: Container) -> None:
    ask(machine, "GET", "/api/v1/session")
    pid = show(machine, SERVICE, "MainPID")
    status = machine.run(["cat", f"/proc/{pid}/status"]).stdout
    uid = machine.run(["id", "--user", "bee-web"]).stdout.strip()
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.MULTILINE)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{name}:\t0+$", status, re.MULTILINE), status
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    interfaces = machine.run(["nsenter", "-t", pid, "-n", "ls", "/sys/class/net"], check=False)
    own = machine.run(["readlink", "/proc/1/ns/net", f"/proc/{pid}/ns/net"]).stdout.split()
    assert own[0] != own[1], interfaces.stdout


@pytest.mark.parametrize("unit", [SERVICE, "bee-web-token.service"])
def test_the_unit_is_hardened(machine: Container, unit: str) -> None:
    words = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}", "--no-pager"]
    judged = machine.run([*words, f"/usr/lib/systemd/system/{unit}"], check=False)
    assert judged.returncode == 0, judged.stdout[-3000:]


def test_a_visitor_changes_nothing_and_who_has_the_token_does(machine: Container, token: str) -> None:
    run = {"pack": "cpu", "options": {"duration": "60"}}
    before = machine.run(["bee", "sat", "list", "--json"]).stdout
    for wrong in ("", "aaaa-bbbb-cccc"):
        assert post(machine, "/api/v1/runs", run, wrong)[0] == 401
    assert machine.run(["bee", "sat", "list", "--json"]).stdout == before
    assert post(machine, "/api/v1/runs", {"pack": "nothing"}, token)[0] == 400
    assert post(machine, "/api/v1/audit/run", {}, token)[0] == 202


def test_the_page_may_be_started_again_while_a_run_goes_on(machine: Container, token: str) -> None:
    status, text = post(machine, "/api/v1/runs", {"pack": "cpu", "options": {"duration": "60"}}, token)
    assert status == 201, text
    run = json.loads(text)["run"]

    def status_of() -> str:
        found, answer = ask(machine, "GET", f"/api/v1/runs/{run}")
        assert found == 200, answer
        return str(json.loads(answer)["status"])

    assert status_of() == "RUNNING"
    pid = show(machine, SERVICE, "MainPID")
    machine.run(["systemctl", "restart", SERVICE])
    assert show(machine, SERVICE, "MainPID") != pid
    assert status_of() == "RUNNING"
    machine.run(["systemctl", "kill", "--signal=KILL", SERVICE])
    assert status_of() == "RUNNING"
    assert post(machine, f"/api/v1/runs/{run}/cancel", {}, token)[0] == 202
    eventually(lambda: status_of() == "ABORTED", "the run ends")


def test_the_token_outlives_the_page(machine: Container, token: str) -> None:
    machine.run(["systemctl", "restart", SERVICE, "bee-web-token.service"])
    assert machine.run(["bee", "web", "token"]).stdout.splitlines()[0] == token


def test_it_leaves_when_nobody_asks_and_comes_back(leaving_early: Container) -> None:
    assert ask(leaving_early, "GET", "/healthz")[0] == 200
    eventually(lambda: state(leaving_early, SERVICE) == "inactive", "the page leaves")
    assert show(leaving_early, SERVICE, "Result") == "success"
    assert ask(leaving_early, "GET", "/healthz")[0] == 200


def test_the_page_says_so_when_the_services_are_not_there(machine: Container) -> None:
    machine.run(["systemctl", "mask", "--runtime", "--now", "bee-satd.service"])
    try:
        status, text = ask(machine, "GET", "/api/v1/runs")
        assert status in (503, 502), text
        assert ask(machine, "GET", "/")[0] == 200
    finally:
        machine.run(["systemctl", "unmask", "--runtime", "bee-satd.service"])


def test_no_fault_was_logged(machine: Container) -> None:
    """Last: what all the tests above made it do."""
    assert "Traceback" not in machine.journal("-u", SERVICE)
    assert "DeprecationWarning" not in machine.journal("-u", SERVICE)
