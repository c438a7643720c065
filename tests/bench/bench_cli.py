"""How long the command line takes before it asks the bus for anything, against a bare Python.

Medians of runs in turns; `make bench` prints them. Reported, not asserted.
"""

import statistics
import subprocess
import sys
import time

import pytest

ROUNDS = 15

# What each command has loaded when its first call leaves.
_UNTIL_THE_BUS = """
import sys
from importlib import import_module
from bee_cli.main import main
from bee_cli.arguments import parse
parse([{command!r}])
import_module("bee_cli.commands.{command}")
import bee_bus.client, bee_cli.progress, bee_cli.session
assert not {{"rich", "qrcode", "argcomplete", "bee_cli.render"}} & sys.modules.keys()
"""


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def test_the_time_before_the_first_call(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {name: _UNTIL_THE_BUS.format(command=name) for name in ("audit", "capture", "status")}
    contenders = {"python -c pass": "pass", **{f"bee {name}": code for name, code in commands.items()}}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, code in contenders.items():
            times[name].append(_seconds(code))
    bare = statistics.median(times["python -c pass"])
    lines = [f"{'':16}{'median ms':>10}{'of python':>10}{'added ms':>10}"]
    for name, measured in times.items():
        median = statistics.median(measured)
        lines.append(f"{name:16}{1000 * median:10.0f}{median / bare:10.1f}{1000 * (median - bare):10.0f}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
