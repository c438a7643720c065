"""A login shell of whoever runs the menu, and back."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from bee_tui.front import NOT_THERE

if TYPE_CHECKING:
    from bee_tui.app import App

# Tells ~/.profile that the menu is there already.
MARK = "BEE_MENU"

GREETING = "This is a shell. The menu goes on behind it: exit (or Ctrl-D) leads back.\n\n"


async def give_shell(app: App) -> None:
    """Let the person's own shell have the terminal until it ends."""
    status = await app.give_terminal([own_shell(), "-l"], variables={MARK: "1"}, greeting=GREETING)
    if status == NOT_THERE:
        app.say(f"{own_shell()} cannot be started")


def own_shell() -> str:
    """The shell of this user, as /etc/passwd has it; that of the environment where the user is not there."""
    try:
        shell = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        shell = os.environ.get("SHELL", "")
    return shell if shell and os.access(shell, os.X_OK) else "/bin/sh"
