"""A run as one file, to take away: onto a USB stick, or into the person's own folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import urwid

from bee_bus.text import clean
from bee_tui.screen import Screen
from bee_tui.views.sat_files import size_words
from bee_tui.widgets import Pressable, Scroll

if TYPE_CHECKING:
    from bee_bus.udisks2 import Stick
    from bee_tui.app import App
    from bee_tui.models.sat_run import RunModel

_SAVING = "Saving the archive"


def export(app: App, model: RunModel) -> None:
    """Ask where to, when there is a choice, and save the run's archive there."""
    app.work(_look(app, model), "Looking for USB sticks")


class Export(Screen):
    """Where the archive can go to. Looked up once: Back and export again finds another stick."""

    title = "Export"

    def __init__(self, app: App, model: RunModel, sticks: Sequence[Stick]) -> None:
        super().__init__(app)
        self._model = model
        self._sticks = sticks

    def body(self) -> urwid.Widget:
        sticks = [Pressable(f"   {_stick_words(one)}", partial(self._onto, one)) for one in self._sticks]
        return Scroll(
            [
                urwid.Text(("title", " Onto a USB stick: it is mounted for this, and unmounted afterwards")),
                *sticks,
                urwid.Divider(),
                urwid.Text(("title", " Into a folder of this machine")),
                Pressable(f"   {clean(str(Path.home()))}", self._home),
            ]
        )

    def refresh(self) -> None:
        pass  # it is what was found

    def _onto(self, stick: Stick) -> None:
        self.app.work(_save_onto(self.app, self._model, stick), _SAVING)

    def _home(self) -> None:
        self.app.work(_save_at_home(self.app, self._model), _SAVING)


async def _look(app: App, model: RunModel) -> None:
    under = app.top
    sticks = await model.sticks()
    if app.top is not under:
        return
    if sticks:
        app.push(Export(app, model, sticks))
    else:
        app.work(_save_at_home(app, model, hint="With a USB stick plugged in it can go there."), _SAVING)


async def _save_onto(app: App, model: RunModel, stick: Stick) -> None:
    path = await model.save_onto(stick)
    after = (
        "The stick was mounted before, and still is: unmount it before you pull it out."
        if stick.mount_point
        else "All of it is written, and the stick is unmounted: it may be pulled out."
    )
    app.explain("The archive is saved", f"{path.name} is on {_stick_words(stick)}.\n\n{after}")


async def _save_at_home(app: App, model: RunModel, hint: str = "") -> None:
    path = await model.save(Path.home())
    app.explain("The archive is saved", "\n\n".join(filter(None, (str(path), hint))))


def _stick_words(stick: Stick) -> str:
    parts = (stick.label, stick.drive, stick.type, size_words(stick.size_bytes), stick.device)
    return "  ".join(clean(part, limit=40) for part in parts if part.strip())
