"""The menu as a program: a stack of screens, a line of keys, work that never blocks the screen."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import urwid

from bee_bus.text import clean
from bee_tui.dialogs import Dialog, Popup, Question, Words
from bee_tui.display import Display
from bee_tui.keybar import KeyBar
from bee_tui.palette import PALETTE
from bee_tui.screen import Key, Screen
from bee_tui.widgets import Roomy
from bee_tui.work import Work

T = TypeVar("T")

COLUMNS_MIN, ROWS_MIN = 20, 7
NOT_NOW = 126  # as a shell says it of what cannot be run
FRESH_SECONDS = 5.0
BACK_KEYS = ("esc", "left", "q", "backspace")
LEAVE_KEYS = ("ctrl c", "ctrl d")


class App:
    """``address``: of the bus, by default the system bus. ``runtime``: "livecd" on the image's own console,
    "ssh" elsewhere. ``unicode``: whether the terminal shows more than ASCII.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        runtime: str = "ssh",
        colours: int = 16,
        unicode: bool = True,
        display: urwid.display.common.BaseScreen | None = None,
    ) -> None:
        self.address = address
        self.runtime = runtime
        self.unicode = unicode
        self.colours = colours
        self.loop: urwid.MainLoop | None = None
        self._stack: list[Screen] = []
        self._bodies: dict[int, urwid.Widget] = {}
        self._unlisten: list[Callable[[], None]] = []
        self._dialogs: list[Dialog] = []
        self._work = Work(changed=self._show_status, explain=self.explain, failed=self.quit)
        self._message: tuple[str, str] | None = None
        self._place = urwid.Text("", wrap="clip")
        self._host = urwid.Text(f"{clean(socket.gethostname(), limit=40)} ", align="right", wrap="clip")
        self._status = urwid.Text("", wrap="clip")
        self._key_bar = KeyBar()
        header = urwid.Columns([self._place, ("pack", self._host)])
        self.frame = urwid.Frame(
            urwid.SolidFill(" "),
            header=urwid.AttrMap(header, "header"),
            footer=urwid.Pile([self._status, self._key_bar], focus_item=1),
        )
        self._display = display
        self._drawing: asyncio.Handle | None = None
        self._in_front = False  # another program has the terminal
        self._ended = asyncio.Event()

    # The stack.

    @property
    def top(self) -> Screen:
        return self._stack[-1]

    def push(self, screen: Screen) -> None:
        """Show a screen over what is there."""
        if self._stack:
            self._leave(self.top)
        self._stack.append(screen)
        self._enter(screen)

    def back(self) -> None:
        """To the screen below; from the lowest nowhere."""
        if len(self._stack) < 2:
            return
        self._drop()
        self._enter(self.top)

    def replace(self, screen: Screen) -> None:
        """Show a screen instead of the one on top."""
        self._drop()
        self._stack.append(screen)
        self._enter(screen)

    @property
    def fault(self) -> BaseException | None:
        """What of the menu's own ended it."""
        return self._work.fault

    @property
    def ended(self) -> bool:
        """Whether the person has left, or a fault has ended it."""
        return self._ended.is_set()

    def quit(self) -> None:
        """End the menu."""
        self._ended.set()

    # Telling.

    def say(self, words: str, style: str = "title") -> None:
        """A line above the keys, until the next key."""
        self._message = (style, clean(words))
        self._show_status()

    def ask(self, question: str, *, yes: str = "Yes", no: str = "No") -> asyncio.Future[bool]:
        """Ask; No is what Enter and Escape mean until another is chosen."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answered(given: bool) -> None:
            self._close(dialog)
            if not answer.done():
                answer.set_result(given)

        dialog = Question(question, yes=yes, no=no, on_answer=answered)
        self._open(dialog)
        return answer

    def explain(self, title: str, text: str) -> None:
        """Words over the screen, gone with Enter."""
        dialog = Words(title, text, on_close=lambda: self._close(dialog))
        self._open(dialog)

    # Working.

    def work(self, coroutine: Coroutine[Any, Any, T], doing: str) -> asyncio.Task[T | None]:
        """Do something that takes time. It shows after a moment; what goes wrong is said, never raised."""
        return self._work.do(coroutine, doing)

    async def give_terminal(
        self, argv: Sequence[str], *, variables: Mapping[str, str] | None = None, greeting: str = ""
    ) -> int:
        """Let another program have the terminal until it ends; its exit status, 127 when it is not there.

        ``greeting``: words that stand above it.

        The menu goes on behind it: models follow, work is done. Only nothing is drawn.
        """
        if self.loop is None or self._in_front:
            return NOT_NOW
        from bee_tui.front import run_in_front

        screen, event_loop = self.loop.screen, self.loop.event_loop
        self._in_front = True
        screen.stop()
        screen.unhook_event_loop(event_loop)  # stopping hooks it anew: keys would go two ways
        try:
            if greeting:
                os.write(sys.stdout.fileno(), greeting.encode())
            return await run_in_front(argv, variables=variables)
        finally:
            screen.start()
            screen.clear()
            self._in_front = False
            self._refresh()

    async def _keep_fresh(self) -> None:
        """What was "3 minutes ago" is 4 after a while, also when nothing else changes."""
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            self._refresh()

    async def run(self, first: Callable[[App], Screen]) -> None:
        """Show the first screen, and return when the person has left. A fault of the menu's own is raised."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._work.fail)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.quit)
        display = self._display or Display(self.quit)
        self.loop = urwid.MainLoop(
            Roomy(self.frame, columns=COLUMNS_MIN, rows=ROWS_MIN),
            palette=list(PALETTE),
            screen=display,
            event_loop=urwid.AsyncioEventLoop(loop=loop),
            unhandled_input=self.unhandled,
            handle_mouse=True,
        )
        if self._display is None:
            display.set_terminal_properties(colors=self.colours)
        self.push(first(self))
        self.loop.start()
        self._work.spawn(self._keep_fresh(), "keep fresh")
        try:
            await self._ended.wait()
        finally:
            await self._work.end()
            with suppress(OSError):  # of a terminal that has hung up
                self.loop.stop()
            for screen in self._stack:
                for model in screen.models:
                    await model.stopped()
        if self.fault is not None:
            raise self.fault

    def unhandled(self, key: str | tuple[str, int, int, int]) -> bool:
        """A key that no widget wanted."""
        if key in LEAVE_KEYS:
            self.quit()
            return True
        if isinstance(key, tuple) or self._dialogs:
            return False
        if self._message is not None:
            self._message = None
            self._show_status()
        in_bar = self.frame.focus_position == "footer"
        if key in ("down", "tab") and not in_bar:
            self.frame.focus_position = "footer"
        elif key in ("up", "tab", "esc") and in_bar:
            self.frame.focus_position = "body"
        elif not (in_bar and key == "left"):
            return self._act(key)
        return True

    # How.

    def _act(self, key: str) -> bool:
        for known in self._keys():
            if key in known.names:
                known.act()
                return True
        return False

    def _keys(self) -> list[Key]:
        way_out = [Key(BACK_KEYS, "back", self.back)] if len(self._stack) > 1 else []
        return [*way_out, *self.top.keys()]

    def _enter(self, screen: Screen) -> None:
        if id(screen) not in self._bodies:
            self._bodies[id(screen)] = screen.body()
        self._unlisten = [model.listen(self._refresh) for model in screen.models]
        for model in screen.models:
            model.start()
        self._show_body()
        screen.entered()
        self._refresh()

    def _leave(self, screen: Screen) -> None:
        for unlisten in self._unlisten:
            unlisten()
        self._unlisten = []
        for model in screen.models:
            model.stop()
        screen.left()

    def _drop(self) -> None:
        gone = self._stack.pop()
        self._leave(gone)
        self._bodies.pop(id(gone), None)

    def _refresh(self) -> None:
        self.top.refresh()
        between = " › " if self.unicode else " > "
        titles = between.join(one.title for one in self._stack if one.title)
        self._place.set_text(f" bee{between if titles else ''}{titles}")
        self._key_bar.show([key for key in self._keys() if key.words])
        self._show_status()

    def _show_status(self) -> None:
        trouble = self.top.trouble() if self._stack else ""
        if self._work.doing:
            self._status.set_text(("running", f" {self._work.doing} ..."))
        elif self._message is not None:
            style, words = self._message
            self._status.set_text((style, f" {words}"))
        elif trouble:
            self._status.set_text(("trouble", f" {clean(trouble)}"))
        else:
            self._status.set_text("")
        self._draw_soon()

    def _draw_soon(self) -> None:
        """Many changes in one turn of the loop are drawn once."""
        if self._drawing is None and self.loop is not None:
            self._drawing = asyncio.get_running_loop().call_soon(self._draw)

    def _draw(self) -> None:
        self._drawing = None
        if self.loop is not None and self.loop.screen.started and not self._in_front:
            with suppress(OSError):  # a terminal that hangs up is told to us otherwise
                self.loop.draw_screen()

    def _open(self, dialog: Dialog) -> None:
        self._dialogs.append(dialog)
        self._show_body()

    def _close(self, dialog: Dialog) -> None:
        if dialog in self._dialogs:
            self._dialogs.remove(dialog)
            self._show_body()

    def _show_body(self) -> None:
        body = self._bodies[id(self.top)]
        self.frame.body = Popup(self._dialogs[-1], body) if self._dialogs else body
        self.frame.focus_position = "body"
        self._draw_soon()
