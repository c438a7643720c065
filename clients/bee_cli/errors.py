"""From an exception to a sentence for people: what went wrong, and what to do about it."""

from bee_bus.errors import BeeError, in_words
from bee_cli.text import clean_lines


class CliError(Exception):
    """A command could not do its work; the message is for people, ``hint`` what they can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def explain(error: CliError | BeeError) -> str:
    """One sentence for the error, a second line for the hint."""
    message = in_words(error) if isinstance(error, BeeError) else str(error)
    sentence = clean_lines(message) or type(error).__name__
    return f"{sentence}\n     {error.hint}" if error.hint else sentence
