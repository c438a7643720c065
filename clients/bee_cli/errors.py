"""From an exception chain to a sentence for people: what went wrong, and what to do about it."""


class CliError(Exception):
    """A command could not do its work; the message is for people, and may have a ``hint`` on its own line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def explain(error: CliError) -> str:
    return f"{error}\n     {error.hint}" if error.hint else str(error)
