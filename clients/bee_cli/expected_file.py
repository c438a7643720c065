"""The file that says what a machine must have, as a caller names it."""

import sys
from pathlib import Path

from bee_bus.expected import LIMIT_BYTES, ExpectedError, read_expected
from bee_cli.errors import CliError


def read(name: str) -> str:
    """Its text, "-" for standard input; checked here, so that what is said names it. Raises CliError."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(LIMIT_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LIMIT_BYTES + 1)
        text = data.decode("utf-8")
        read_expected(text, name)
    except OSError as error:
        raise CliError(f"cannot read {name}: {error.strerror}") from error
    except (UnicodeDecodeError, ExpectedError) as error:
        raise CliError(str(error)) from error
    return text
