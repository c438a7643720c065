"""The book of a run: what was written is there, whatever happens to the program, the machine or the disk."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bee_bus.documents.sat import Errored, Measurement
from bee_sat import writer as writers
from bee_sat.book import RESERVE_BYTES, ArtifactRefused, Book, BookError, BookFull, is_under_way
from bee_sat.evidence import read_evidence
from bee_sat.records import Found, Measured, RunEnded, to_line
from bee_sat.shelf import Shelf
from bee_sat.writer import Writer
from lab.sat_runs import PASSED, RUN, at, finding, recorded_run
from lab.small_disk import WITH_LAB, on_small_disk

MEASURED = Measured(at=at(4), step="step-1", measurement=Measurement(name="rate", value=1.5))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book.create(tmp_path / "bee-sat", RUN)


def test_a_new_run_has_a_folder_that_only_its_group_can_read(book: Book) -> None:
    assert stat.S_IMODE(book.folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((book.folder / "records.jsonl").stat().st_mode) == 0o640
    assert (book.folder / ".reserve").stat().st_blocks * 512 >= RESERVE_BYTES
    assert os.listdir(book.folder.parent) == [RUN]


def test_two_runs_of_one_name_are_refused(book: Book) -> None:
    with pytest.raises(BookError, match="already"):
        Book.create(book.folder.parent, RUN)
    assert os.listdir(book.folder.parent) == [RUN]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", ".hidden", "a b", "x" * 65, "a\n"])
def test_a_run_cannot_be_named_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BookError, match="no name"):
        Book.create(tmp_path, name)


def test_a_folder_that_cannot_be_made_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BookError, match="cannot be made"):
        Book.create(tmp_path / "file" / "bee-sat", RUN)


def test_what_was_appended_is_read_back_in_order(book: Book) -> None:
    records = recorded_run().records
    for record in records:
        book.append(record)
    book.sync()
    assert list(read_evidence(book.folder).records) == records


async def test_records_are_on_the_disk_when_a_step_border_is_settled(book: Book) -> None:
    book.append(MEASURED)
    await book.settle()
    assert read_evidence(book.folder).records == (MEASURED,)


def test_a_thousand_records_cost_the_caller_no_time(book: Book) -> None:
    started = time.monotonic()
    for _ in range(1000):
        book.append(MEASURED)
    assert time.monotonic() - started < 0.5
    book.sync()
    assert len(read_evidence(book.folder).records) == 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_measurement(book: Book, value: float) -> None:
    with pytest.raises(ValueError, match="no reading"):
        book.append(Measured(at=at(1), step="step-1", measurement=Measurement(name="rate", value=value)))


def test_the_lock_says_that_the_run_lives(book: Book) -> None:
    assert is_under_way(book.folder)
    with pytest.raises(BookError, match="under way"):
        Book.reopen(book.folder)
    book.close()
    assert not is_under_way(book.folder)


def test_somebody_who_lists_runs_does_not_keep_a_dead_one_from_being_completed(book: Book) -> None:
    book.close()
    descriptor = os.open(book.folder / "records.jsonl", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    threading.Timer(0.2, lambda: os.close(descriptor)).start()
    Book.reopen(book.folder).close()


def test_nothing_can_be_written_to_a_closed_book(book: Book) -> None:
    book.append(MEASURED)
    book.close()
    assert read_evidence(book.folder).records == (MEASURED,)
    with pytest.raises(BookError, match="closed"):
        book.append(MEASURED)
    with pytest.raises(BookError, match="closed"):
        book.sync()


# Artifacts


def test_artifacts_are_new_plain_files(book: Book) -> None:
    with book.open_artifact("step-1.txt") as file:
        file.write(b"output")
    (book.folder / "metrics.csv").write_text("written by a program itself")
    (book.folder / "link.txt").symlink_to("/etc/passwd")
    assert book.artifacts() == ("metrics.csv", "records.jsonl", "step-1.txt")
    assert stat.S_IMODE((book.folder / "step-1.txt").stat().st_mode) == 0o640
    for taken in ("step-1.txt", "metrics.csv", "link.txt", "records.jsonl"):
        with pytest.raises(ArtifactRefused, match="already"):
            book.open_artifact(taken)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "../x", "/etc/x", ".hidden", "a b", "a\0b", "-rf\n", "x" * 121, "archive", "ä"],
)
def test_artifacts_have_plain_names(book: Book, name: str) -> None:
    with pytest.raises(ArtifactRefused, match="no name"):
        book.open_artifact(name)


def test_a_run_cannot_fill_its_folder_with_files(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bee_sat.book.ARTIFACT_LIMIT", 3)
    book.open_artifact("a").close()
    book.open_artifact("b").close()
    with pytest.raises(ArtifactRefused, match="3 files already"):
        book.open_artifact("c")


def test_a_file_that_is_exchanged_for_a_pipe_hangs_nobody(book: Book) -> None:
    os.mkfifo(book.folder / "pipe.txt")
    (book.folder / "dangling.txt").symlink_to("nowhere")
    book.sync()


# Disks that fail


def test_a_run_that_writes_without_end_is_stopped_and_can_still_end(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bee_sat.book.RECORDS_LIMIT_BYTES", 10_000)
    for _ in range(10_000 // len(to_line(MEASURED)) + 1):
        book.append(MEASURED)
    with pytest.raises(BookError, match="MiB of records"):
        book.append(MEASURED)
    assert book.finish(RunEnded(at=at(9), outcome=Errored(reason="too many records"))).status == "FAILED"


FULL_DISK = """
import json
from bee_bus.documents.sat import Errored
from bee_sat.book import Book, BookFull
from bee_sat.records import RunEnded
from bee_sat.shelf import Shelf
from lab.sat_runs import recorded_run, at

book = Book.create(DISK, "20261122T143259_001")
run = recorded_run()
appended = refused = 0
try:
    for name, content in run.looks.items():
        with book.open_artifact(name) as file:
            file.write(content)
    book.append(run.records[0], sync=True)
    appended += 1
    with book.open_artifact("flood.txt") as file, open(DISK / "other", "wb", buffering=0) as other:
        try:
            while file.write(b"x" * 4096) and file.flush() is None:
                pass
        except OSError as error:
            flood = error.strerror
        try:
            while other.write(b"x" * 64):
                pass
        except OSError:
            pass
except OSError:
    pass
error = ""
for record in run.records[1:-1] * 20:
    try:
        book.append(record, sync=True)
        appended += 1
    except BookFull as full:
        refused += 1
        error = str(full)
try:
    Book.create(DISK, "20261122T143259_002")
except BookFull as full:
    second = str(full)
result = book.finish(RunEnded(at=at(700), outcome=Errored(reason=error)))
shelf = Shelf(DISK)
print(json.dumps({
    "flood": flood, "error": error, "second": second, "refused": refused, "appended": appended,
    "status": result.status, "reason": result.reason,
    "listed": [(one.run, one.status) for one in shelf.runs()], "unfinished": shelf.unfinished(),
    "same": shelf.result(book.run) == shelf.recompute(book.run),
    "summary": (book.folder / "summary.txt").read_text(),
    "records": len((book.folder / "records.jsonl").read_bytes().splitlines()),
    "folders": sorted(one.name for one in DISK.iterdir()),
}))
"""


def test_on_a_full_disk_the_run_fails_with_that_reason_and_all_that_it_had(tmp_path: Path) -> None:
    said = json.loads(on_small_disk(tmp_path, FULL_DISK, size_bytes=3 << 20))
    assert said["flood"] == "No space left on device"
    assert "no space is left on the disk" in said["error"] and said["refused"] > 0
    assert "no space is left on the disk" in said["second"]
    assert (said["status"], said["unfinished"]) == ("FAILED", [])
    assert "no space is left" in said["reason"] and said["same"]
    assert said["listed"] == [[RUN, "FAILED"]]
    assert "overall_status=FAILED" in said["summary"]
    # One that was appended before the disk said no, and all that it then took from the reserve.
    assert said["records"] >= said["appended"] + 1
    assert not [name for name in said["folders"] if name.startswith(".new-")]


def test_a_disk_that_gives_an_error_does_so_until_somebody_has_dealt_with_it() -> None:
    writer = Writer(os.open("/dev/full", os.O_WRONLY), lambda: None, "r")
    writer.append(b"one\n")
    for _ in range(2):
        with pytest.raises(BookFull, match="no space is left"):
            writer.sync()
    writer.retry()
    with pytest.raises(BookFull):
        writer.sync()
    writer.close()


def test_an_error_of_any_other_kind_is_named(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = Writer(writing, lambda: None, "r")
    writer.append(b"one\n")
    with pytest.raises(BookError, match="run r cannot be recorded: Broken pipe"):
        writer.sync()
    with pytest.raises(BookError, match="Broken pipe"):
        writer.append(b"two\n")
    writer.close()


def test_a_disk_that_hangs_hangs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SYNC_DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr(writers, "PENDING_LIMIT_BYTES", 1000)
    reading, writing = os.pipe()
    writer = Writer(writing, lambda: None, "r")
    writer.append(b"x" * (1 << 20))  # more than the pipe holds: nobody reads
    started = time.monotonic()
    with pytest.raises(BookError, match="takes no records"):
        writer.append(b"y")
    writer.retry()
    with pytest.raises(BookError, match=r"within 0\.3 s"):
        writer.sync()
    writer.close()
    assert time.monotonic() - started < 2
    os.close(reading)


def test_a_line_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Cut short by the limit on the size of files, as a full disk cuts a write short."""
    program = f"""
import os, resource, signal
from bee_sat.writer import BookError, Writer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
lines = os.open({str(tmp_path / "lines")!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
writer = Writer(lines, lambda: None, "r")
writer.append(b"a" * 59 + b"\\n")
writer.append(b"b" * 59 + b"\\n")
try:
    writer.sync()
except BookError as error:
    print(error)
print(os.path.getsize({str(tmp_path / "lines")!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
writer.retry()
writer.sync()
writer.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["run r cannot be recorded: File too large", "60"]
    assert (tmp_path / "lines").read_bytes() == b"a" * 59 + b"\n" + b"b" * 59 + b"\n"


# Ends that nobody chose

APPEND_FOR_EVER = """
import sys
from pathlib import Path
from bee_sat.book import Book
from lab.sat_runs import finding, recorded_run, at
from bee_sat.records import Found
book = Book.create(Path(sys.argv[1]), sys.argv[2])
run = recorded_run()
for name, content in run.looks.items():
    with book.open_artifact(name) as file:
        file.write(content)
for record in run.records[:5]:
    book.append(record)
count = 0
while True:
    book.append(Found(at=at(9), step="step-1", finding=finding("Warning", message=f"number {count}")))
    count += 1
    if count % 50 == 0:
        book.sync()
        print(count, flush=True)
"""


def killed_while_it_appends(directory: Path, run: str) -> int:
    """How many records a program has synced that was killed with no word of warning."""
    program = [sys.executable, "-c", APPEND_FOR_EVER, str(directory), run]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=WITH_LAB) as child:
        assert child.stdout is not None
        synced = [int(child.stdout.readline()) for _ in range(3)][-1]
        child.send_signal(signal.SIGKILL)
        return max([synced, *(int(line) for line in child.stdout.read().split())])


def test_a_run_that_is_killed_is_found_as_interrupted_with_all_that_it_had(tmp_path: Path) -> None:
    synced = killed_while_it_appends(tmp_path, RUN)
    shelf = Shelf(tmp_path)
    assert [(one.status, one.pack) for one in shelf.runs()] == [("INTERRUPTED", "memory")]
    assert shelf.unfinished() == [RUN]
    assert shelf.recover() == [RUN]
    records = read_evidence(tmp_path / RUN).records
    found = [one for one in records if isinstance(one, Found)]
    assert len(found) >= synced
    assert [one.finding.message for one in found] == [f"number {index}" for index in range(len(found))]
    (listed,) = shelf.runs()
    assert listed.status == "INTERRUPTED" and listed.archive is not None
    assert "overall_status=INTERRUPTED" in (tmp_path / RUN / "summary.txt").read_text()
    assert shelf.unfinished() == []


@pytest.mark.parametrize("cut", [0, 1, 500])
def test_a_line_that_was_torn_by_the_end_stays_and_hides_nothing(tmp_path: Path, cut: int) -> None:
    run = recorded_run(ended=None)
    folder = run.write(tmp_path / RUN)
    (folder / "records.jsonl").write_bytes(run.lines[: len(run.lines) - cut])
    book = Book.reopen(folder)
    result = book.finish(RunEnded(at=at(700), outcome=PASSED))
    content = (folder / "records.jsonl").read_bytes()
    assert content.startswith(run.lines[: len(run.lines) - cut])
    whole = cut <= 1  # of the second only the end of the line is missing
    assert read_evidence(folder).damaged_lines == (0 if whole else 1)
    assert (result.status == "OK") == whole


def test_bytes_that_are_no_text_do_not_keep_a_record_from_being_kept(book: Book) -> None:
    name = os.fsdecode(b"\xff\xfe.log")
    book.append(Found(at=at(1), step="", finding=finding("Critical", message=f"{name} is broken")), sync=True)
    (record,) = read_evidence(book.folder).records
    assert isinstance(record, Found) and record.finding.message == "??.log is broken"


def test_a_finding_survives_the_way_to_the_disk_and_back(book: Book) -> None:
    hostile = finding("Critical", message='<b>"\u2028\n\x00\x1b[31m\ud7ff🜁', where="\\", value=1e308)
    book.append(Found(at=at(1), step="", finding=hostile), sync=True)
    (record,) = read_evidence(book.folder).records
    assert isinstance(record, Found) and record.finding == hostile
