"""A text to be read: the output of a step, a file of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import urwid

from bee_tui.screen import Key, Screen
from bee_tui.widgets import Markup

if TYPE_CHECKING:
    from bee_tui.app import App


class Lines(urwid.ListWalker):
    """Lines whose widgets are made when they are seen: a long text costs nothing."""

    def __init__(self, lines: Sequence[Markup]) -> None:
        self.lines = lines
        self.focus = 0

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, position: int) -> urwid.Widget:
        return urwid.Text(self.lines[position] or " ", wrap="any")

    def positions(self, reverse: bool = False) -> Iterable[int]:
        return range(len(self.lines) - 1, -1, -1) if reverse else range(len(self.lines))

    def next_position(self, position: int) -> int:
        if position + 1 >= len(self.lines):
            raise IndexError(position)
        return position + 1

    def prev_position(self, position: int) -> int:
        if position < 1:
            raise IndexError(position)
        return position - 1

    def set_focus(self, position: int) -> None:
        self.focus = position
        self._modified()


class Pager(Screen):
    """``lines`` are clean. What was left out is told where it is missing."""

    def __init__(self, app: App, title: str, lines: Sequence[Markup]) -> None:
        super().__init__(app)
        self.title = title
        self._list = urwid.ListBox(Lines(lines or [("quiet", "It is empty.")]))

    def body(self) -> urwid.Widget:
        return urwid.ScrollBar(
            self._list,
            thumb_char=urwid.ScrollBar.Symbols.FULL_BLOCK,
            trough_char=urwid.ScrollBar.Symbols.LITE_SHADE,
        )

    def keys(self) -> Sequence[Key]:
        return (Key(("end", "G"), "end", self._to_end), Key(("home", "g"), "begin", self._to_begin))

    def refresh(self) -> None:
        pass  # it is what was read

    def _to_end(self) -> None:
        self._list.set_focus(len(self._list.body) - 1, coming_from="below")

    def _to_begin(self) -> None:
        self._list.set_focus(0, coming_from="above")
