"""What is measured when a real GPU can be had, tried here on the fake one: it has to work at once."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from lab.data import shared_data
from lab.machine import FakeMachine
from lab.nvml import FakeNvml
from lab.nvml.here import seen_from_here

SCRIPT = Path(__file__).parents[1] / "bench/on_a_gpu.py"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """An nvidia-smi that says what it said of a captured machine."""
    path = tmp_path / "bin/nvidia-smi"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\ncat {shared_data('nvidia-smi/qx-h100.xml')}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bench() -> ModuleType:
    spec = spec_from_file_location("on_a_gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compared(fake: FakeNvml, tool: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **fake.environment, "PATH": f"{tool.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "values"], env=environment, capture_output=True, text=True, check=False
    )


def test_values_that_agree_with_nvidia_smi(tool: Path) -> None:
    with FakeNvml("h100", count=8) as fake:
        told = compared(fake, tool)
    assert (told.returncode, told.stdout) == (0, "every value is that of nvidia-smi\n"), told.stderr


def test_a_value_that_differs_and_a_gpu_that_one_of_them_misses_are_told(tool: Path) -> None:
    with FakeNvml("h100", count=8) as fake:
        fake.set(2, vbios="96.00.99.00.02")
        told = compared(fake, tool)
    assert told.returncode == 1
    assert [line.split(":")[:2] for line in told.stdout.splitlines()] == [["GPU 2", " vbios_version"]]
    with FakeNvml("h100", count=7) as fake:
        told = compared(fake, tool)
    assert told.returncode == 1
    assert "lists 8 GPUs, the door 7" in told.stdout


def machine_of(fake: FakeNvml) -> FakeMachine:
    tree = fake.sysfs()
    return FakeMachine(files={**tree.files, "/dev/kmsg": ""}, links=tree.links)


async def test_a_watch_counts_its_ticks(bench: ModuleType) -> None:
    with FakeNvml("h100", count=2) as fake, seen_from_here(fake):
        watched = await bench.watch(machine_of(fake), 1.5, 0.1)
    assert len(watched.times) > 5
    assert watched.silent == 0
    assert watched.used_seconds > 0
    assert f"{len(watched.times)} ticks" in str(watched)


async def test_a_gpu_that_does_not_answer_is_a_tick_without_it(bench: ModuleType) -> None:
    with FakeNvml("h100", count=2) as fake, seen_from_here(fake):
        fake.lose(1)
        watched = await bench.watch(machine_of(fake), 1.0, 0.1)
    assert watched.silent == len(watched.times) > 0


def test_the_cost_is_set_against_that_of_the_tool(
    bench: ModuleType, tool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeNvml("h100", count=1) as fake, seen_from_here(fake):
        assert bench.show_cost(machine_of(fake), 2.0, str(tool)) == 0
    said = capsys.readouterr().out
    assert "in the service" in said
    assert "while the service holds the driver" in said
