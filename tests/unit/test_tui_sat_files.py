"""Files of a run on the screen: bounded, clean, and copied whole or not at all."""

import io
import tarfile
from pathlib import Path
from typing import cast

import pytest

from bee_tui.app import App
from bee_tui.model import Trouble
from bee_tui.models import sat_files
from bee_tui.models.sat_files import PART_BYTES, sorted_names, text_lines
from bee_tui.views.pager import Pager
from bee_tui.views.sat_files import size_words, text_markup
from lab.tui_views import shown


def opened(path: Path, content: bytes) -> io.BufferedReader:
    path.write_bytes(content)
    return path.open("rb")


def test_a_text_is_shown_line_by_line_without_what_a_terminal_would_obey() -> None:
    raw = b"\x1b[1;31mred\x1b[0m\n50%\r100%\r\n\tcolumn\x1b]0;title\x07\n\xff\xfe"
    assert text_lines(raw) == ("red", "100%", "        column\\x1b]0;title\\x07", "\ufffd\ufffd")


def test_a_short_file_is_whole(tmp_path: Path) -> None:
    with opened(tmp_path / "out", b"one\n\ntwo\n") as file:
        text = sat_files._read("out", file)
    assert (text.head, text.tail, text.left_out_bytes) == (("one", "", "two"), (), 0)


def test_of_a_long_file_the_begin_and_the_end_are_shown_and_what_is_missing_is_said(tmp_path: Path) -> None:
    content = b"first\n" + b"x" * 99 + b"\n" + b"middle of it all\n" * 100_000 + b"last\n"
    with opened(tmp_path / "out", content) as file:
        text = sat_files._read("out", file)
    assert text.head[0] == "first" and text.tail[-1] == "last"
    assert text.left_out_bytes == len(content) - 2 * PART_BYTES
    lines = text_markup(text)
    assert any("are left out here" in line[1] for line in lines if isinstance(line, tuple))
    assert sum(len(line) for line in lines) < 2.2 * PART_BYTES


@pytest.mark.parametrize("size", [PART_BYTES, 2 * PART_BYTES, 2 * PART_BYTES + 1])
def test_at_the_limits_nothing_is_shown_twice_or_lost(tmp_path: Path, size: int) -> None:
    with opened(tmp_path / "out", b"a" * (size - 1) + b"\n") as file:
        text = sat_files._read("out", file)
    assert text.left_out_bytes == max(0, size - 2 * PART_BYTES)


def test_what_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "log.gz", b"\x1f\x8b\x08\x00") as file,
        pytest.raises(Trouble, match=r"log\.gz is no text"),
    ):
        sat_files._read("log.gz", file)


def test_an_archive_is_saved_whole(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("summary.txt"))
    with opened(tmp_path / "source", packed.getvalue()) as file:
        path = sat_files._save(file, tmp_path / "bee-sat-1.tar.gz")
    assert path.read_bytes() == packed.getvalue()
    assert path.stat().st_mode & 0o077 == 0, "it is for who saved it"


@pytest.mark.parametrize("why", ["nothing came", "it is there", "no folder"])
def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path: Path, why: str) -> None:
    folder = tmp_path / "target"
    folder.mkdir()
    target = folder / "bee-sat-1.tar.gz"
    if why == "it is there":
        target.write_text("mine")
    if why == "no folder":
        target = folder / "gone" / "bee-sat-1.tar.gz"
    content = b"" if why == "nothing came" else b"archive"
    with opened(tmp_path / "source", content) as file, pytest.raises(Trouble):
        sat_files._save(file, target)
    assert [path.name for path in folder.iterdir()] == (["bee-sat-1.tar.gz"] if why == "it is there" else [])
    assert why != "it is there" or target.read_text() == "mine"


def test_what_people_read_first_comes_first() -> None:
    assert sorted_names(["archive", "cpu.txt", "result.json", "summary.txt"]) == (
        "result.json",
        "summary.txt",
        "cpu.txt",
    )


def test_sizes_are_in_words() -> None:
    assert [size_words(size) for size in (0, 1023, 1536, 5 << 20, 3 << 30)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]


def test_a_long_text_is_paged_and_its_end_is_one_key_away() -> None:
    pager = Pager(cast(App, None), "out.txt", [f"line {number}" for number in range(50_000)])
    body = pager.body()
    assert shown(body, 80, 20).startswith("line 0 ")
    end, begin = pager.keys()
    end.act()
    assert "line 49999" in shown(body, 80, 20)
    begin.act()
    assert shown(body, 80, 20).startswith("line 0 ")


def test_an_empty_file_says_so() -> None:
    assert "It is empty." in shown(Pager(cast(App, None), "out.txt", []).body(), 80, 5)
