"""The command line as people use it: real processes, a private bus, a real polkitd, this machine."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import jsonschema
import pytest

from bee_bus.documents.schema import schema
from bee_bus.names import AUDIT
from bee_cli.programs import program
from lab.bus.private import GROUPS, OPERATOR_UID, STRANGER_UID, LabBus, bad_polkit, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="auditing a machine needs root")

MakeBus = Callable[..., LabBus]
BEE = [sys.executable, "-m", "bee_cli.main"]
CODES = {"OK": 0, "Warning": 1, "Critical": 2, "Unknown": 3}

# What every process of bee needs to be loaded before it turns into another user, who may not read the source.
AS_USER = """
import sys, bee_cli.main, bee_cli.arguments, bee_cli.commands.audit, bee_cli.commands.capture
import bee_cli.commands.status, bee_cli.session, bee_cli.progress, bee_cli.documents, bee_bus.interfaces
import bee_bus.documents.audit, bee_cli.render
for name in ("Audit1", "Audit1.Run", "Job1"): bee_bus.interfaces.load(f"org.bee.{name}")
import os
uid, *groups = map(int, sys.argv[1].split(","))
os.setgroups(groups); os.setgid(uid); os.setuid(uid)
raise SystemExit(bee_cli.main.main(sys.argv[2:]))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where the services leave their files, and where bee's packages are."""
    logs = tmp_path / "logs"
    logs.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "NO_COLOR"))
    }
    return {
        **kept,
        "BEE_LOG_DIRECTORY": str(logs),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def bee(environment: dict[str, str], tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run bee with these words to its end."""

    def run(
        *words: str | Path, stdin: int | IO[str] = subprocess.DEVNULL
    ) -> "subprocess.CompletedProcess[str]":
        ended = subprocess.run(
            [*BEE, *map(str, words)],
            env=environment,
            cwd=tmp_path,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in str(ended.stderr)
        return ended

    return run


Bee = Callable[..., "subprocess.CompletedProcess[str]"]


def document(ended: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The snapshot that was printed, valid by the published schema."""
    found: dict[str, Any] = json.loads(ended.stdout)
    jsonschema.validate(found, schema("audit-snapshot.json"))
    return found


TIMES = ("duration_seconds", "uptime_seconds")


def without_times(snapshot: dict[str, Any]) -> dict[str, Any]:
    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: bare(value) for name, value in part.items() if name not in TIMES}
        return [bare(value) for value in part] if isinstance(part, list) else part

    stripped: dict[str, Any] = bare(snapshot)
    return stripped


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A capture of this machine, and the snapshot that the capturing audit came to."""
    folder = tmp_path_factory.mktemp("captured")
    environment = {**os.environ, "BEE_LOG_DIRECTORY": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [*BEE, "--private", "capture", "-o", str(folder / "capture.tar.gz")]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert str(folder / "capture.tar.gz") in ended.stdout
    return folder / "capture.tar.gz", json.loads((folder / "bee-audit.json").read_text())


def test_an_audit_of_this_machine_prints_the_page_and_exits_with_the_verdict(
    bee: Bee, tmp_path: Path
) -> None:
    ended = bee("audit", "--private")

    snapshot = json.loads((tmp_path / "logs/bee-audit.json").read_text())
    verdict = snapshot["hardware"]["summary"]["verdict"]
    assert ended.returncode == CODES[verdict]
    assert " ".join(verdict.upper()) in ended.stdout
    assert snapshot["host_name"] in ended.stdout
    assert "\x1b" not in ended.stdout  # nobody looks
    assert ended.stderr == ""


def test_the_document_is_whole_valid_and_says_the_same_verdict(bee: Bee) -> None:
    ended = bee("--private", "audit", "--json")

    snapshot = document(ended)
    assert ended.returncode == CODES[snapshot["hardware"]["summary"]["verdict"]]
    assert [run["name"] for run in snapshot["collectors"]][:3] == ["board", "cpus", "memory"]


def test_only_the_sections_that_were_asked_for_are_read(bee: Bee, tmp_path: Path) -> None:
    snapshot = document(bee("--private", "audit", "--json", "--section", "network", "--section", "cpus"))

    assert snapshot["sections"] == ["cpus", "network"]
    assert [run["name"] for run in snapshot["collectors"]] == ["cpus", "network"]
    assert set(snapshot["hardware"]) == {"summary", "cpus", "network"}
    assert not (tmp_path / "logs/bee-audit.json").exists()  # a part is not the machine's snapshot


def test_a_capture_replays_to_the_same_snapshot_on_any_machine(
    captured: tuple[Path, dict[str, Any]], bee: Bee
) -> None:
    archive, original = captured

    ended = bee("audit", "--replay", archive, "--json")

    replayed = document(ended)
    assert without_times(replayed) == without_times(original)
    assert ended.returncode == CODES[original["hardware"]["summary"]["verdict"]]


def test_a_capture_is_read_from_standard_input_too(captured: tuple[Path, dict[str, Any]], bee: Bee) -> None:
    archive, original = captured

    with archive.open() as source:
        replayed = document(bee("audit", "--replay", "-", "--json", "--section", "cpus", stdin=source))

    assert replayed["hardware"]["cpus"] == original["hardware"]["cpus"]
    assert replayed["sections"] == ["cpus"]


def test_a_capture_belongs_to_its_owner_and_replaces_nothing(bee: Bee, tmp_path: Path) -> None:
    ended = bee("--private", "capture")
    (archive,) = tmp_path.glob("bee-capture-*.tar.gz")
    assert ended.returncode == 0
    assert archive.stat().st_mode & 0o777 == 0o600
    assert archive.name in ended.stdout

    again = bee("--private", "capture", "-o", archive)
    assert again.returncode == 3
    assert "--force" in again.stderr

    size_bytes = archive.stat().st_size
    archive.write_bytes(b"old")
    assert bee("--private", "capture", "-o", archive, "--force").returncode == 0
    assert archive.stat().st_size > size_bytes / 2
    assert {path.name for path in tmp_path.iterdir()} == {"logs", archive.name}


def test_status_before_and_after_the_first_audit(bee: Bee) -> None:
    before = bee("--private", "status")
    assert before.returncode == 3
    assert "has not been audited" in before.stdout

    audited = bee("--private", "audit")
    after = bee("--private", "status")
    assert after.returncode == audited.returncode
    assert "org.bee.Audit1" in after.stdout
    assert re.search(r"audited   20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d+ s ago", after.stdout)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a bee capture"),
        (b'{"schema_version": "1.0", "hardware": {}}', "not a bee capture"),
        (b"\x1f\x8b\x08\x00garbage", "not a bee capture"),
        (os.urandom(100_000), "not a bee capture"),
    ],
    ids=["nothing", "a JSON file", "half a gzip", "noise"],
)
def test_a_file_that_is_no_capture_is_an_error(
    bee: Bee, tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "file").write_bytes(content)

    ended = bee("audit", "--replay", "file")

    assert ended.returncode == 3
    assert ended.stdout == ""
    assert complaint in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("audit", "--replay"), ("decode", "smbios")])
def test_a_file_that_is_not_there_is_named(bee: Bee, words: tuple[str, ...], tmp_path: Path) -> None:
    for name, why in (("missing", "No such file"), (".", "directory")):
        ended = bee(*words, name)
        assert ended.returncode == 3
        assert name in ended.stderr
        assert why in ended.stderr


def test_a_name_that_begins_with_a_dash_is_a_file_too(bee: Bee, tmp_path: Path) -> None:
    (tmp_path / "-x").write_bytes(b"no table")

    ended = bee("decode", "smbios", "--", "-x")

    assert ended.returncode == 3
    assert "not an SMBIOS table" in ended.stderr


@pytest.mark.parametrize("kind", ["smbios", "fru", "vpd", "pci"])
def test_noise_is_none_of_the_binaries(bee: Bee, tmp_path: Path, kind: str) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(7)) * 3)

    ended = bee("decode", kind, "noise")

    assert ended.returncode == 3
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


def test_a_table_is_decoded_from_a_file_and_from_standard_input(bee: Bee, tmp_path: Path) -> None:
    table = bytes([127, 4, 0, 0, 0, 0])  # the end-of-table structure alone (SMBIOS 3.7 §7.47)
    (tmp_path / "table").write_bytes(table)

    from_file = bee("decode", "smbios", "table")
    with (tmp_path / "table").open() as source:
        from_input = bee("decode", "smbios", "-", stdin=source)

    assert from_file.returncode == 0
    assert json.loads(from_file.stdout)["structures"][0]["type"] == 127
    assert from_file.stdout == from_input.stdout


def test_a_reader_who_leaves_early_does_not_change_the_verdict(
    captured: tuple[Path, dict[str, Any]], environment: dict[str, str]
) -> None:
    archive, original = captured
    words = f"{' '.join(BEE)} audit --replay {archive} --json | head -c 1; exit ${{PIPESTATUS[0]}}"

    ended = subprocess.run(
        ["bash", "-c", words], env=environment, capture_output=True, text=True, check=False
    )

    assert ended.returncode == CODES[original["hardware"]["summary"]["verdict"]]
    assert ended.stderr == ""


def test_no_bus_is_said_with_what_to_do(bee: Bee, environment: dict[str, str]) -> None:
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent/bus"

    for command in ("audit", "capture", "status"):
        ended = bee(command)
        assert ended.returncode == 3
        assert "there is no bus" in ended.stderr
        assert "--private" in ended.stderr


def test_a_bus_without_the_service_is_said_with_what_to_do(
    make_bus: MakeBus, bee: Bee, environment: dict[str, str]
) -> None:
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = make_bus(services={}).address

    for command in ("audit", "capture", "status"):
        ended = bee(command)
        assert ended.returncode == 3
        assert "bee --private" in ended.stderr


@pytest.fixture
def audit_bus(make_bus: MakeBus, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> LabBus:
    """A bus with the audit service and users of every kind: the system bus of the test's commands."""
    for name in ("BEE_LOG_DIRECTORY", "PATH"):
        monkeypatch.setenv(name, environment[name])
    bus = make_bus(services={AUDIT.bus_name: [program("bee-auditd")]})
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    return bus


def as_user(uid: int, environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", AS_USER, ",".join(map(str, [uid, *GROUPS[uid]])), *words]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_a_member_of_the_group_may_audit_without_being_root(
    audit_bus: LabBus, environment: dict[str, str]
) -> None:
    ended = as_user(OPERATOR_UID, environment, "audit", "--json")

    snapshot = document(ended)
    assert ended.returncode == CODES[snapshot["hardware"]["summary"]["verdict"]]


def test_a_stranger_may_look_and_is_told_whom_to_ask_for_the_rest(
    audit_bus: LabBus, environment: dict[str, str]
) -> None:
    assert "org.bee.Audit1" in as_user(STRANGER_UID, environment, "status").stdout
    for command in ("audit", "capture"):
        ended = as_user(STRANGER_UID, environment, command)
        assert ended.returncode == 3
        assert ended.stdout == ""
        assert "group bee" in ended.stderr


class Terminal:
    """bee with a person in front of it."""

    def __init__(self, environment: dict[str, str], *words: str) -> None:
        self.shown = b""
        self._screen, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*BEE, *words],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=environment["BEE_LOG_DIRECTORY"],
            start_new_session=True,
        )
        os.close(theirs)

    def read_all(self) -> str:
        """Everything shown until the program has ended."""
        while True:
            try:
                part = os.read(self._screen, 65536)
            except OSError:  # the terminal's other side is closed
                break
            if not part:
                break
            self.shown += part
        os.close(self._screen)
        self.process.wait(30)
        return self.shown.decode()


def test_on_a_terminal_there_is_progress_which_is_gone_at_the_end_and_colour(
    environment: dict[str, str],
) -> None:
    shown = Terminal(environment, "--private", "audit").read_all()

    progress, page = shown.rsplit("\r\x1b[K", 1)
    assert "audit" in progress
    assert "\n" not in progress
    assert re.search(r"\x1b\[1;3\dm", page)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(environment: dict[str, str], name: str, value: str) -> None:
    environment[name] = value

    page = Terminal(environment, "--private", "audit").read_all().rsplit("\r\x1b[K", 1)[-1]

    assert "audited" in page
    assert "\x1b" not in page


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def interrupted(terminal: Terminal, number: signal.Signals) -> str:
    """What bee shows when it is told to end, which it must do at once and say in its exit code."""
    started = time.monotonic()
    terminal.process.send_signal(number)
    shown = terminal.read_all()
    assert time.monotonic() - started < 5
    assert terminal.process.returncode == 128 + number
    assert "Traceback" not in shown
    return shown


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", ["audit", "capture"])
def test_an_interrupted_command_takes_its_private_bus_along(
    environment: dict[str, str], number: signal.Signals, command: str
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path has to be short
        terminal = Terminal({**environment, "TMPDIR": folder}, "--private", command)
        until(lambda: list(Path(folder).glob("bee-*/bus")))

        interrupted(terminal, number)

        assert os.listdir(folder) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_that_waits_for_polkit_can_be_interrupted(
    make_bus: MakeBus, environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    bus = make_bus(services={AUDIT.bus_name: [program("bee-auditd")]}, polkit=bad_polkit("hang"))
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
    terminal = Terminal(environment, "capture", "-o", str(tmp_path / "capture"))
    until(lambda: "bee-auditd" in _processes(bus), 30)
    time.sleep(0.5)

    interrupted(terminal, number)

    assert not list(tmp_path.glob("*capture*"))


def _processes(bus: LabBus) -> str:
    """The command lines of all that has been started on that bus."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if bus.address.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return "\n".join(found)
