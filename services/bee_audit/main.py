"""bee-auditd: the audit service on the system bus; with arguments, the parts of it that need no machine."""

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def main() -> int:
    if len(sys.argv) > 1:
        from bee_audit.arguments import parser

        arguments = parser().parse_args()
        if arguments.replay is not None or arguments.decode is not None:
            return _offline(arguments)
    from bee_audit.service import serve_audit

    return serve_audit()


def _offline(arguments: "argparse.Namespace") -> int:
    """Replay or decode, print the JSON, exit 0; or one sentence on standard error and exit 3."""
    import msgspec

    from bee_audit import offline
    from bee_audit.arguments import EXIT_UNKNOWN
    from bee_audit.options import check_limits, parse_sections
    from bee_bus.errors import InvalidOption

    try:
        if arguments.replay is not None:
            expected = offline.read_expected_file(arguments.expected) if arguments.expected else ""
            check_limits(arguments.limits)
            sections = parse_sections(arguments.sections)
            with offline.open_input(arguments.replay) as source:
                document: object = offline.replay(source, sections, expected, arguments.limits)
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
