"""bee as people run it: the command as a process, for any user, in a pipe or on a terminal."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import jsonschema

from bee_bus.documents.schema import schema
from lab.bus.private import GROUPS, LabBus

BEE = [sys.executable, "-m", "bee_cli.main"]
CODES = {"OK": 0, "Warning": 1, "Critical": 2, "Unknown": 3}

Ended = subprocess.CompletedProcess[str]

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


def environment(logs: Path) -> dict[str, str]:
    """The environment of a command whose services leave their files in ``logs``."""
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


class Bee:
    """The command in one environment; called with its words it runs to its end."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        self._variables = variables

    def __call__(self, *words: str | Path, stdin: int | IO[str] = subprocess.DEVNULL) -> Ended:
        ended = subprocess.run(
            [*BEE, *map(str, words)],
            env=self._variables,
            cwd=self._folder,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in str(ended.stderr)
        return ended


def as_user(uid: int, environment: dict[str, str], *words: str) -> Ended:
    command = [sys.executable, "-c", AS_USER, ",".join(map(str, [uid, *GROUPS[uid]])), *words]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def document(ended: Ended) -> dict[str, Any]:
    """The snapshot that was printed, valid by the published schema."""
    found: dict[str, Any] = json.loads(ended.stdout)
    jsonschema.validate(found, schema("audit-snapshot.json"))
    return found


TIMES = ("duration_seconds",)


def without_times(snapshot: dict[str, Any]) -> dict[str, Any]:
    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: bare(value) for name, value in part.items() if name not in TIMES}
        return [bare(value) for value in part] if isinstance(part, list) else part

    stripped: dict[str, Any] = bare(snapshot)
    return stripped


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


def processes_on(bus: LabBus) -> str:
    """The command lines of all that has been started on that bus."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if bus.address.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return "\n".join(found)
