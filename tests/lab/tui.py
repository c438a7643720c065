"""The menu in a real terminal: tmux runs it, types and looks.

with Tui(bus.environment) as tui:
    tui.until("Acceptance tests")
    tui.press("Down", "Enter")
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.bus.private import GROUPS, python_command

WAIT_SECONDS = 20.0
LOOK_SECONDS = 0.03

COLUMNS, ROWS = 80, 24

_SGR = re.compile(r"\x1b\[([0-9;:]*)m")


class Tui:
    """``variables``: the environment beside the usual one; the bus is in it (LabBus.environment).

    ``words``: arguments of bee-tui; ``command``: another program altogether. ``uid``: who runs it, one of
    lab.bus.private's users.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *words: str,
        columns: int = COLUMNS,
        rows: int = ROWS,
        term: str = "xterm-256color",
        variables: Mapping[str, str] | None = None,
        command: list[str] | None = None,
        uid: int | None = None,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="bee-tui-"))
        self._client = ["tmux", "-u", "-S", str(self._folder / "socket")]
        self._size = (columns, rows)
        self._command = command or _as_user(uid, words)
        kept = {
            name: value
            for name, value in environment.items()
            if not name.startswith(("LC_", "LANG", "TMUX", "NO_COLOR", "COLORTERM"))
        }
        self._environment = {**kept, "LANG": "C.UTF-8", "TERM": term, **(variables or {})}

    def __enter__(self) -> Self:
        columns, rows = self._size
        settings = "\n".join(
            [
                "set -g remain-on-exit on",
                "set -g status off",
                "set -g escape-time 0",
                "set -g history-limit 0",
                "set -g default-size 80x24",
            ]
        )
        (self._folder / "tmux.conf").write_text(settings + "\n")
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        # The status is written down here: tmux 3.3 loses that of some panes which were resized.
        keeping = ["sh", "-c", f'"$@"; echo $? >{self._folder}/status', "sh"]
        inside = ["env", "-i", *variables, *keeping, *self._command]
        session = ["new-session", "-d", "-x", str(columns), "-y", str(rows)]
        started = subprocess.run(
            [*self._client, "-f", str(self._folder / "tmux.conf"), *session, *inside],
            env={**os.environ, "LANG": "C.UTF-8", "TERM": "xterm-256color"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert started.returncode == 0, started.stderr
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tmux("kill-server", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    # What is on the screen.

    def text(self) -> str:
        """The characters, line by line."""
        return self._tmux("capture-pane", "-p")

    def line(self, words: str) -> str:
        """The line that holds these words."""
        return next(line for line in self.text().splitlines() if words in line)

    def raw(self) -> str:
        """The characters with their colours, as escape sequences."""
        return self._tmux("capture-pane", "-e", "-p")

    def colours(self) -> set[str]:
        """The codes of all colours on the screen ("31", "48;5;24"); bold and reverse are none."""
        found = set()
        for codes in _SGR.findall(self.raw()):
            parts = codes.split(";")
            while parts:
                part = parts.pop(0)
                if part in ("38", "48"):
                    found.add(";".join([part, *parts[:2]]))
                    parts = parts[2:]
                elif part.isdigit() and (30 <= int(part) <= 47 or 90 <= int(part) <= 107) and part != "39":
                    found.add(part)
        return found

    def until(self, *words: str, seconds: float = WAIT_SECONDS) -> str:
        """Wait until all these words are on the screen; the screen then."""
        return self.when(lambda text: all(word in text for word in words), f"{words} there", seconds)

    def until_gone(self, *words: str, seconds: float = WAIT_SECONDS) -> str:
        """Wait until none of these words is on the screen; the screen then."""
        return self.when(lambda text: not any(word in text for word in words), f"{words} gone", seconds)

    def when(self, true: Callable[[str], object], wanted: str = "", seconds: float = WAIT_SECONDS) -> str:
        """Wait until the screen is such; the screen then."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.text()
            if true(text):
                return text
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {wanted}; there is:\n{text}"
            time.sleep(LOOK_SECONDS)

    # What a person does.

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: "Enter", "Down", "F10", "Escape", "C-c", "a"."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def click(self, words: str) -> None:
        """Click with the left button on the first place where these words stand."""
        for row, line in enumerate(self.text().splitlines()):
            if (column := line.find(words)) >= 0:
                place = f"{column + 1};{row + 1}"
                self._tmux("send-keys", "-l", f"\x1b[<0;{place}M\x1b[<0;{place}m")
                return
        raise AssertionError(f"{words!r} is not there to be clicked:\n{self.text()}")

    def choose(self, words: str, *, steps: int = 60) -> None:
        """Go down, and then up, to what holds these words, and press Enter: as a person does."""
        for key in ("Down", "Up"):
            for _ in range(steps):
                if words in self.focused():
                    self.press("Enter")
                    return
                if not self._move(key):
                    break
        raise AssertionError(f"arrows never come to {words!r}:\n{self.text()}")

    def _move(self, key: str) -> bool:
        """Press a key; whether anything on the screen has moved."""
        before = self._place()
        self.press(key)
        deadline = time.monotonic() + 1
        while self._place() == before:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def focused(self) -> str:
        """The words that Enter would press: from the cursor on."""
        column, row, shown = self._tmux(
            "display-message", "-p", "#{cursor_x}:#{cursor_y}:#{cursor_flag}"
        ).split(":")
        lines = self.text().split("\n")
        words = lines[int(row)][int(column) :] if shown.strip() == "1" else ""
        if words.startswith("["):
            return words[: words.find("]") + 1]
        if int(row) == self._rows() - 1:
            return words.strip().split("  ")[0]
        return words

    def _place(self) -> tuple[str, str]:
        return self._tmux("display-message", "-p", "#{cursor_x}:#{cursor_y}"), self.raw()

    def _rows(self) -> int:
        return int(self._tmux("display-message", "-p", "#{pane_height}"))

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    # The program.

    @property
    def pid(self) -> int:
        shell = int(self._tmux("display-message", "-p", "#{pane_pid}"))
        (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(child)

    def exit_status(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait for the program's end; 128 and more for a signal, as a shell says it."""
        deadline = time.monotonic() + seconds
        status = self._folder / "status"
        while True:
            if status.exists() and (written := status.read_text()).endswith("\n"):
                return int(written)
            assert time.monotonic() < deadline, f"it goes on:\n{self.text()}"
            time.sleep(LOOK_SECONDS)

    def _tmux(self, *words: str, check: bool = True) -> str:
        ended = subprocess.run(
            [*self._client, *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout


# What the menu needs is loaded before it turns into another user, who may not read the source.
_AS_USER = """
import importlib, os, pkgutil, sys
import asyncio, concurrent.futures.thread, dbus_next.aio, encodings.idna, msgspec, qrcode, urwid
import bee_bus, bee_bus.documents, bee_tui
for package in (bee_bus, bee_tui):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
from bee_bus import interfaces, names
for service in names.SERVICES:
    for interface in service.interfaces:
        interfaces.load(interface)
uid, *groups = map(int, sys.argv.pop(1).split(","))
os.setgroups(groups); os.setgid(uid); os.setuid(uid)
raise SystemExit(bee_tui.main.main())
"""


def _as_user(uid: int | None, words: tuple[str, ...]) -> list[str]:
    """The command that runs the menu, for root or for one of lab.bus.private's users."""
    if uid is None:
        return python_command("-m", "bee_tui.main", *words)
    return python_command("-c", _AS_USER, ",".join(map(str, [uid, *GROUPS[uid]])), *words)
