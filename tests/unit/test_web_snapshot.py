"""The audit's file as the web reads it: on each request, parsed only when it has changed, never trusted."""

import os
from pathlib import Path

import pytest

from bee_bus.documents.base import to_readable_json
from bee_web import snapshot as module
from bee_web.snapshot import SnapshotFile
from lab.snapshots import SPARE_LOW, snapshot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bee-audit.json"


def test_it_is_parsed_once_and_again_when_it_has_changed(path: Path) -> None:
    path.write_text(to_readable_json(snapshot()))
    file = SnapshotFile(path)
    first = file.read()
    assert first.snapshot is not None
    assert first.inventory is not None
    assert (first.trouble, first.snapshot.host_name, first.inventory.host_name) == ("", "gpu07", "gpu07")
    assert file.read() is first
    path.write_text(to_readable_json(snapshot(SPARE_LOW)))
    second = file.read()
    assert second.snapshot is not None
    assert second.snapshot.hardware.summary.verdict == "Critical"


def test_a_change_that_keeps_size_and_time_is_one_all_the_same(path: Path) -> None:
    text = to_readable_json(snapshot())
    path.write_text(text)
    file = SnapshotFile(path)
    before = os.stat(path)
    assert file.read().snapshot is not None
    path.write_text(text.replace("gpu07", "gpu08"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    seen = file.read()
    assert seen.snapshot is not None
    assert seen.snapshot.host_name == "gpu08"


def test_a_file_that_goes_is_not_remembered(path: Path) -> None:
    path.write_text(to_readable_json(snapshot()))
    file = SnapshotFile(path)
    assert file.read().snapshot is not None
    path.unlink()
    assert file.read() == (None, None, None, "this machine has not been audited", False)


def test_a_file_that_is_half_written_is_damaged_until_it_is_whole(path: Path) -> None:
    text = to_readable_json(snapshot())
    file = SnapshotFile(path)
    for part in (text[: len(text) // 2], text[:-2], ""):
        path.write_text(part)
        seen = file.read()
        assert (seen.text, seen.snapshot) == (None, None)
        assert "damaged" in seen.trouble
    path.write_text(text)
    assert file.read().snapshot is not None


@pytest.mark.parametrize(
    "text",
    ['{"schema_version": "2.0"}', '{"schema_version": "0.9", "hardware": {}}', '{"schema_version": ""}'],
)
def test_a_snapshot_of_another_version_is_given_but_not_believed(path: Path, text: str) -> None:
    path.write_text(text)
    seen = SnapshotFile(path).read()
    assert (seen.text, seen.snapshot) == (text.encode(), None)
    assert "another version" in seen.trouble


def test_what_a_later_bee_has_added_does_no_harm(path: Path) -> None:
    text = to_readable_json(snapshot()).replace(
        '"schema_version": "1.0"', '"schema_version": "1.9", "new": 1'
    )
    path.write_text(text)
    assert SnapshotFile(path).read().snapshot is not None


@pytest.mark.parametrize("text", ["[]", "1", "null", '"1.0"', '{"schema_version": 1}', "[" * 200_000])
def test_other_json_is_no_snapshot(path: Path, text: str) -> None:
    path.write_text(text)
    seen = SnapshotFile(path).read()
    assert seen.snapshot is None
    assert "damaged" in seen.trouble


def test_a_file_that_is_too_large_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 1000)
    path.write_text(to_readable_json(snapshot()))
    assert "larger" in SnapshotFile(path).read().trouble


def test_a_pipe_or_a_folder_in_its_place_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path)
    assert SnapshotFile(path).read().trouble
    path.unlink()
    path.mkdir()
    assert SnapshotFile(path).read().trouble


def test_a_snapshot_of_before_the_machine_was_started_says_so(path: Path) -> None:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    for told, earlier in ((boot_id, False), ("another", True), ("", False)):
        path.write_text(to_readable_json(snapshot(boot_id=told)))
        seen = SnapshotFile(path).read()
        assert (seen.earlier_boot, seen.verdict) == (earlier, "Unknown" if earlier else "OK")
