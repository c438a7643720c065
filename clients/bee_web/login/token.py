"""Making the token, and comparing with it: twelve characters that only root and group bee may read.

It is made at boot, lives as long as the machine is up, and is short enough to be typed from a console:
60 bits in Crockford's base 32, which has no letters that are taken for digits.
"""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from bee_bus.web_token import ALPHABET, GROUP_CHARACTERS, GROUPS, NAME, TokenError, normalised

_MODE = 0o640
_TYPED_MAX = 64


def make_token(folder: Path) -> None:
    """Make the file with a new token, unless there is one; it appears whole. Raises TokenError."""
    new = folder / f".{NAME}.{secrets.token_hex(8)}"
    try:
        if (folder / NAME).exists():
            return
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, _MODE)  # whatever the umask
                file.write(f"{_new()}\n".encode())
            with suppress(FileExistsError):
                os.link(new, folder / NAME)  # unlike a rename, it replaces nothing
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise TokenError(f"the token cannot be made in {folder}: {error.strerror or error}") from error


def matches(typed: str, token: str) -> bool:
    """Whether somebody typed the token, in whatever case and with or without dashes."""
    return len(typed) <= _TYPED_MAX and hmac.compare_digest(
        normalised(typed).encode("utf-8", "replace"), normalised(token).encode()
    )


def _new() -> str:
    characters = [secrets.choice(ALPHABET) for _ in range(GROUPS * GROUP_CHARACTERS)]
    groups = (characters[at : at + GROUP_CHARACTERS] for at in range(0, len(characters), GROUP_CHARACTERS))
    return "-".join("".join(group) for group in groups)
