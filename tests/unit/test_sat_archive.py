"""A run as one archive: everything that is a plain file, nothing else, the same each time."""

import hashlib
import os
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import tracemalloc
from pathlib import Path

import pytest

from bee_sat import archive as archives
from bee_sat.archive import write_archive
from lab.sat_runs import RUN, recorded_run
from lab.small_disk import on_small_disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return recorded_run().write(tmp_path / RUN)


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_the_archive_holds_the_run_in_a_folder_of_its_name(folder: Path) -> None:
    archive = write_archive(folder)
    assert archive == folder.with_name(f"{RUN}.tar.gz")
    assert stat.S_IMODE(archive.stat().st_mode) == 0o640
    assert names(archive) == [
        f"{RUN}/look-after-audit.json",
        f"{RUN}/look-before-audit.json",
        f"{RUN}/records.jsonl",
    ]
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"{RUN}/records.jsonl")
        assert member is not None and member.read() == (folder / "records.jsonl").read_bytes()
    assert sorted(os.listdir(folder.parent)) == [RUN, archive.name]


def test_the_tar_of_every_system_reads_it(folder: Path, tmp_path: Path) -> None:
    archive = write_archive(folder)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xzf", archive, "-C", tmp_path / "out"], check=True)
    assert (tmp_path / "out" / RUN / "records.jsonl").read_bytes() == (folder / "records.jsonl").read_bytes()


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    first = hashlib.sha256(write_archive(folder).read_bytes()).digest()
    again = recorded_run().write(folder.parent / "other" / RUN)
    for file in sorted(again.iterdir(), reverse=True):
        when = (folder / file.name).stat()
        os.utime(file, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert hashlib.sha256(write_archive(again).read_bytes()).digest() == first


def test_links_devices_pipes_and_hidden_files_stay_outside(folder: Path) -> None:
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    (folder / "etc").symlink_to("/etc")
    os.mkfifo(folder / "pipe.txt")
    (folder / ".reserve").write_bytes(b"\0" * 4096)
    with socket.socket(socket.AF_UNIX) as door:
        os.chdir(folder)
        try:
            door.bind("door")
        finally:
            os.chdir("/")
        if os.geteuid() == 0:
            os.mknod(folder / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        assert len(names(write_archive(folder))) == 3


def test_folders_of_programs_are_packed_too_to_a_depth(folder: Path) -> None:
    (folder / "nvidia" / "logs").mkdir(parents=True)
    (folder / "nvidia" / "logs" / "gpu.log").write_text("x")
    deep = folder.joinpath(*["deep"] * 30)
    deep.mkdir(parents=True)
    (deep / "hidden treasure").write_text("x")
    packed = names(write_archive(folder))
    assert f"{RUN}/nvidia/logs/gpu.log" in packed
    assert not any("treasure" in name for name in packed)


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"a\nb", b"\x1b[31m", b"back\\slash", "ünï".encode(), b"x" * 255]
)
def test_names_of_any_bytes_are_packed_under_names_that_harm_nobody(folder: Path, name: bytes) -> None:
    (folder / os.fsdecode(name)).write_text("content")
    packed = names(write_archive(folder))
    assert len(packed) == 4
    for one in packed:
        assert one.startswith(f"{RUN}/") and one.isprintable() and "\\" not in one
        assert ".." not in one.split("/")


def test_a_file_that_grows_or_shrinks_meanwhile_spoils_nothing(folder: Path) -> None:
    """A program that does not know that it is over goes on writing."""
    noisy = folder / "noisy.txt"
    noisy.write_bytes(b"x" * 100_000)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            with noisy.open("ab") as file:
                file.write(b"y" * 1000)
            os.truncate(noisy, 50_000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert len(names(write_archive(folder))) == 4
    finally:
        over.set()
        writer.join()


def test_a_gigabyte_of_output_does_not_pass_through_memory(folder: Path) -> None:
    with (folder / "big.txt").open("wb") as file:
        file.truncate(256 << 20)
    tracemalloc.start()
    write_archive(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_more_files_than_anyone_wants_are_left_out_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 2)
    assert len(names(write_archive(folder))) == 2
    assert "the rest is not packed" in caplog.text


def test_packing_stands_back_and_the_program_itself_does_not(folder: Path) -> None:
    """Linux keeps a niceness for each thread."""
    program = f"""
import os, threading
from pathlib import Path
from bee_sat import archive
seen = []
real = archive._pack
archive._pack = lambda folder, file: (seen.append(os.getpriority(os.PRIO_PROCESS, 0)), real(folder, file))
before = os.getpriority(os.PRIO_PROCESS, 0)
archive.write_archive(Path({str(folder)!r}))
print(seen[0] - before >= 0, seen[0] >= 10, os.getpriority(os.PRIO_PROCESS, 0) == before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]


NO_ROOM = """
import os
from bee_sat.archive import write_archive
folder = DISK / "20261122T143259_001"
folder.mkdir()
(folder / "noise").write_bytes(os.urandom(700_000))
archive = DISK / "20261122T143259_001.tar.gz"
archive.write_bytes(b"the one before")
try:
    write_archive(folder)
except OSError as error:
    print(error.strerror, sorted(os.listdir(DISK)), archive.read_bytes())
"""


def test_without_room_there_is_no_half_an_archive(tmp_path: Path) -> None:
    said = on_small_disk(tmp_path, NO_ROOM, size_bytes=1 << 20)
    assert said.strip() == f"No space left on device ['{RUN}', '{RUN}.tar.gz'] b'the one before'"
