"""What screens are made of: things to press, lists, dialogs, and a screen that is too small."""

import os
import pty
import termios

import pytest
import urwid

from bee_bus.words import ago, lasting
from bee_tui.dialogs import Popup, Question, Words
from bee_tui.display import Display, plain
from bee_tui.keybar import KeyBar, shown_key
from bee_tui.screen import Key
from bee_tui.widgets import Button, Markup, Pressable, Roomy, Scroll, button_row, find, solid
from lab.tui_views import shown

SIZES = [(columns, rows) for columns in (1, 3, 10, 20, 80, 200) for rows in (1, 2, 3, 4, 8, 24, 60)]


def test_enter_the_space_bar_and_a_click_press() -> None:
    pressed: list[str] = []
    line = Pressable("Go", lambda: pressed.append("go"))
    assert line.keypress((20,), "enter") is None
    assert line.keypress((20,), " ") is None
    assert line.mouse_event((20,), "mouse press", 1, 0, 0, True)
    assert line.keypress((20,), "x") == "x"
    assert not line.mouse_event((20,), "mouse press", 3, 0, 0, True)
    assert pressed == ["go"] * 3


def test_a_text_beside_a_label_is_wrapped_beside_it() -> None:
    line = Pressable("one two three", lambda: None, label="Label", label_columns=8)
    assert [row.decode().rstrip() for row in line.render((14,)).text] == [
        "Label   one",
        "        two",
        "        three",
    ]
    assert line.words == "Label one two three"


@pytest.mark.parametrize(
    ("markup", "wanted"),
    [
        ([("a", "x"), "", ("b", "y")], [("a", "x"), ("b", "y")]),
        ([("a", ""), "y"], ["y"]),
        (("a", ["", ("b", "")]), ""),
        ("", ""),
    ],
)
def test_empty_parts_of_a_line_hide_nothing(markup: Markup, wanted: Markup) -> None:
    assert solid(markup) == wanted


def test_finding_something_to_press_is_exact() -> None:
    row = button_row(Button("Start", lambda: None), Button("Stop", lambda: None))
    assert find(row, "Stop").words == "Stop"
    with pytest.raises(LookupError, match="2 things to press say 'St'"):
        find(row, "St")
    with pytest.raises(LookupError, match="0 things"):
        find(row, "Other")


@pytest.mark.parametrize("size", SIZES)
def test_lists_and_dialogs_fit_every_screen(size: tuple[int, int]) -> None:
    lines = Scroll([Pressable(f"line {number} " * 5, lambda: None) for number in range(40)])
    lines.render(size, focus=True)
    for dialog in (
        Words("Title", "words " * 300, on_close=lambda: None),
        Question("Sure?", yes="Yes", no="No", on_answer=lambda _: None),
    ):
        Popup(dialog, lines).render(size, focus=True)


def test_a_list_keeps_its_place_when_it_is_made_anew() -> None:
    scroll = Scroll([Pressable(f"line {number}", lambda: None) for number in range(9)])
    scroll.walker.set_focus(5)
    scroll.replace([Pressable(f"other {number}", lambda: None) for number in range(9)])
    assert scroll.walker.focus == 5
    scroll.replace([Pressable("only", lambda: None)])
    assert scroll.walker.focus == 0
    scroll.replace([])


def test_a_long_explanation_scrolls_and_keeps_its_button() -> None:
    closed: list[bool] = []
    words = Words(
        "Title", "\n".join(f"line {number}" for number in range(60)), on_close=lambda: closed.append(True)
    )
    popup = Popup(words, urwid.SolidFill("."))
    assert "line 0" in shown(popup)
    assert "[ Close ]" in shown(popup)
    for _ in range(60):
        popup.keypress((80, 24), "page down")
    assert "line 59" in shown(popup)
    assert "[ Close ]" in shown(popup)
    popup.keypress((80, 24), "enter")
    assert closed == [True]


@pytest.mark.parametrize(
    ("keys", "answer"),
    [(["enter"], False), (["esc"], False), (["right", "enter"], True), (["tab", "enter"], True)],
)
def test_a_question_is_no_until_yes_is_chosen(keys: list[str], answer: bool) -> None:
    answers: list[bool] = []
    question = Question("Abort the run?", yes="Abort", no="Leave it", on_answer=answers.append)
    popup = Popup(question, urwid.SolidFill("."))
    for key in keys:
        popup.keypress((80, 24), key)
    assert answers == [answer]


def test_nothing_that_is_typed_at_a_question_goes_past_it() -> None:
    popup = Popup(Question("Sure?", yes="Yes", no="No", on_answer=lambda _: None), urwid.SolidFill("."))
    assert [popup.keypress((80, 24), key) for key in ("x", "left", "a", "f5", "up")] == [None] * 5
    assert popup.keypress((80, 24), "ctrl c") == "ctrl c", "but the wish to leave does"


def test_a_screen_without_room_says_so() -> None:
    roomy = Roomy(urwid.SolidFill("x"), columns=20, rows=7)
    assert "too small" in shown(roomy, 24, 6)
    assert "x" * 20 in shown(roomy, 20, 7)


def test_keys_that_do_something_else_now_are_shown_and_pressed_anew() -> None:
    pressed: list[str] = []
    bar = KeyBar()
    bar.show([Key(("f5", "a"), "audit", lambda: pressed.append("first"))])
    bar.show([Key(("f5", "a"), "audit", lambda: pressed.append("second"))])
    find(bar, "audit").press()
    bar.show([Key(("esc",), "back", lambda: None), Key(("page up",), "more", lambda: pressed.append("more"))])
    find(bar, "more").press()
    assert pressed == ["second", "more"]
    assert bar.render((80,)).text[0].decode().rstrip() == " Esc back  PgUp more"
    assert shown_key("x") == "x"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("╭─┬─╮│╰┴╯", "+-+-+|+++"),
        ("45 °C × 2 … µs ▶ █░", "45  C x 2 . us > #:"),
        ("日本é", "?????"),
        ("plain", "plain"),
    ],
)
def test_without_utf8_there_is_ascii_of_the_same_width(text: str, wanted: str) -> None:
    assert plain(text) == wanted
    assert len(plain(text)) == urwid.calc_width(text, 0, len(text))


def test_a_serial_line_without_a_size_is_taken_for_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = pty.openpty()
    with open(here, "r+b", buffering=0) as terminal:
        display = Display(lambda: None)
        monkeypatch.setattr(display, "_term_output_file", terminal)
        assert display.get_cols_rows() == (80, 24)
        termios.tcsetwinsize(here, (50, 132))
        assert display.get_cols_rows() == (132, 50)
    os.close(there)


def test_a_terminal_that_hung_up_is_told_once_and_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = pty.openpty()
    told: list[bool] = []
    display = Display(lambda: told.append(True))
    monkeypatch.setattr(display, "_input_fileno", lambda: here)
    monkeypatch.setattr(display, "_wait_for_input_ready", lambda _timeout: [here])
    os.close(there)
    assert display._read_raw_input(0) == b""
    assert told == [True]
    os.close(here)


def test_times_in_words() -> None:
    assert [ago(each) for each in (5, 60, 7200, 90000, -5)] == [
        "5 s ago",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
        "in the future: check the clock",
    ]
    assert [lasting(each) for each in (4.9, 125, 3725)] == ["4 s", "2:05", "1:02:05"]


def test_enter_works_at_once_below_a_heading_and_long_text_is_read_from_its_beginning() -> None:
    pressed: list[str] = []
    scroll = Scroll()
    scroll.replace([urwid.Text("looking")])
    scroll.replace([urwid.Text("Start a test"), Pressable("Memory", lambda: pressed.append("memory"))])
    scroll.keypress((40, 10), "enter")
    assert pressed == ["memory"]
    scroll = Scroll()
    scroll.replace([*(urwid.Text(f"line {number}") for number in range(30)), Pressable("more", lambda: None)])
    assert scroll.walker.focus == 0
