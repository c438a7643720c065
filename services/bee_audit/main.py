"""bee-auditd: the audit service on the system bus; with arguments, the parts of it that need no machine."""

import argparse
import contextlib
import os
import sys
from typing import NoReturn

from bee_bus.version import VERSION

EXIT_UNKNOWN = 3  # of monitoring plugins: no verdict could be reached


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_UNKNOWN, f"{self.prog}: {message}\n{self.format_usage()}")


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.replay is None and arguments.decode is None:
        from bee_audit.service import serve_audit

        return serve_audit()
    return _offline(arguments)


def _parser() -> argparse.ArgumentParser:
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
    return parser


def _offline(arguments: argparse.Namespace) -> int:
    """Replay or decode, print the JSON, exit 0; or one sentence on standard error and exit 3."""
    import msgspec

    from bee_audit import offline
    from bee_audit.options import parse_sections
    from bee_bus.errors import InvalidOption

    try:
        if arguments.replay is not None:
            with offline.open_input(arguments.replay) as source:
                document: object = offline.replay(source, parse_sections(arguments.sections))
        else:
            kind, name = arguments.decode
            if kind not in offline.DECODERS:
                raise offline.OfflineError(f"cannot decode {kind!r}; known: {', '.join(offline.DECODERS)}")
            with offline.open_input(name) as source:
                document = offline.decode(kind, source)
    except (offline.OfflineError, InvalidOption) as error:
        sys.stderr.write(f"bee-auditd: {error}\n")
        return EXIT_UNKNOWN
    try:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; Python would complain about it once more at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
