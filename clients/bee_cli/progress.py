"""One line on standard error that says how far an audit is, and is gone when it has ended."""

import shutil
import sys
import time
from collections.abc import Mapping
from types import TracebackType

_ENDED = frozenset({"ok", "absent", "partial", "error", "timeout"})


class Progress:
    """The line. Silent where nobody looks: in a pipe, a log, a unit, and on terminals that cannot go back."""

    def __init__(self, *, visible: bool, title: str) -> None:
        self._visible = visible
        self._title = title
        self._started = time.monotonic()
        self._shown = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._shown:
            self._write("\r\x1b[K")

    def update(self, collectors: Mapping[str, str]) -> None:
        """Show the collectors' states, as org.bee.Audit1.Run has them."""
        if self._visible:
            columns = shutil.get_terminal_size().columns
            text = progress_text(self._title, collectors, time.monotonic() - self._started)
            self._write(f"\r{text[: columns - 1]}\x1b[K")
            self._shown = True

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._visible = False


def progress_text(title: str, collectors: Mapping[str, str], seconds: float) -> str:
    """ "audit 7/11  4.2 s  reading storage, sensors": what is being waited for comes last, to be cut first."""
    ended = sum(state in _ENDED for state in collectors.values())
    running = [name for name, state in collectors.items() if state == "running"]
    waiting_for = f"  reading {', '.join(running)}" if running else ""
    return f"{title} {ended}/{len(collectors)}  {seconds:.1f} s{waiting_for}"
