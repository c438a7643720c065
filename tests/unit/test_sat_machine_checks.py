"""Corrected errors that wait in the processors are asked for, and the machine is left as it was."""

import os
import threading
from pathlib import Path

import pytest

from bee_sat.machine_checks import are_looked_at, collect


class Interval:
    """The kernel's file, and every value that was written to it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        self.path = folder / "check_interval"
        self.path.write_text(value)
        self.written: list[str] = []
        write = Path.write_text

        def writes(path: Path, text: str) -> int:
            if path == self.path:
                self.written.append(text)
            return write(path, text)

        monkeypatch.setattr(Path, "write_text", writes)


@pytest.mark.parametrize(("value", "asked"), [("300\n", "1"), ("1\n", "2")])
def test_the_interval_is_changed_and_restored(
    value: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = Interval(tmp_path, monkeypatch, value)
    collect(str(interval.path), settle_seconds=0)
    # The kernel asks only when the value differs from the one before.
    assert interval.written == [asked, value.strip()]


@pytest.mark.parametrize("value", ["0\n", "", "never\n"])
def test_what_is_switched_off_stays_so(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interval = Interval(tmp_path, monkeypatch, value)
    collect(str(interval.path), settle_seconds=0)
    assert interval.written == []


def test_a_machine_without_machine_checks_is_no_error(tmp_path: Path) -> None:
    collect(str(tmp_path / "none"), settle_seconds=0)
    assert os.listdir(tmp_path) == []


def test_two_runs_at_once_leave_it_as_the_first_found_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = Interval(tmp_path, monkeypatch, "300\n")
    runs = [
        threading.Thread(target=collect, args=[str(interval.path)], kwargs={"settle_seconds": 0.1})
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert interval.written == ["1", "300", "1", "300"]


def test_only_runs_that_count_them_ask() -> None:
    assert are_looked_at(("board", "memory"))
    assert are_looked_at(("cpus",))
    assert not are_looked_at(("board", "storage", "bmc"))
