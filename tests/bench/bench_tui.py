"""The menu's speed: its first screen after start, a core's share with eight GPUs live, keys meanwhile.

The limits are asserted with a noisy host in mind: the start at its best or as a ratio to importing urwid, the
share as processor time, and a key as the median of many.
"""

import os
import pty
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from bee_bus.sat_client import SatClient
from lab.bus.private import LabBus, python_command
from lab.gpus import gpu_machine
from lab.nvml import FakeNvml
from lab.sat import sat_machine
from lab.sat.driving import loading, result_at_end

ROUNDS = 9
WATCHED_SECONDS = 20.0
FIRST_PAINT_SECONDS = 0.4
SHARE_OF_A_CORE = 0.02
KEY_SECONDS = 0.05


class Menu:
    """bee-tui at a bare pseudo-terminal, which costs nothing that would be measured with it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            command = python_command("-m", "bee_tui.main")
            os.environ.clear()
            os.environ.update(
                {**environment, "TERM": "linux", "LANG": "C.UTF-8", "COLUMNS": "80", "LINES": "24"}
            )
            os.execvp(command[0], command)
        self.seen = b""

    def until(self, words: bytes, seconds: float = 30.0) -> float:
        """Read until these bytes come, and return when, in seconds since the start."""
        start = len(self.seen)
        deadline = time.perf_counter() + seconds
        while words not in self.seen[start:]:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.perf_counter()))
            assert ready, self.seen[-2000:]
            self.seen += os.read(self._terminal, 65536)
        return time.perf_counter() - self.started

    def drain(self, seconds: float) -> int:
        """Read what comes for a while; how many bytes."""
        deadline, count = time.perf_counter() + seconds, 0
        while (left := deadline - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                count += len(os.read(self._terminal, 65536))
        return count

    def key(self, key: bytes) -> float:
        """Press a key; the seconds until anything is drawn."""
        started = time.perf_counter()
        os.write(self._terminal, key)
        assert select.select([self._terminal], [], [], 5)[0]
        took = time.perf_counter() - started
        self.seen += os.read(self._terminal, 65536)
        return took

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        with suppress(OSError):
            os.write(self._terminal, b"\x03")
            while os.read(self._terminal, 65536):
                pass
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


@contextmanager
def menu(environment: Mapping[str, str]) -> Iterator[Menu]:
    started = Menu(environment)
    try:
        yield started
    finally:
        started.end()


class Keys(NamedTuple):
    median: float
    worst: float

    def __str__(self) -> str:
        return f"a key: median {1000 * self.median:.1f} ms, worst {1000 * self.worst:.1f} ms"


def keys_pressed(tui: Menu) -> Keys:
    """Up and down, forty times."""
    seconds = []
    for name in (b"\x1b[B", b"\x1b[A") * 20:
        tui.drain(0.05)
        seconds.append(tui.key(name))
    return Keys(statistics.median(seconds), max(seconds))


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def tell(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return tell


def test_the_first_screen_comes_at_once(show: Callable[[str], None]) -> None:
    times: dict[str, list[float]] = {"import urwid": [], "first screen": [], "known verdict": []}
    with LabBus(services={}) as bus:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import urwid"], check=True)
            times["import urwid"].append(time.perf_counter() - started)
            with menu(bus.environment) as tui:
                times["first screen"].append(tui.until(b"Web page"))
                times["known verdict"].append(tui.until(b"not on this bus"))
    medians = {name: statistics.median(measured) for name, measured in times.items()}
    best = min(times["first screen"])
    show("; ".join(f"{name} {1000 * median:.0f} ms" for name, median in medians.items()))
    ratio = medians["first screen"] / medians["import urwid"]
    show(f"first screen at best {1000 * best:.0f} ms, median {ratio:.2f} of import urwid")
    assert best < FIRST_PAINT_SECONDS or ratio < 2


def test_eight_gpus_live_cost_little_and_keys_answer_meanwhile(
    tmp_path: Path, show: Callable[[str], None]
) -> None:
    with FakeNvml("h100", count=8) as fake, gpu_machine(fake, tmp_path) as machine:
        for title, key in (("home", None), ("GPU table", b"g")):
            with menu(machine.bus.environment) as tui:
                tui.until("°C".encode())
                if key is not None:
                    os.write(tui._terminal, key)
                tui.drain(4)
                before = tui.cpu_seconds()
                size = tui.drain(WATCHED_SECONDS)
                share = (tui.cpu_seconds() - before) / WATCHED_SECONDS
                keys = keys_pressed(tui)
            show(f"{title}: {share:.2%} of a core, {size / WATCHED_SECONDS:.0f} bytes/s; {keys}")
            assert share < SHARE_OF_A_CORE
            assert keys.median < KEY_SECONDS


async def test_a_key_answers_with_a_run_on(tmp_path: Path, show: Callable[[str], None]) -> None:
    """Two runs: one whose load is a stand-in, on eight GPUs, and the processors' with the real stress-ng."""
    with FakeNvml("h100", count=8) as fake, sat_machine(tmp_path, fake=fake) as machine:
        machine.tools.behave(bee_gpu_stress="takes its time")
        machine.tools.remove("stress-ng")
        async with machine.bus.client() as bus:
            runs = [await SatClient(bus).start(pack, {"duration": "600"}) for pack in ("nvidia", "cpu")]
            await loading(machine, "nvidia")
            for name in ("nvidia", "cpu"):
                with menu(machine.bus.environment) as tui:
                    tui.until(b"Web page")
                    os.write(tui._terminal, b"t")
                    tui.until(b"In progress")
                    tui.drain(1)
                    if name == "cpu":
                        os.write(tui._terminal, b"\x1b[B")
                        tui.drain(0.5)
                    os.write(tui._terminal, b"\r")
                    tui.until(b"RUNNING")
                    tui.drain(4)
                    keys = keys_pressed(tui)
                show(f"beside both runs, on that of {name}: {keys}")
                assert keys.median < KEY_SECONDS
            for run in runs:
                await run.cancel()
                await result_at_end(run)
