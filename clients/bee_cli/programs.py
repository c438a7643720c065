"""Where bee's own programs are: beside this one, in a development tree as well as installed."""

import os
import sys
from pathlib import Path

from bee_cli.errors import CliError


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
