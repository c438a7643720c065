"""bee web: serve the web page, which is a program of its own; bee web token: what logs people in to it."""

from argparse import Namespace

from bee_bus.addresses import own_addresses
from bee_bus.web_token import TokenError, TokenSecret, login_url, read_token, web_directory
from bee_cli import exits
from bee_cli.errors import CliError
from bee_cli.programs import program, run_program
from bee_cli.terminal import show


def run(asked: Namespace) -> int:
    if asked.action == "token":
        return _token()
    words = [program("bee-web"), "--port", str(asked.port), "--address", asked.address]
    return run_program(words, private=asked.private)


def _token() -> int:
    try:
        token = read_token(web_directory())
    except TokenSecret as error:
        raise CliError(str(error), "Ask as root, or as a member of group bee.") from error
    except TokenError as error:
        raise CliError(str(error), "systemctl restart bee-web-token.service makes one.") from error
    urls = [login_url(one.url, token) for one in own_addresses()]
    show("\n".join([token, *urls]) + "\n")
    return exits.OK
