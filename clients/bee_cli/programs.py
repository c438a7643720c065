"""Where bee's own programs are: beside this one, in a development tree as well as installed."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bee_cli.errors import CliError

_TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)


class ProgramMissing(CliError):
    """A program of bee is not where it belongs; the message says where it was looked for."""


def program(name: str) -> str:
    """The absolute path of one of bee's programs ("bee-auditd"). Raises ProgramMissing.

    Installed, the packages and the services' programs share ``<prefix>/lib/bee``; in a virtual environment
    the programs stand where its Python stands. Nothing is taken from PATH: a service started from here runs
    as root, and must be the one that belongs to this client.
    """
    places = [Path(__file__).resolve().parents[1] / "bin", Path(sys.prefix) / "bin"]
    for place in places:
        candidate = place / name
        if os.access(candidate, os.X_OK):
            return str(candidate)
    looked = " nor ".join(str(place) for place in places)
    raise ProgramMissing(f"{name} is neither in {looked}")


def run_program(words: Sequence[str], *, private: bool) -> int:
    """Be that program, or run it on a private bus, which ends with it; returns its exit code then."""
    if not private:
        os.execv(words[0], list(words))
    from bee_cli.private_bus import PrivateBus

    with PrivateBus() as bus, subprocess.Popen(words, env=bus.environment) as running:
        for number in _TOLD_TO_END:
            signal.signal(number, lambda number, _frame: running.send_signal(number))
        status = running.wait()
    return status if status >= 0 else 128 - status
