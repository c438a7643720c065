"""The files of a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_tui.screen import Screen
from bee_tui.views.pager import Pager
from bee_tui.widgets import Markup, Pressable, Scroll

if TYPE_CHECKING:
    from bee_tui.app import App
    from bee_tui.models.sat_files import Text
    from bee_tui.models.sat_run import RunModel


class Files(Screen):
    """All files of a run, to be read here."""

    title = "Files"

    def __init__(self, app: App, model: RunModel, names: Sequence[str]) -> None:
        super().__init__(app)
        self._model = model
        self._names = names

    def body(self) -> urwid.Widget:
        lines = [
            Pressable(f" {clean(name)}", partial(open_file, self.app, self._model, name))
            for name in self._names
        ]
        return Scroll(lines or [urwid.Text(" There is no file yet.")])

    def refresh(self) -> None:
        pass  # it is what was read


def open_file(app: App, model: RunModel, name: str) -> None:
    """Read a file and show it."""

    async def show() -> None:
        under = app.top
        text = await model.read(name)
        if app.top is under:
            app.push(Pager(app, clean(name), text_markup(text)))

    app.work(show(), f"Reading {clean(name)}")


def text_markup(text: Text) -> Sequence[Markup]:
    """Its lines, and where there is something left out, how much."""
    if not text.left_out_bytes:
        return text.head
    note = (
        "Warning",
        f"... {size_words(text.left_out_bytes)} are left out here; the archive has all of it ...",
    )
    return (*text.head, note, *text.tail)


def size_words(size_bytes: int) -> str:
    """ "12.5 KiB"."""
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    size = size_bytes / 1024
    for unit in ("KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
