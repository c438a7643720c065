"""bee-web: the web page. Started by systemd for the first request, by `bee web` or by hand."""

import argparse
import sys

from bee_bus.version import VERSION

ERROR = 3


def main() -> int:
    asked = _parser().parse_args()
    from bee_bus import logs

    logs.set_up()
    return _make_token() if asked.make_token else _serve(asked.port, asked.address)


def _make_token() -> int:
    """At boot, beside all else that starts then: without the server and its libraries."""
    from bee_bus.web_token import TokenError, web_directory
    from bee_web.login.token import make_token

    try:
        make_token(web_directory())
    except TokenError as error:
        return _failed(error)
    return 0


def _serve(port: int | None, address: str) -> int:
    from bee_bus.web_token import TokenError
    from bee_web.server import serve
    from bee_web.sockets import NoSocket

    try:
        return serve(port, address)
    except (NoSocket, TokenError) as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    sys.stderr.write(f"bee-web: {error}\n")
    return ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bee-web", description="The web page of bee.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"bee-web {VERSION}")
    parser.add_argument(
        "--port", type=_port, metavar="PORT", help="listen here; by default on what systemd passes, or 8080"
    )
    parser.add_argument(
        "--address", default="", metavar="ADDRESS", help="listen on this address only (default: on all)"
    )
    parser.add_argument(
        "--make-token", action="store_true", help="make the token that logs people in, if there is none"
    )
    return parser


def _port(words: str) -> int:
    if not words.isdecimal() or not 0 <= int(words[:6]) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {words!r}")
    return int(words)


if __name__ == "__main__":
    sys.exit(main())
