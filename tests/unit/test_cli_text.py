"""Hardware strings are hostile input: what reaches a terminal is only what can be seen."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bee_cli.text import ascii_json, clean, clean_lines, safe_json

# What a FRU or a disk could hold to fool the reader or the terminal.
HOSTILE = {
    "clear the screen": "\x1b[2J\x1b[H",
    "retitle the window": "\x1b]0;owned\x07",
    "an 8-bit control sequence": "\x9b31m",
    "forge a line": "S123\nVERDICT OK",
    "go back and overwrite": "FAILED\rOK    ",
    "erase by backspace": "BAD\b\b\bOK ",
    "delete": "a\x7fb",
    "turn the reading order": "\u202e\u2066KO\u2069",
    "hide between": "S\u200b1\ufeff2",
    "line separator": "a\u2028b\u2029c",
    "lone surrogate": "a\udc80b",
    "stacked marks": "Z" + "\u0335" * 50,
    "NUL": "a\0b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_becomes_visible(text: str) -> None:
    shown = clean(text)

    assert shown.isprintable()
    assert shown != text


def test_what_cannot_be_seen_appears_as_its_escape() -> None:
    assert clean("\x1b[31mred") == "\\x1b[31mred"
    assert clean("a\u202eb") == "a\\u202eb"


def test_ordinary_names_stay_as_they_are() -> None:
    for name in (
        "Samsung MZQL23T8HCLS-00A07",
        "Überprüft",
        "三星 SSD",
        "25 °C ± 2",
        "[bold]not markup[/bold]",
    ):
        assert clean(name) == name


def test_an_accent_in_two_characters_is_one_name_not_an_attack() -> None:
    assert clean("Ku\u0308hler") == "Kühler"


def test_a_text_without_end_is_cut() -> None:
    assert len(clean("x" * 1_000_000)) == 300
    assert clean("x" * 40, limit=10) == "xxxxxxx..."


@given(st.text())
def test_nothing_shown_is_ever_a_control(text: str) -> None:
    assert all(char.isprintable() for char in clean(text))


def test_messages_keep_their_lines() -> None:
    assert clean_lines("first\nsec\x1b[1mond\n") == "first\nsec\\x1b[1mond"


@given(st.dictionaries(st.text(), st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_json_made_safe_says_the_same_to_a_parser(document: dict[str, str]) -> None:
    plain = json.dumps(document, ensure_ascii=False, indent=2)

    for safe in (safe_json(plain), ascii_json(plain)):
        assert json.loads(safe) == json.loads(plain)
        assert all(char == "\n" or char.isprintable() or unicodedata.category(char) == "Zs" for char in safe)
    assert ascii_json(plain).isascii()


def test_json_keeps_what_people_read() -> None:
    assert safe_json('{"limit": "70 °C"}') == '{"limit": "70 °C"}'
    assert safe_json('{"serial": "\x9b31m\x7f"}') == '{"serial": "\\u009b31m\\u007f"}'
