"""All runs on disk: listed, found, completed, and read without trusting what stands there."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from bee_bus import errors
from bee_bus.documents import schema
from bee_bus.documents.sat import Measurement, SatResult
from bee_sat.book import Book
from bee_sat.ending import write_ending
from bee_sat.records import Measured, RunEnded, RunStarted, to_line
from bee_sat.shelf import Shelf
from lab.sat_runs import BOOT_ID, FAILED, PASSED, RUN, RecordedRun, at, recorded_run

LATER, LATEST = "20261123T080000_001", "20261124T080000_001"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "bee-sat")


def put(shelf: Shelf, run: RecordedRun | None = None, name: str = RUN) -> Path:
    """A run that ended as it should."""
    folder = (run or recorded_run(run=name)).write(shelf.directory / name)
    write_ending(folder)
    return folder


def test_a_shelf_that_was_never_used_is_empty(shelf: Shelf) -> None:
    assert (shelf.runs(), shelf.unfinished(), shelf.recover()) == ([], [], [])


def test_runs_are_listed_newest_first_with_all_that_a_list_shows(shelf: Shelf) -> None:
    put(shelf)
    put(shelf, recorded_run(FAILED, run=LATER), LATER)
    later, earlier = shelf.runs()
    assert (later.run, later.status, later.reason) == (LATER, "FAILED", "step-1: 3 errors at address 0x1000")
    assert (earlier.run, earlier.status, earlier.pack, earlier.owner_uid) == (RUN, "OK", "memory", 1000)
    assert (earlier.started_at, earlier.finished_at) == (at(0), at(603))
    assert earlier.directory == str(shelf.directory / RUN)
    assert earlier.archive == str(shelf.directory / f"{RUN}.tar.gz")


def test_an_archive_that_somebody_took_away_is_not_offered(shelf: Shelf) -> None:
    put(shelf)
    (shelf.directory / f"{RUN}.tar.gz").unlink()
    assert shelf.runs()[0].archive is None
    assert "archive" not in shelf.artifacts(RUN)
    with pytest.raises(errors.NotFound):
        shelf.open_artifact(RUN, "archive")


def test_a_run_under_way_is_running(shelf: Shelf) -> None:
    book = Book.create(shelf.directory, RUN)
    assert [(one.run, one.status, one.pack) for one in shelf.runs()] == [(RUN, "RUNNING", "")]
    run = recorded_run()
    for record in run.records[:5]:
        book.append(record, sync=True)
    assert [(one.status, one.pack, one.reason) for one in shelf.runs()] == [("RUNNING", "memory", "")]
    assert shelf.unfinished() == [] and shelf.recover() == []
    result = msgspec.json.decode(shelf.result(RUN), type=SatResult)
    assert (result.status, [step.status for step in result.steps]) == ("RUNNING", ["RUNNING", "RUNNING"])
    with pytest.raises(errors.NotSupported, match="under way"):
        shelf.export(RUN, "junit")
    book.close()


def test_a_run_that_finishes_is_complete_with_everything(shelf: Shelf) -> None:
    book = Book.create(shelf.directory, RUN)
    run = recorded_run()
    for name, content in run.looks.items():
        with book.open_artifact(name) as file:
            file.write(content)
    for record in run.records[:-1]:
        book.append(record)
    ended = run.records[-1]
    assert isinstance(ended, RunEnded)
    assert book.finish(ended).status == "OK"
    assert sorted(os.listdir(book.folder)) == [
        ".run.json",
        "look-after-audit.json",
        "look-before-audit.json",
        "records.jsonl",
        "result.json",
        "summary.txt",
    ]
    assert shelf.runs()[0].status == "OK"


def test_the_result_keeps_to_the_published_schema(shelf: Shelf) -> None:
    put(shelf, recorded_run(FAILED))
    jsonschema.validate(json.loads(shelf.result(RUN)), schema.schema("sat-result.json"))


def test_judged_anew_a_run_gives_the_same_bytes_and_nothing_is_written(shelf: Shelf) -> None:
    folder = put(shelf, recorded_run(FAILED))
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert shelf.recompute(RUN).encode() == (folder / "result.json").read_bytes()
    assert shelf.recompute(RUN) == shelf.result(RUN)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_a_result_that_was_tampered_with_is_found_out_by_its_records(shelf: Shelf) -> None:
    folder = put(shelf, recorded_run(FAILED))
    good = (folder / "result.json").read_text().replace('"FAILED"', '"OK"')
    (folder / "result.json").write_text(good)
    assert json.loads(shelf.recompute(RUN))["status"] == "FAILED"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"run": 3}'])
def test_a_result_that_was_damaged_is_judged_anew(shelf: Shelf, content: bytes) -> None:
    folder = put(shelf)
    (folder / "result.json").write_bytes(content)
    assert json.loads(shelf.result(RUN))["status"] == "OK"


# Runs that were cut short


def test_a_run_whose_service_was_killed_is_completed_at_the_next_start(shelf: Shelf) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    run = recorded_run(ended=None)
    run.records[0] = msgspec.structs.replace(started(run), boot_id=boot)
    run.write(shelf.directory / RUN)
    assert [(one.status, one.reason) for one in shelf.runs()] == [
        ("INTERRUPTED", "it was cut short, and is not completed yet")
    ]
    assert json.loads(shelf.result(RUN))["status"] == "INTERRUPTED"
    assert shelf.unfinished() == [RUN]
    assert shelf.recover() == [RUN]
    (listed,) = shelf.runs()
    assert (listed.status, listed.reason) == ("INTERRUPTED", "the service was ended or killed")
    assert listed.finished_at == at(602) and listed.archive is not None
    assert (shelf.unfinished(), shelf.recover()) == ([], [])


def started(run: RecordedRun) -> RunStarted:
    assert isinstance(run.records[0], RunStarted)
    return run.records[0]


def test_a_run_of_an_earlier_boot_was_ended_by_the_machine(shelf: Shelf) -> None:
    recorded_run(ended=None).write(shelf.directory / RUN)
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() != BOOT_ID
    shelf.recover()
    assert shelf.runs()[0].reason == "the machine was restarted or lost power"


def test_a_run_that_had_ended_and_was_not_yet_packed_keeps_its_verdict(shelf: Shelf) -> None:
    recorded_run().write(shelf.directory / RUN)
    assert shelf.recover() == [RUN]
    assert shelf.runs()[0].status == "OK"
    assert (shelf.directory / f"{RUN}.tar.gz").is_file()


def test_what_the_wrong_moment_left_behind_is_cleared_up(shelf: Shelf) -> None:
    recorded_run(ended=None).write(shelf.directory / RUN)
    half = shelf.directory / f".new-{LATER}"
    half.mkdir()
    (half / "records.jsonl").write_text("")
    (shelf.directory / f".{RUN}.tar.gz.x7f").write_text("half")
    shelf.recover()
    assert sorted(os.listdir(shelf.directory)) == [RUN, f"{RUN}.tar.gz"]


def test_a_folder_that_is_just_being_made_is_left_alone(shelf: Shelf) -> None:
    half = shelf.directory / f".new-{LATER}"
    half.mkdir(parents=True)
    descriptor = os.open(half / "records.jsonl", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    shelf.recover()
    assert half.is_dir()
    os.close(descriptor)


# Damage


def damage_nothing_left(folder: Path) -> None:
    (folder / "records.jsonl").unlink()


def damage_empty(folder: Path) -> None:
    (folder / "records.jsonl").write_bytes(b"")


def damage_zeros(folder: Path) -> None:
    (folder / "records.jsonl").write_bytes(b"\0" * 4096)


def damage_torn(folder: Path) -> None:
    content = (folder / "records.jsonl").read_bytes()
    (folder / "records.jsonl").write_bytes(content[:100])


def damage_deep(folder: Path) -> None:
    (folder / "records.jsonl").write_bytes(b'{"record":' * 100_000 + b"\n")


def damage_wrong_first(folder: Path) -> None:
    (folder / "records.jsonl").write_bytes(to_line(recorded_run().records[-1]))


@pytest.mark.parametrize(
    "damage",
    [damage_nothing_left, damage_empty, damage_zeros, damage_torn, damage_deep, damage_wrong_first],
)
def test_a_damaged_run_is_listed_never_ok_and_hides_no_other(shelf: Shelf, damage: Any) -> None:
    put(shelf, recorded_run(run=LATER), LATER)
    folder = recorded_run(ended=None).write(shelf.directory / RUN)
    damage(folder)
    other, damaged = shelf.runs()
    assert (other.run, other.status, damaged.run) == (LATER, "OK", RUN)
    assert damaged.status == "INTERRUPTED" and damaged.reason
    assert shelf.recover() == [RUN]
    assert [(one.run, one.status == "OK") for one in shelf.runs()] == [(LATER, True), (RUN, False)]
    assert shelf.unfinished() == []


def damage_link(folder: Path) -> None:
    (folder / "records.jsonl").rename(folder / "kept")
    (folder / "records.jsonl").symlink_to(folder / "kept")


def damage_folder(folder: Path) -> None:
    (folder / "records.jsonl").unlink()
    (folder / "records.jsonl").mkdir()


def damage_pipe(folder: Path) -> None:
    (folder / "records.jsonl").unlink()
    os.mkfifo(folder / "records.jsonl")


@pytest.mark.parametrize("damage", [damage_link, damage_folder, damage_pipe])
def test_records_that_are_no_plain_file_are_not_read(shelf: Shelf, damage: Any) -> None:
    damage(recorded_run(ended=None).write(shelf.directory / RUN))
    recorded_run(ended=None, run=LATER).write(shelf.directory / LATER)
    assert [(one.run, one.status) for one in shelf.runs()] == [(LATER, "INTERRUPTED"), (RUN, "INTERRUPTED")]
    assert shelf.recover() == [LATER]  # the other stays as it is, for somebody to look at
    with pytest.raises(errors.NotFound, match="cannot be read"):
        shelf.recompute(RUN)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"x" * 100_000])
def test_a_damaged_listing_is_made_again(shelf: Shelf, content: bytes) -> None:
    folder = put(shelf)
    (folder / ".run.json").write_bytes(content)
    assert shelf.recover() == [RUN]
    assert shelf.runs()[0].status == "OK"


def test_a_listing_cannot_speak_for_another_run(shelf: Shelf) -> None:
    folder = put(shelf)
    listing = json.loads((folder / ".run.json").read_text())
    (folder / ".run.json").write_text(
        json.dumps({**listing, "run": "../../etc", "directory": "/etc", "job": "/x"})
    )
    (listed,) = shelf.runs()
    assert (listed.run, listed.directory, listed.job) == (RUN, str(folder), None)


def test_what_is_no_run_is_not_listed(shelf: Shelf) -> None:
    put(shelf)
    (shelf.directory / "notes.txt").write_text("")
    (shelf.directory / "lost+found").mkdir()
    (shelf.directory / LATER).symlink_to(shelf.directory / RUN)
    assert [one.run for one in shelf.runs()] == [RUN]
    with pytest.raises(errors.NotFound):
        shelf.result(LATER)


# Artifacts


def test_artifacts_are_read_from_their_beginning_by_everybody(shelf: Shelf) -> None:
    put(shelf)
    assert shelf.artifacts(RUN) == [
        "look-after-audit.json",
        "look-before-audit.json",
        "records.jsonl",
        "result.json",
        "summary.txt",
        "archive",
    ]
    for _ in range(2):
        with shelf.open_artifact(RUN, "summary.txt") as file:
            assert file.read().startswith(b"run=")
    with shelf.open_artifact(RUN, "archive") as file:
        assert file.read(2) == b"\x1f\x8b"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../secret",
        "/etc/passwd",
        "a/b",
        ".run.json",
        "no-such",
        "a\0b",
        "link.txt",
        "pipe.txt",
        "sub",
    ],
)
def test_no_name_leads_out_of_the_run(shelf: Shelf, name: str) -> None:
    folder = put(shelf)
    (shelf.directory / "secret").write_text("secret")
    (folder / "link.txt").symlink_to("../secret")
    os.mkfifo(folder / "pipe.txt")
    (folder / "sub").mkdir()
    with pytest.raises(errors.NotFound):
        shelf.open_artifact(RUN, name)


@pytest.mark.parametrize(
    "run", ["", ".", "..", "/etc", "../bee-sat/20261122T143259_001", "a\0b", LATEST, "x" * 300]
)
def test_no_name_leads_to_another_folder(shelf: Shelf, run: str) -> None:
    put(shelf)
    for ask in (shelf.result, shelf.recompute, shelf.artifacts):
        with pytest.raises(errors.NotFound, match="there is no run"):
            ask(run)
    with pytest.raises(errors.NotFound):
        shelf.open_artifact(run, "summary.txt")
    with pytest.raises(errors.NotFound):
        shelf.export(run, "junit")


def test_a_format_that_does_not_exist_is_refused_by_name(shelf: Shelf) -> None:
    put(shelf)
    with pytest.raises(errors.InvalidOption, match="junit, ocp"):
        shelf.export(RUN, "pdf")


def test_hundreds_of_runs_with_large_outputs_are_listed_at_once(shelf: Shelf) -> None:
    run = recorded_run()
    many = [
        Measured(at=at(4), step="step-1", measurement=Measurement(name=f"rate {index}", value=index))
        for index in range(2000)
    ]
    run.records[6:6] = many
    first = put(shelf, run)
    names = [f"2026{index // 28 + 1:02}{index % 28 + 1:02}T080000_001" for index in range(300)]
    for name in names:
        folder = shelf.directory / name
        folder.mkdir()
        for file in first.iterdir():
            os.link(file, folder / file.name)
        with (folder / "step-1.txt").open("wb") as output:
            output.truncate(64 << 20)
    begun = time.monotonic()
    listed = shelf.runs()
    assert time.monotonic() - begun < 0.5
    assert len(listed) == 301 and {one.status for one in listed} == {"OK"}


def test_the_summary_is_lines_that_a_shell_can_read(shelf: Shelf) -> None:
    folder = put(shelf, recorded_run(FAILED, PASSED))
    lines = (folder / "summary.txt").read_text().splitlines()
    assert lines[:6] == [
        f"run={RUN}",
        "pack=memory",
        "overall_status=FAILED",
        "overall_reason=step-1: 3 errors at address 0x1000",
        "step-1_status=FAILED",
        "step-1_reason=3 errors at address 0x1000",
    ]
    assert "step-2_status=OK" in lines and "system_serial=SRV0042" in lines
