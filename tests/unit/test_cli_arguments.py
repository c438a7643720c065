"""What can be typed, and what bee says to the rest: exit 3 and the words that are allowed."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bee_bus.errors import TABLE, AccessDenied, BeeError, InvalidOption, ServiceUnknown
from bee_cli import arguments, exits
from bee_cli.errors import CliError, explain
from bee_cli.main import main

ROOT = Path(__file__).resolve().parents[2]
EVERY_SECTION = [
    *("board", "cpus", "memory", "storage", "pcie", "network"),
    *("psus", "sensors", "bmc", "gpus", "firmware"),
]


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What bee says to words that it does not take."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == exits.ERROR
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


def test_no_command_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in _refused(capsys)


def test_an_unknown_command_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    said = _refused(capsys, "audti")

    assert all(name in said for name in ("audit", "capture", "status", "decode"))


def test_an_unknown_section_names_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    said = _refused(capsys, "audit", "--section", "disks")

    assert all(name in said for name in EVERY_SECTION)


@pytest.mark.parametrize("words", ["", "memory,", "memory,,cpus", "summary"])
def test_a_section_must_have_a_name_of_its_own(capsys: pytest.CaptureFixture[str], words: str) -> None:
    _refused(capsys, "audit", "--section", words)


def test_an_unknown_kind_of_file_names_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    said = _refused(capsys, "decode", "acpi", "file")

    assert all(name in said for name in arguments.DECODE_KINDS)


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--jsno"),
        ("audit", "--js"),  # no abbreviations: they would break when an option is added
        ("audit", "--json", "--qr"),
        ("audit", "--json", "--brief"),
        ("audit", "--replay"),
        ("audit", "--limit", "nvme_spare=20"),
        ("audit", "--limit", "storage.nvme_spare"),
        ("audit", "--limit", "storage.nvme spare=20"),
        ("capture", "file"),
        ("decode", "smbios"),
        ("status", "--section", "memory"),
    ],
)
def test_words_that_are_not_allowed(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert "usage: bee" in _refused(capsys, *words)


@pytest.mark.parametrize("words", [("--private", "audit"), ("audit", "--private")])
def test_private_may_stand_before_the_command_and_after(words: tuple[str, ...]) -> None:
    assert arguments.parse(words).private


def test_nothing_is_private_that_was_not_asked_to_be() -> None:
    for command in (["audit"], ["capture"], ["status"], ["decode", "fru", "file"]):
        assert not arguments.parse(command).private


def test_sections_come_once_each_in_the_order_of_the_snapshot() -> None:
    asked = arguments.parse(["audit", "--section", "storage", "--section", "memory, storage,board"])

    assert arguments.sections(asked.section) == ("board", "memory", "storage")
    assert arguments.sections(None) == ()


def test_limits_become_the_shape_of_a_site_s_file() -> None:
    asked = arguments.parse(["audit", "--limit", "storage.percentage_used = 90", "--limit", 'pcie.x="a\\b'])
    assert arguments.limits(asked.limit) == 'storage.percentage_used = 90\npcie.x = "\\"a\\\\b"\n'
    assert arguments.limits(None) == ""


def test_the_sections_are_those_of_the_snapshot() -> None:
    assert list(arguments.section_names()) == EVERY_SECTION


def test_the_manual_names_every_command_and_option() -> None:
    manual = (ROOT / "clients/man/bee.1").read_text("utf-8").replace("\\-", "-")
    parser = arguments.parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))

    for name, command in commands.choices.items():
        assert f".It Cm {name}" in manual
        for action in command._actions:
            for option in action.option_strings:
                if option not in ("-h", "--help"):
                    assert f"Fl {option[1:]}" in manual, f"bee {name} {option}"
    for name in (*EVERY_SECTION, *arguments.DECODE_KINDS):
        assert name in manual


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("OK", 0), ("Warning", 1), ("Critical", 2), ("Unknown", 3), ("", 3), ("ok", 3), ("Fine", 3)],
)
def test_the_exit_code_is_the_verdict_and_only_ok_is_zero(verdict: str, code: int) -> None:
    assert exits.of_verdict(verdict) == code


def test_every_error_of_the_bus_becomes_a_sentence_and_a_hint() -> None:
    for kind in TABLE.values():
        sentence, *hint = explain(kind("")).splitlines()
        assert sentence
        assert hint, kind


def test_errors_say_what_to_do() -> None:
    assert "group bee" in explain(AccessDenied("org.bee.audit.run"))
    assert "--private" in explain(
        ServiceUnknown("The name org.bee.Audit1 was not provided by any .service files")
    )
    assert "there is no section x" in explain(InvalidOption("there is no section x; known: board"))
    assert explain(CliError("no", "do this")) == "no\n     do this"


def test_a_hostile_error_message_is_made_safe() -> None:
    class Hostile(BeeError):
        name = "org.example.Hostile"

    assert "\x1b" not in explain(Hostile("\x1b[2Jgone"))


def test_a_fault_of_bee_itself_is_neither_a_traceback_nor_a_verdict(tmp_path: Path) -> None:
    """Python would exit with 1, which means Warning."""
    code = (
        "import bee_cli.arguments, bee_cli.main\n"
        "bee_cli.arguments.parse = lambda words: 1 / 0\n"
        "raise SystemExit(bee_cli.main.main(['status']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )

    assert ended.returncode == exits.ERROR
    assert "a fault in bee itself: ZeroDivisionError" in ended.stderr
    assert "Traceback" not in ended.stderr
    environment["BEE_TRACEBACK"] = "1"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == exits.ERROR
    assert "Traceback" in ended.stderr
