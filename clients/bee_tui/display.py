"""The terminal as urwid drives it, with what urwid leaves open closed.

- All keys come as keys: on a crash cart nobody wants to stop the menu with Ctrl-Z, or freeze it with Ctrl-S.
- A terminal that has hung up is an end, not something to read for ever.
- A terminal without UTF-8 gets ASCII that means the same, not question marks and line-drawing switches.
"""

import codecs
import os
import signal
from collections.abc import Callable

import urwid
from urwid.display.raw import Screen as RawScreen

USUAL_SIZE = (80, 24)

_PLAIN_ENCODING = "bee_ascii"

# One character for one: the screen is laid out before it is encoded.
_PLAIN = {
    **dict.fromkeys("─━═╌╍┄┅┈┉╴╶", "-"),
    **dict.fromkeys("│┃║╎╏┆┇┊┋╵╷", "|"),
    **dict.fromkeys("┌┐└┘╭╮╰╯├┤┬┴┼┏┓┗┛┣┫┳┻╋╔╗╚╝╠╣╦╩╬╞╡╪", "+"),
    **dict.fromkeys("█▓■▉▊▋▌▐", "#"),
    **dict.fromkeys("▒░▄▀▂▃▁▅▆▇", ":"),
    **dict.fromkeys("●•·∙", "*"),
    **dict.fromkeys("›▶▸→»", ">"),
    **dict.fromkeys("‹◀◂←«", "<"),
    **dict.fromkeys("▲▴↑", "^"),
    **dict.fromkeys("▼▾↓", "v"),
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("‘’′", "'"),
    **dict.fromkeys("“”″", '"'),
    "×": "x",
    "°": " ",
    "µ": "u",
    "μ": "u",
    "…": ".",
    "✓": "+",
    "✗": "x",
}


class Display(RawScreen):
    """``hung_up``: called once when nobody is at the terminal any more."""

    def __init__(self, hung_up: Callable[[], None]) -> None:
        super().__init__()
        self._hung_up = hung_up

    def signal_init(self) -> None:
        self._prev_sigwinch_handler = self.signal_handler_setter(signal.SIGWINCH, self._sigwinch_handler)
        self.tty_signal_keys(*["undefined"] * 5)

    def signal_restore(self) -> None:
        self.signal_handler_setter(signal.SIGWINCH, self._prev_sigwinch_handler or signal.SIG_DFL)

    def get_cols_rows(self) -> tuple[int, int]:
        """The terminal's size; a serial line has none of its own, and is taken for the usual one."""
        columns, rows = super().get_cols_rows()
        if columns <= 0 or rows <= 0:
            columns, rows = USUAL_SIZE
            self.maxrow = rows
        return columns, rows

    def _read_raw_input(self, timeout: int) -> bytearray:
        descriptor = self._input_fileno()
        if descriptor not in self._wait_for_input_ready(timeout):
            return bytearray()
        try:
            read = os.read(descriptor, 4096)
        except OSError:
            read = b""
        if not read:
            self._hung_up()
        return bytearray(read)


def use_characters(*, unicode: bool) -> None:
    """What urwid may write to the terminal: UTF-8, or ASCII alone."""
    if unicode:
        urwid.set_encoding("utf-8")
        return
    codecs.register(_find)
    urwid.set_encoding(_PLAIN_ENCODING)
    urwid.util._use_dec_special = False


def plain(text: str) -> str:
    """The text in ASCII, as wide as it was."""
    return "".join(char if char < "\x7f" else _stand_in(char) for char in text)


def _stand_in(char: str) -> str:
    return _PLAIN.get(char) or "?" * urwid.str_util.get_char_width(char)


def _find(name: str) -> codecs.CodecInfo | None:
    if name != _PLAIN_ENCODING:
        return None

    def encode(text: str, _errors: str = "strict") -> tuple[bytes, int]:
        return plain(text).encode("ascii", "replace"), len(text)

    return codecs.CodecInfo(encode, codecs.ascii_decode, name=_PLAIN_ENCODING)
