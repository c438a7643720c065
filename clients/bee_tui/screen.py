"""A screen: one thing that a person does, with its keys at the bottom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import urwid

if TYPE_CHECKING:
    from bee_tui.app import App
    from bee_tui.model import Live


class Key(NamedTuple):
    """``names``: urwid's names of the keys that do it, the first of them shown. ``words``: what it does.

    All stand in the bar at the bottom, where arrows and Enter, or a click, do the same. Only a key without
    words does not: its screen says it elsewhere.
    """

    names: tuple[str, ...]
    words: str
    act: Callable[[], None]


class Screen(ABC):
    """Made once, shown any number of times. Its models are followed only while it is on top."""

    title: str = ""

    def __init__(self, app: App, *models: Live) -> None:
        self.app = app
        self.models = models

    @abstractmethod
    def body(self) -> urwid.Widget:
        """The widget, a box; asked for once, when the screen is first shown."""

    @abstractmethod
    def refresh(self) -> None:
        """Bring the widget up to date with the models. Called after every change, and quick."""

    def trouble(self) -> str:
        """Why what is shown is old or missing; it stands above the keys."""
        return next((model.trouble for model in self.models if model.trouble), "")

    def keys(self) -> Sequence[Key]:
        """Its own keys, beside those of the whole menu."""
        return ()

    def entered(self) -> None:  # noqa: B027 - most screens have nothing to do then
        """It comes to the top."""

    def left(self) -> None:  # noqa: B027
        """It is on top no more."""
