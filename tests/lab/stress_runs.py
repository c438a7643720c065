"""bee-gpu-stress itself, run as a program against GPUs that are not there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bee_sat.gpu_stress import events as e
from bee_sat.gpu_stress.events import AnyEvent, Verdict
from lab.cuda import FakeCuda

COMMAND = (sys.executable, "-W", "error", "-m", "bee_sat.gpu_stress.main")
# Little work, so that a run takes seconds where a CPU plays the GPU.
SMALL = ("--seconds", "1", "--size-mb", "4", "--json")
ALONE = ("--without-telemetry",)


@dataclass(frozen=True)
class Ended:
    """How a run ended, and all that it said."""

    code: int
    events: tuple[AnyEvent, ...]
    complaint: str
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The last line, and there is only one such."""
        (found,) = (event for event in self.events if isinstance(event, Verdict))
        assert self.events[-1] is found
        return found

    @property
    def rules(self) -> dict[tuple[str, str], str]:
        """(rule, component) → severity."""
        return {
            (each.rule.removeprefix("gpu-stress."), each.component): each.severity
            for each in self.verdict.findings
        }

    def at(self, address: str) -> set[str]:
        """The rules that found something at a GPU."""
        return {rule for rule, component in self.rules if component == f"gpus/{address}"}

    def phases(self, address: str) -> list[e.PhaseEnded]:
        return [event for event in self.events if isinstance(event, e.PhaseEnded) and event.gpu == address]


def environment(fake: FakeCuda | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
    return {**found, **(fake.environment if fake else {}), **(more or {})}


def run(
    fake: FakeCuda | None,
    *words: str,
    command: Sequence[str] = COMMAND,
    more: Mapping[str, str] | None = None,
    deadline_seconds: float = 120,
) -> Ended:
    """A whole run of a second's work, without telemetry."""
    return run_with(
        fake, *SMALL, *ALONE, *words, command=command, more=more, deadline_seconds=deadline_seconds
    )


def run_with(
    fake: FakeCuda | None,
    *words: str,
    command: Sequence[str] = COMMAND,
    more: Mapping[str, str] | None = None,
    deadline_seconds: float = 120,
) -> Ended:
    began = time.monotonic()
    ended = subprocess.run(
        [*command, *words],
        env=environment(fake, more),
        capture_output=True,
        timeout=deadline_seconds,
        check=False,
    )
    seconds = time.monotonic() - began
    lines = tuple(e.read(line) for line in ended.stdout.splitlines()) if "--json" in words else ()
    return Ended(ended.returncode, lines, ended.stderr.decode(), seconds)


class Started:
    """A run that is under way; what is left of it is killed at the end of the block."""

    def __init__(self, fake: FakeCuda, *words: str, bus: str | None = None) -> None:
        """``bus``: where the GPU service is; without one there is no telemetry."""
        self.process = subprocess.Popen(
            [*COMMAND, *SMALL, *(ALONE if bus is None else ()), *words],
            env=environment(fake, {"DBUS_SYSTEM_BUS_ADDRESS": bus} if bus else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.events: list[AnyEvent] = []

    def until(self, kind: type[AnyEvent], count: int = 1) -> None:
        """Read on until so many of these events came."""
        assert self.process.stdout is not None
        while count:
            line = self.process.stdout.readline()
            assert line, "it ended before"
            self.events.append(e.read(line))
            count -= isinstance(self.events[-1], kind)

    def tell(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; the exit code, and how long it took to be gone."""
        assert self.process.stdout is not None
        began = time.monotonic()
        self.process.send_signal(number)
        rest = self.process.stdout.read()
        code = self.process.wait(30)
        seconds = time.monotonic() - began
        self.events += [e.read(line) for line in rest.splitlines()]
        return code, seconds

    @property
    def workers(self) -> list[int]:
        """Processes that it started and that still are there; zombies that nobody reaped do not count."""
        return [pid for event in self.events if isinstance(event, e.Hello) and _alive(pid := event.pid)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
