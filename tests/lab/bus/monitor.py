"""Every method call on a private bus, as dbus-monitor sees it.

with monitored(bus) as calls:
    ...
    assert Call(":1.7", "org.bee.Sat1", "Start") in calls()
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lab.bus.private import LabBus, until


class Call(NamedTuple):
    """``sender``: a unique name."""

    sender: str
    interface: str
    member: str


Calls = Callable[[], list[Call]]

_MARK = "org.bee.lab.Mark"


@contextmanager
def monitored(bus: LabBus) -> Iterator[Calls]:
    """The calls since it began, when they have all been written down."""
    with tempfile.TemporaryDirectory(prefix="bee-monitor-") as folder:
        path = Path(folder) / "calls"
        words = ["stdbuf", "-oL", "dbus-monitor", "--address", bus.address, "--profile", "type='method_call'"]
        with path.open("wb") as output, subprocess.Popen(words, stdout=output) as monitor:
            marks = 0

            def rows() -> list[list[str]]:
                lines = path.read_text("utf-8").splitlines()
                return [row for line in lines if (row := line.split("\t"))[0] == "mc" and len(row) > 7]

            def seen(number: int) -> bool:
                return any(row[6:8] == [_MARK, f"Mark{number}"] for row in rows())

            def begun() -> bool:
                _mark(bus, 0)
                return seen(0)

            def calls() -> list[Call]:
                nonlocal marks
                marks += 1
                _mark(bus, marks)
                until(lambda: seen(marks), 30)
                return [Call(row[3], row[6], row[7]) for row in rows() if row[6] != _MARK]

            try:
                until(begun, 30)
                yield calls
            finally:
                monitor.terminate()


def _mark(bus: LabBus, number: int) -> None:
    """A call that means nothing, behind which all that came before it has been seen."""
    words = ["dbus-send", "--type=method_call", f"--bus={bus.address}", "--dest=org.freedesktop.DBus"]
    subprocess.run([*words, "/", f"{_MARK}.Mark{number}"], check=True)
