"""bee tui: start the menu, which is a program of its own."""

import sys
from argparse import Namespace

from bee_cli.errors import CliError
from bee_cli.programs import program, run_program


def run(asked: Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("the menu needs a terminal", "bee audit, bee sat and bee gpu work without one.")
    words = [program("bee-tui"), "--runtime", asked.runtime]
    if asked.no_color:
        words.append("--no-color")
    return run_program(words, private=asked.private)
