"""What forms are made of: lines to switch on and off, a choice of one, text to fill in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import urwid

from bee_tui.widgets import Pressable


class Toggle(Pressable):
    """``[x] words``: on or off."""

    def __init__(self, words: str, *, on: bool, changed: Callable[[], None] = lambda: None) -> None:
        self.on = on
        self._said = words
        self._changed = changed
        super().__init__("", self._turn)
        self._show()

    def relabel(self, words: str) -> None:
        self._said = words
        self._show()

    def _turn(self) -> None:
        self.on = not self.on
        self._show()
        self._changed()

    def _show(self) -> None:
        self.set_text(f"[{'x' if self.on else ' '}] {self._said}")


class Choice(urwid.WidgetWrap[urwid.Widget]):
    """``(•) one  ( ) other``, in a row: exactly one of them is chosen. ``choices``: value and words."""

    def __init__(self, choices: Sequence[tuple[str, str]], chosen: str) -> None:
        self.value = chosen
        self._choices = choices
        self._lines = [Pressable("", partial(self._choose, value)) for value, _ in choices]
        self._show()
        self._columns = urwid.Columns(
            [(len(words) + 4, line) for line, (_, words) in zip(self._lines, choices, strict=True)],
            dividechars=2,
            focus_column=[value for value, _ in choices].index(chosen),
        )
        super().__init__(self._columns)

    def keypress(self, size: tuple[int], key: str) -> str | None:
        """Nobody leaves the form by going to the left in it."""
        left = super().keypress(size, key)
        return None if left in ("left", "right") else left

    def _choose(self, value: str) -> None:
        self.value = value
        self._show()

    def _show(self) -> None:
        for line, (value, words) in zip(self._lines, self._choices, strict=True):
            line.set_text(f"({'•' if value == self.value else ' '}) {words}")


class Field(urwid.WidgetWrap[urwid.Widget]):
    """A line to type in."""

    def __init__(self, text: str = "", *, limit: int = 200) -> None:
        self._edit = urwid.Edit("", text, wrap="clip")
        self._limit = limit
        super().__init__(urwid.AttrMap(self._edit, "field", "field focus"))

    @property
    def text(self) -> str:
        return str(self._edit.edit_text).strip()

    def keypress(self, size: tuple[int], key: str) -> str | None:
        """What moves in a text or deletes in it never leaves the form; Enter goes on to the next line."""
        if key == "enter":
            return "down"
        if len(key) == 1 and len(self._edit.edit_text) >= self._limit:
            return None
        left = super().keypress(size, key)
        return None if left in ("left", "right", "backspace", "delete", "home", "end") else left
