"""Acceptance runs on a booted Debian 13: activation, control groups, users, and a service that is killed."""

import json
import re
import time
from typing import Any

import msgspec
import pytest

from bee_bus.documents.sat import SatResult, SatRun
from lab.container import Container
from lab.rootfs import MEMBER, STRANGER

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

NAME, PATH = "org.bee.Sat1", "/org/bee/Sat1"
SERVICE = "bee-satd.service"
LOAD = "stress-ng"


def sat(machine: Container, *words: str, user: str = "root", check: bool = True) -> str:
    ended = machine.run(["bee", "sat", *words], user=user, check=False, deadline_seconds=180)
    assert not check or ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout.strip()


def started(machine: Container, *words: str, user: str = "root") -> str:
    """The name of a run that has begun its load."""
    run = sat(machine, *words, "--detach", user=user)
    assert re.fullmatch(r"\d{8}T\d{6}_\d{3}", run), run
    eventually(lambda: loads(machine) != [], f"{LOAD} runs: {machine.journal('-u', SERVICE)}")
    return run


def eventually(true: Any, what: str, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def loads(machine: Container) -> list[str]:
    return machine.run(["pgrep", "--exact", LOAD], check=False).stdout.split()


def result(machine: Container, run: str) -> SatResult:
    text = machine.run(["bee", "sat", "show", run, "--json"], check=False).stdout
    return msgspec.json.decode(text, type=SatResult)


def listed(machine: Container, run: str) -> SatRun:
    runs = msgspec.json.decode(sat(machine, "list", "--json"), type=tuple[SatRun, ...])
    return next(one for one in runs if one.run == run)


def ended(machine: Container, run: str) -> SatRun:
    eventually(lambda: listed(machine, run).status != "RUNNING", "the run ends", seconds=60)
    return listed(machine, run)


def test_a_call_typed_by_hand_starts_a_run_and_the_service(machine: Container) -> None:
    machine.run(["systemctl", "stop", SERVICE])
    call = ["busctl", "call", NAME, PATH, NAME, "Start", "sa{ss}", "cpu", "1", "duration", "4"]
    answer = machine.run(call, user=MEMBER).stdout
    found = re.fullmatch(r'o "/org/bee/Sat1/job/(\w+)"\n', answer)
    assert found, answer
    ended(machine, found[1])
    one = result(machine, found[1])
    assert [step.name for step in one.steps] == ["cpu", "matrix", "vecmath"]
    assert {step.status for step in one.steps} == {"OK"}, one
    # A container shows no kernel log, and what was not looked at is not OK.
    assert one.status == "FAILED" and "kernel" in one.reason, one.reason
    names = json.loads(
        machine.run(
            ["busctl", "--json=short", "call", NAME, PATH, NAME, "ListArtifacts", "s", found[1]]
        ).stdout
    )
    assert {"cpu.txt", "result.json", "summary.txt", "records.jsonl"} <= set(names["data"][0])
    assert machine.run(["stat", "--format=%a %U", "/var/log/bee-sat"]).stdout == "750 root\n"


def test_a_load_has_a_control_group_low_priority_and_no_privilege(machine: Container) -> None:
    run = started(machine, "cpu", "--duration", "60")
    try:
        pid = loads(machine)[0]
        group = machine.run(["cat", f"/proc/{pid}/cgroup"]).stdout
        assert re.search(rf"/system\.slice/{SERVICE}/\S+", group), group
        status = machine.run(["cat", f"/proc/{pid}/status"]).stdout
        uid = machine.run(["id", "--user", "bee-load"]).stdout.strip()
        assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s", status, re.MULTILINE), status
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE), status
        # The service's own is -900; stress-ng lowers what it was given to what it may.
        assert int(machine.run(["cat", f"/proc/{pid}/oom_score_adj"]).stdout) >= 0
        assert machine.run(["ps", "-o", "nice=", "-p", pid]).stdout.strip() == "10"
    finally:
        sat(machine, "cancel", run)
    assert loads(machine) == []
    assert listed(machine, run).status == "ABORTED"
    assert machine.run(["test", "-s", f"/var/log/bee-sat/{run}.tar.gz"], check=False).returncode == 0


def test_memory_is_locked_by_a_user_without_rights(machine: Container) -> None:
    run = sat(machine, "memory", "--size-mb", "96", "--duration", "1", "--detach", user=MEMBER)
    eventually(
        lambda: any(step.name == "memtester" and step.outcome for step in result(machine, run).steps),
        "memtester ends",
        seconds=120,
    )
    if listed(machine, run).status == "RUNNING":  # stressapptest would take all that this host has
        sat(machine, "cancel", run, check=False)
    step = next(step for step in result(machine, run).steps if step.name == "memtester")
    assert step.status == "OK", step.reason


def test_a_stranger_may_look_and_not_start_cancel_or_read_files(machine: Container) -> None:
    run = started(machine, "cpu", "--duration", "60", user=MEMBER)
    try:
        for words in (("cpu",), ("cancel", run)):
            refused = machine.run(["bee", "sat", *words], user=STRANGER, check=False)
            assert refused.returncode == 3
            assert "may not" in refused.stderr or "password" in refused.stderr, refused.stderr
        refused = machine.run(["bee", "sat", "export", run, "-o", "-"], user=STRANGER, check=False)
        assert refused.returncode == 3
        assert listed(machine, run).status == "RUNNING"
        assert run in machine.run(["bee", "sat", "list"], user=STRANGER).stdout
    finally:
        sat(machine, "cancel", run, user=MEMBER)


def test_a_killed_service_leaves_no_load_and_its_run_is_found_interrupted(machine: Container) -> None:
    run = started(machine, "cpu", "--duration", "120")
    pid = machine.run(["systemctl", "show", "--property=MainPID", "--value", SERVICE]).stdout.strip()
    machine.run(["kill", "-KILL", pid])
    eventually(lambda: loads(machine) == [], "the load is gone", seconds=10)
    assert ended(machine, run).status == "INTERRUPTED"
    one = result(machine, run)
    assert one.steps[0].status == "INTERRUPTED"
    archive = f"/var/log/bee-sat/{run}.tar.gz"
    eventually(
        lambda: machine.run(["test", "-s", archive], check=False).returncode == 0, "the archive is made"
    )
    assert machine.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout == ""


def test_a_service_that_is_stopped_interrupts_its_run(machine: Container) -> None:
    run = started(machine, "cpu", "--duration", "120")
    machine.run(["systemctl", "stop", SERVICE], deadline_seconds=60)
    assert loads(machine) == []
    one = listed(machine, run)
    assert (one.status, "told to stop" in one.reason) == ("INTERRUPTED", True)


def test_the_service_stays_for_its_run_and_leaves_when_idle(machine: Container) -> None:
    folder = f"/run/systemd/system/{SERVICE}.d"
    drop_in = (
        f"mkdir -p {folder} && printf '[Service]\\nEnvironment=BEE_IDLE_SECONDS=1\\n' > {folder}/idle.conf"
    )
    machine.run(["sh", "-c", drop_in])
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "stop", SERVICE])
    try:
        run = started(machine, "cpu", "--duration", "60")
        time.sleep(4)
        active = machine.run(["systemctl", "is-active", SERVICE], check=False).stdout.strip()
        assert active == "active"
        sat(machine, "cancel", run)
    finally:
        machine.run(["rm", "-r", folder])
        machine.run(["systemctl", "daemon-reload"])
        machine.run(["systemctl", "stop", SERVICE])


def test_the_service_logged_no_fault(machine: Container) -> None:
    assert "Traceback" not in machine.journal("-u", SERVICE)
