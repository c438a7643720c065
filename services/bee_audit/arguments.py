"""The words after bee-auditd. A service has none, and is on the bus sooner without the parser for them."""

import argparse
from typing import NoReturn

from bee_bus.version import VERSION

EXIT_UNKNOWN = 3  # of monitoring plugins: no verdict could be reached


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_UNKNOWN, f"{self.prog}: {message}\n{self.format_usage()}")


def parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bee-auditd",
        description="The hardware audit behind org.bee.Audit1. Without arguments it serves the system bus.",
    )
    parser.add_argument("--version", action="version", version=f"bee-auditd {VERSION}")
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--replay", metavar="FILE", help="audit a captured machine; print the snapshot")
    work.add_argument(
        "--decode",
        nargs=2,
        metavar=("KIND", "FILE"),
        help="decode one captured binary (smbios, fru, vpd, pci); print it as JSON",
    )
    parser.add_argument(
        "--sections", default="", metavar="NAMES", help="with --replay: names joined by commas"
    )
    parser.add_argument(
        "--expected", metavar="FILE", help="with --replay: what the machine must have, TOML (bee(1))"
    )
    parser.add_argument("--limits", default="", metavar="TOML", help="with --replay: over the site's limits")
    return parser
