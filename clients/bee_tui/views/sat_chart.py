"""The chart of one GPU of a run, as large as the screen, live while the run is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import urwid

from bee_tui.screen import Key, Screen
from bee_tui.views.charts import ChartBox

if TYPE_CHECKING:
    from bee_tui.app import App
    from bee_tui.models.sat_run import RunModel


class ChartScreen(Screen):
    """``number``: of the GPU among those of the run, from 0."""

    title = "Chart"

    def __init__(self, app: App, model: RunModel, number: int) -> None:
        super().__init__(app, model)
        self._model = model
        self._number = number
        self._box = ChartBox()

    def body(self) -> urwid.Widget:
        return self._box

    def keys(self) -> Sequence[Key]:
        if len(self._model.charts) < 2:
            return ()
        return (
            Key(("page down", "n", "right"), "next GPU", lambda: self._turn(1)),
            Key(("page up", "p"), "GPU before", lambda: self._turn(-1)),
        )

    def refresh(self) -> None:
        if self._model.charts:
            self._number %= len(self._model.charts)
            self._box.show(self._model.charts[self._number])

    def _turn(self, by: int) -> None:
        self._number += by
        self.refresh()
