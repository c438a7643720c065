"""Logging in: the token against attempts, for a session."""

import logging
from math import ceil
from pathlib import Path

from bee_bus.web_token import TokenError, read_token
from bee_web.login.attempts import Attempts
from bee_web.login.sessions import Session, Sessions
from bee_web.login.token import make_token, matches

log = logging.getLogger(__name__)


class WrongToken(Exception):
    """That is not this machine's token."""


class TooManyAttempts(Exception):
    """Wrong tokens came too often. ``wait_seconds``: until the next may be tried."""

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = max(1, ceil(wait_seconds))
        super().__init__(f"too many wrong tokens; try again in {self.wait_seconds} s")


class Login:
    """The login of this machine. ``folder``: where the token's file is, which is made when it is missing."""

    def __init__(
        self, folder: Path, *, sessions: Sessions | None = None, attempts: Attempts | None = None
    ) -> None:
        self._folder = folder
        self.sessions = sessions or Sessions()
        self._attempts = attempts or Attempts()

    def log_in(self, typed: str, client: str) -> str:
        """A new session for whoever shows the token; returns what its cookie holds.

        Raises WrongToken, TooManyAttempts (for the right token too, or it could be told apart), TokenError.
        """
        self._check(typed, client)
        log.info("%s logged in", client)
        return self.sessions.start(client)

    def bearer(self, token: str, client: str) -> Session:
        """A session for one request of a program that shows the token itself. Raises as log_in."""
        self._check(token, client)
        return Session(client, started=0.0, used=0.0)

    def _check(self, typed: str, client: str) -> None:
        wait = self._attempts.wait_seconds(client)
        if wait > 0:
            raise TooManyAttempts(wait)
        if not matches(typed, self._token()):
            self._attempts.failed(client)
            log.warning("%s showed a wrong token", client)
            raise WrongToken("this is not the token of this machine")

    def _token(self) -> str:
        try:
            return read_token(self._folder)
        except TokenError:
            make_token(self._folder)
            return read_token(self._folder)
