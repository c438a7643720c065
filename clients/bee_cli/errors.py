"""From an exception to a sentence for people: what went wrong, and what to do about it."""

from bee_bus.errors import BeeError
from bee_cli.text import clean_lines


class CliError(Exception):
    """A command could not do its work; the message is for people, ``hint`` what they can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


# What the client knows better than the bus, which speaks to programs.
_IN_OTHER_WORDS = {
    "org.freedesktop.DBus.Error.AccessDenied": "this user may not do that",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired": "this needs an administrator's password",
    "org.freedesktop.DBus.Error.ServiceUnknown": "this service is not on this bus",
}


def explain(error: CliError | BeeError) -> str:
    """One sentence for the error, a second line for the hint."""
    message = str(error)
    if isinstance(error, BeeError):
        message = _IN_OTHER_WORDS.get(error.name, message) or error.name
    sentence = clean_lines(message) or type(error).__name__
    return f"{sentence}\n     {error.hint}" if error.hint else sentence
