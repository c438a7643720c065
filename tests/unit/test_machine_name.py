"""The name that a machine of the live system gets: from its label, or none of its own."""

import re
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "iso/overlay/usr/local/lib/bee-live/machine-name"


def name_of(folder: Path, **serials: str) -> str:
    for kind, serial in serials.items():
        (folder / f"{kind}_serial").write_text(f"{serial}\n")
    ended = subprocess.run([PROGRAM, folder], check=True, capture_output=True, text=True)
    assert ended.stderr == ""
    return ended.stdout.rstrip("\n")


@pytest.mark.parametrize(
    ("serial", "name"),
    [
        ("AP24K00317", "bee-ap24k00317"),
        ("S/N: 7CE 402_P1", "bee-s-n-7ce-402-p1"),
        ("CZ2D1X0GS9  ", "bee-cz2d1x0gs9"),
        ("..CN747510000001..", "bee-cn747510000001"),
        ("A" * 40 + "B" * 40, "bee-" + "a" * 40 + "b" * 18),
    ],
)
def test_the_serial_number_of_the_label_is_the_name(tmp_path: Path, serial: str, name: str) -> None:
    assert name_of(tmp_path, product=serial) == name
    # RFC 1123: a label of letters, digits and hyphens.
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)


@pytest.mark.parametrize(
    "nobody_wrote_one",
    [
        "",
        " ",
        "To be filled by O.E.M.",
        "Default string",
        "System Serial Number",
        "Not Specified",
        "Not Applicable",
        "None",
        "Unknown",
        "N/A",
        "0123456789",
        "123456789",
        "00000000",
        "XXXXXXXXXX",
        "...",
        "-",
    ],
)
def test_words_for_no_number_are_none(tmp_path: Path, nobody_wrote_one: str) -> None:
    assert name_of(tmp_path, product=nobody_wrote_one) == "bee"
    assert name_of(tmp_path, product=nobody_wrote_one, board="UM23AS600123") == "bee-um23as600123"


def test_the_whole_machine_s_number_comes_before_the_board_s(tmp_path: Path) -> None:
    assert name_of(tmp_path, product="A1", board="B2", chassis="C3") == "bee-a1"


def test_a_machine_without_tables_has_a_name_too(tmp_path: Path) -> None:
    assert name_of(tmp_path / "absent") == "bee"


def test_a_hostile_serial_number_is_only_letters(tmp_path: Path) -> None:
    assert name_of(tmp_path, product="$(reboot); `id` ../../x") == "bee-reboot-id-x"
