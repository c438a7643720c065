"""bee sat as scripts use it: verdicts and exit codes, documents, files, options and wrong words."""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import jsonschema
import pytest

from bee_bus.documents.schema import schema
from lab import cli
from lab.bus.private import pid_of, until
from lab.cli import Bee
from lab.sat import SAT, SatMachine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]
RUN = r"\d{8}T\d{6}_\d{3}"


@pytest.fixture
def environment(tmp_path: Path, sat: SatMachine) -> dict[str, str]:
    """The commands' environment: the machine's bus is their system bus."""
    (tmp_path / "logs").mkdir()
    return {**cli.environment(tmp_path / "logs"), "DBUS_SYSTEM_BUS_ADDRESS": sat.bus.address}


def a_run(bee: Bee, *words: str) -> str:
    """The name of a run of the cpu pack that has ended."""
    ended = bee("sat", "cpu", "--duration", "1", "--json", *words)
    return str(json.loads(ended.stdout)["run"])


# In a pipe.


def test_a_run_tells_each_step_and_ends_with_the_verdict(bee: Bee, sat: SatMachine) -> None:
    ended = bee("sat", "cpu", "--duration", "1")

    assert ended.returncode == 0
    assert ended.stderr.splitlines() == [
        f"{name}: {word}" for name in ("cpu", "matrix", "vecmath") for word in ("running", "OK")
    ]
    assert re.search(rf"cpu run {RUN}", ended.stdout)
    assert "O K" in ended.stdout and "3 of 3 steps passed" in ended.stdout
    assert f"records:{sat.runs}/" in re.sub(r"\s", "", ended.stdout)
    assert "\x1b" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("manner", "code", "word"), [("works", 0, "OK"), ("fails", 2, "FAILED"), ("does nothing", 2, "FAILED")]
)
def test_the_exit_code_is_the_verdict_now_and_later(
    bee: Bee, sat: SatMachine, manner: str, code: int, word: str
) -> None:
    sat.tools.behave(stress_ng=manner)
    ended = bee("sat", "cpu", "--duration", "1", "--json")
    result = json.loads(ended.stdout)
    jsonschema.validate(result, schema("sat-result.json"))
    assert (ended.returncode, result["status"]) == (code, word)
    for words in (
        ("show",),
        ("show", result["run"]),
        ("show", "--recompute"),
        ("attach", result["run"][-5:]),
    ):
        again = bee("sat", *words, "--json")
        assert (again.returncode, json.loads(again.stdout)) == (code, result)
    assert word in bee("sat", "list").stdout
    assert [run["status"] for run in json.loads(bee("sat", "list", "--json").stdout)] == [word]


def test_what_is_wrong_is_shown_with_what_to_do(bee: Bee, sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="fails")
    ended = bee("sat", "cpu", "--duration", "1")
    assert "F A I L E D" in ended.stdout
    assert "CRITICAL cpus" in ended.stdout and "Next: " in ended.stdout
    assert re.search(r"FAILED +cpu", ended.stdout)
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_a_detached_run_is_only_named_and_goes_on(bee: Bee, sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="waits")
    ended = bee("sat", "cpu", "--duration", "1", "--detach")
    name = ended.stdout.strip()
    assert (ended.returncode, ended.stderr) == (0, "") and re.fullmatch(RUN, name)

    until(lambda: sat.tools.calls("stress-ng"), 30)
    shown = bee("sat", "show")
    assert shown.returncode == 3, "no verdict yet is none"
    assert "R U N N I N G" in shown.stdout and re.search(r"waiting +vecmath", shown.stdout)
    assert "RUNNING" in bee("sat", "list").stdout
    busy = bee("sat", "cpu", "--duration", "1")
    assert busy.returncode == 3 and name in busy.stderr

    threading.Timer(1, sat.tools.let_go).start()
    followed = bee("sat", "attach")
    assert followed.returncode == 0 and "O K" in followed.stdout


def test_a_run_whose_service_dies_ends_in_an_error_and_never_in_a_verdict(
    bee: Bee, environment: dict[str, str], sat: SatMachine
) -> None:
    sat.bus.expect("was interrupted")
    sat.tools.behave(stress_ng="waits")
    command = [*cli.BEE, "sat", "cpu", "--duration", "1"]
    with subprocess.Popen(command, env=environment, text=True, stdout=PIPE, stderr=PIPE) as following:
        until(lambda: sat.tools.calls("stress-ng"), 30)
        os.kill(asyncio.run(service_of(sat)), signal.SIGKILL)
        said, complaint = following.communicate(timeout=60)
    assert (following.returncode, said) == (3, "")
    assert "the service ended before the job did" in complaint

    shown = bee("sat", "show")
    assert shown.returncode == 3
    assert "I N T E R R U P T E D" in shown.stdout and "the service was ended or killed" in shown.stdout


async def service_of(sat: SatMachine) -> int:
    async with sat.bus.client() as bus:
        return await pid_of(bus, SAT)


def test_a_cancelled_run_is_aborted_and_stays(bee: Bee, sat: SatMachine) -> None:
    sat.tools.behave(stress_ng="leaves children")
    name = bee("sat", "cpu", "--detach").stdout.strip()
    until(lambda: sat.tools.children() == 3, 30)

    cancelled = bee("sat", "cancel")
    assert cancelled.returncode == 0 and name in cancelled.stdout
    assert sat.tools.processes() == []
    shown = bee("sat", "show", name)
    assert shown.returncode == 3
    assert "A B O R T E D" in shown.stdout and "its turn never came" in shown.stdout
    again = bee("sat", "cancel", name)
    assert again.returncode == 3 and "has ended already: ABORTED" in again.stderr


# Files.


def test_a_run_is_saved_where_it_is_wanted_and_replaces_nothing(
    bee: Bee, sat: SatMachine, tmp_path: Path
) -> None:
    name = a_run(bee)
    folder = tmp_path / "folder"
    folder.mkdir()

    assert bee("sat", "export").stdout.strip() == f"bee-sat-{name}.tar.gz"
    with tarfile.open(tmp_path / f"bee-sat-{name}.tar.gz") as archive:
        assert f"{name}/summary.txt" in archive.getnames()
    assert stat.S_IMODE((tmp_path / f"bee-sat-{name}.tar.gz").stat().st_mode) == 0o600
    assert bee("sat", "export", "-o", folder, "--format", "ocp").returncode == 0
    lines = (folder / f"bee-sat-{name}.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    printed = bee("sat", "export", name, "-o", "-", "--format", "junit")
    assert printed.stdout.startswith("<?xml") and printed.stderr == ""

    again = bee("sat", "export")
    assert again.returncode == 3 and "--force" in again.stderr
    assert bee("sat", "export", "--force").returncode == 0
    nowhere = bee("sat", "export", "-o", tmp_path / "none/file")
    assert nowhere.returncode == 3 and "cannot write" in nowhere.stderr
    assert not list(tmp_path.rglob("*.partial"))


# Options.


def test_a_flag_beats_its_variable_which_beats_the_default(
    bee: Bee, sat: SatMachine, environment: dict[str, str]
) -> None:
    environment |= {"BEE_MEMTESTER_SIZE_MB": "40", "BEE_MEMTESTER_PASSES": "2"}
    result = json.loads(bee("sat", "memory", "--duration", "1", "--size-mb", "64", "--json").stdout)
    assert result["options"] == {"duration": "1", "size_mb": "64", "passes": "2"}
    assert [call["words"] for call in sat.tools.calls("memtester")] == [["32M", "2"], ["32M", "2"]]
    environment["BEE_MEMTESTER_SIZE_MB"] = ""
    result = json.loads(bee("sat", "memory", "--duration", "1", "--json").stdout)
    assert result["options"]["size_mb"] == "", "an empty variable is none"


def test_a_duration_is_said_as_people_say_it(bee: Bee) -> None:
    for words, seconds in (("90", "90"), ("10m", "600"), ("8h", "28800"), ("1d", "86400")):
        name = bee("sat", "cpu", "--duration", words, "--detach").stdout.strip()
        bee("sat", "cancel", name)
        assert json.loads(bee("sat", "show", name, "--json").stdout)["options"] == {"duration": seconds}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cpu", "--duration", "0"), "from 1 to 604800"),
        (("cpu", "--duration", "soon"), "10m, 8h, 1d"),
        (("cpu", "--gpus", "0"), "unrecognized arguments"),
        (("gpu",), "memory"),
        (("memory", "--size-mb", "999999999"), "up to"),
        (("memory", "--passes", "x"), "1 to 1000"),
        (("storage", "--disks", "/dev/sda"), "no paths"),
        (("storage", "--self-test", "long"), "short or extended"),
        (("nvidia",), "no NVIDIA GPU"),
        (("show", "nothing"), "there is no acceptance run"),
        (("cancel",), "there is no acceptance run"),
        (("export", "--format", "pdf"), "archive"),
    ],
)
def test_wrong_words_are_an_error_with_what_is_allowed(bee: Bee, words: tuple[str, ...], said: str) -> None:
    ended = bee("sat", *words)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert said in ended.stderr and "Traceback" not in ended.stderr


def test_a_wrong_variable_is_named(bee: Bee, environment: dict[str, str]) -> None:
    environment["BEE_GPU_STRESS_SECONDS"] = "long"
    ended = bee("sat", "nvidia")
    assert ended.returncode == 3 and "BEE_GPU_STRESS_SECONDS" in ended.stderr


def test_the_end_of_a_name_is_enough_if_it_is_the_only_one(bee: Bee) -> None:
    names = [a_run(bee), a_run(bee)]
    assert names[0] in bee("sat", "show", names[0][-8:]).stdout
    several = bee("sat", "show", "1")
    assert several.returncode == 3 and all(name in several.stderr for name in names)
