"""The token that logs people in to the web page, for who may read it: root, and members of group bee."""

import os
from pathlib import Path

WEB_DIRECTORY = "/run/bee-web"  # made by systemd-tmpfiles; BEE_WEB_DIRECTORY names another
NAME = "token"
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # https://www.crockford.com/base32.html, in lower case
GROUPS = 3
GROUP_CHARACTERS = 4

_BYTES_MAX = 64
_LOOKS_LIKE = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None})


class TokenError(Exception):
    """The token's file cannot be made or read; the message says why."""


class TokenSecret(TokenError):
    """It is there, and not for this user."""


def web_directory() -> Path:
    """Where the token is."""
    return Path(os.environ.get("BEE_WEB_DIRECTORY") or WEB_DIRECTORY)


def read_token(folder: Path) -> str:
    """The token as people see it, "k7qd-9xmf-2wtn". Raises TokenError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES_MAX).decode("ascii", "replace").strip()
    except PermissionError as error:
        raise TokenSecret("only root and members of group bee may see the token") from error
    except OSError as error:
        raise TokenError(f"the token cannot be read from {path}: {error.strerror or error}") from error
    plain = normalised(text)
    if len(plain) != GROUPS * GROUP_CHARACTERS or not set(plain) <= set(ALPHABET):
        raise TokenError(f"{path} does not hold a token: remove it, and restart bee-web-token.service")
    return text


def normalised(typed: str) -> str:
    """A token without what people add or mistake: spaces, dashes, capitals, letters like digits."""
    return "".join(typed.split()).lower().translate(_LOOKS_LIKE)


def login_url(url: str, token: str) -> str:
    """The address that opens the page logged in. What follows # never leaves the browser as an address."""
    return f"{url}login#{token}"
