"""The line at the bottom: what the keys do, each of them to be reached by arrows and Enter, or clicked."""

from __future__ import annotations

from collections.abc import Sequence

import urwid

from bee_tui.screen import Key
from bee_tui.widgets import Pressable


class KeyBar(urwid.WidgetWrap[urwid.Widget]):
    """Changes only when the keys do, so that whoever is on one of them stays there."""

    def __init__(self) -> None:
        self._keys: tuple[tuple[str, str], ...] = ()
        self._columns = urwid.Columns([urwid.Text("")])
        super().__init__(urwid.AttrMap(self._columns, "footer"))

    def show(self, keys: Sequence[Key]) -> None:
        """These keys from now on, and what they do."""
        labels = tuple((shown_key(key.names[0]), key.words) for key in keys)
        if labels != self._keys:
            self._keys = labels
            items = [
                (
                    "pack",
                    Pressable(
                        [("footer key", f" {name} "), ("footer", f"{words} ")], key.act, style="footer"
                    ),
                )
                for (name, words), key in zip(labels, keys, strict=True)
            ]
            self._columns.contents = [
                (widget, self._columns.options(sizing))
                for sizing, widget in [*items, ("weight", urwid.Text(""))]
            ]
        for (widget, _), key in zip(self._columns.contents, keys, strict=False):
            widget.act = key.act

    def selectable(self) -> bool:
        return True  # urwid asks once, when there are no keys yet


def shown_key(name: str) -> str:
    """A key as it stands on the keyboard: "esc" → "Esc", "f5" → "F5"."""
    return _SHOWN.get(name) or (name if len(name) == 1 else name.title())


_SHOWN = {"page up": "PgUp", "page down": "PgDn", " ": "Space"}
