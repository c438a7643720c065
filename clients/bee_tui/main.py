"""bee-tui: the menu. Started by `bee tui`, and on the live image's console at login."""

import argparse
import os
import sys

from bee_bus.version import VERSION

ERROR = 3
OTHER_LOOPS = ("gi", "tornado", "trio", "twisted", "zmq")  # what urwid's adapters to other event loops import


def main() -> int:
    asked = _parser().parse_args()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write("bee-tui: it needs a terminal; bee audit, bee sat and bee gpu work without one\n")
        return ERROR
    from bee_tui.terminal import colours, shows_unicode

    try:
        return _run(asked.runtime, 1 if asked.no_color else colours(), shows_unicode())
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last resort, for a fault of the menu's own
        if os.environ.get("BEE_TRACEBACK"):
            raise
        return _confess(error)


def _run(runtime: str, colour_count: int, unicode: bool) -> int:
    # urwid loads every event loop that is installed, which takes as long as its own widgets.
    for name in OTHER_LOOPS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    import asyncio

    from bee_tui import doors
    from bee_tui.app import App
    from bee_tui.display import use_characters

    use_characters(unicode=unicode)

    async def show() -> None:
        await App(runtime=runtime, colours=colour_count, unicode=unicode).run(doors.home)

    asyncio.run(show())
    return 0


def _confess(error: Exception) -> int:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    sys.stderr.write(
        f"bee-tui: a fault in bee itself: {type(error).__name__}: {error!s:.300}{place}\n"
        "bee-tui: please report it; BEE_TRACEBACK=1 shows all of it. Runs under way go on.\n"
    )
    return ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bee-tui", description="The menu of bee.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"bee-tui {VERSION}")
    parser.add_argument(
        "--runtime",
        choices=("livecd", "ssh"),
        default="ssh",
        help="where it runs: on the live image's own console, or anywhere else (default: ssh)",
    )
    parser.add_argument("--no-color", action="store_true", help="no colour, as with NO_COLOR=1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
