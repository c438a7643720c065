"""The web page's address as a QR code: what a phone at the crash cart opens, and is logged in by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import urwid

from bee_bus.web_token import login_url
from bee_tui.screen import Screen

if TYPE_CHECKING:
    from bee_tui.app import App
    from bee_tui.widgets import Markup

_SHOWN = 2  # addresses that fit below the code
_QUIET = 2  # modules around it; the standard says 4, readers accept 2

Matrix = Sequence[Sequence[bool]]  # rows of modules, True is dark

_HALF_BLOCKS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


class WebPage(Screen):
    """The code, and what is typed where nothing reads it. ``token``: empty for who may only look."""

    title = "Web page"

    def __init__(self, app: App, urls: Sequence[str], token: str = "") -> None:
        super().__init__(app)
        self._urls = urls
        self._token = token

    def body(self) -> urwid.Widget:
        words = list(self._urls[:_SHOWN])
        if self._token:
            words.append(f"token {self._token}: the code opens the page logged in")
        url = login_url(self._urls[0], self._token) if self._token else self._urls[0]
        code = _Code(web_matrix(url), unicode=self.app.unicode)
        return urwid.Frame(code, footer=urwid.Text("\n".join(words), align="center"))

    def refresh(self) -> None:
        pass


class _Code(urwid.Widget):
    """The code in the middle, or words where it has no room."""

    _sizing = frozenset(["box"])

    def __init__(self, matrix: Matrix, *, unicode: bool) -> None:
        super().__init__()
        draw = _half_blocks if unicode else _pairs
        self._lines = draw(_framed(matrix))
        self._columns = len(matrix) + 2 * _QUIET if unicode else 2 * (len(matrix) + 2 * _QUIET)

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:
        columns, rows = size
        if columns < self._columns or rows < len(self._lines):
            shown: urwid.Widget = urwid.Text("The screen is too small for a QR code.", align="center")
        else:
            lines = [urwid.Text(line, wrap="clip") for line in self._lines]
            shown = urwid.Padding(urwid.Pile(lines), align="center", width=self._columns)
        return urwid.CompositeCanvas(urwid.Filler(shown).render(size, focus))


def web_matrix(url: str) -> Matrix:
    """The code of a URL, as small as it can be.

    Capitals are coded in half the room, and mean the same in a scheme and a host (RFC 3986 §6.2.2.1); with a
    path they do not.
    """
    import qrcode
    from qrcode.constants import ERROR_CORRECT_L

    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, border=0)
    code.add_data(url.upper() if url.endswith("/") else url)
    code.make(fit=True)
    matrix: Matrix = code.get_matrix()
    return matrix


def _framed(matrix: Matrix) -> list[list[bool]]:
    """Whether each module is light, with the quiet zone around."""
    side = len(matrix) + 2 * _QUIET
    light = [[True] * side for _ in range(side)]
    for row, modules in enumerate(matrix):
        for column, dark in enumerate(modules):
            light[row + _QUIET][column + _QUIET] = not dark
    return light


def _half_blocks(light: list[list[bool]]) -> list[Markup]:
    """Two modules in a character, the light ones drawn: a terminal is dark."""
    rows = [*light, [False] * len(light)] if len(light) % 2 else light
    return [
        ("qr", "".join(_HALF_BLOCKS[pair] for pair in zip(rows[at], rows[at + 1], strict=True)))
        for at in range(0, len(rows), 2)
    ]


def _pairs(light: list[list[bool]]) -> list[Markup]:
    """Two blanks a module, by their background."""
    return [[("qr light" if module else "qr", "  ") for module in row] for row in light]
