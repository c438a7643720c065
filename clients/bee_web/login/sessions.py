"""Who is logged in: random names in memory, which end by themselves."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

LIFE_SECONDS = 12 * 3600.0
IDLE_SECONDS = 3600.0
MANY = 64

_ID_BYTES = 32


class NotLoggedIn(Exception):
    """Only who is logged in may do this."""

    def __init__(self) -> None:
        super().__init__("this needs a login")


@dataclass
class Session:
    """Somebody who has shown the token. ``client``: the address that they came from, for the log."""

    client: str
    started: float
    used: float
    ended: bool = False


class Sessions:
    """Sessions by what the browser's cookie holds; only its digest is kept here."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def __len__(self) -> int:
        self._forget_the_old()
        return len(self._sessions)

    def start(self, client: str) -> str:
        """A new session; returns what its cookie holds. Beyond so many, the one unused for longest ends."""
        self._forget_the_old()
        while len(self._sessions) >= MANY:
            self._end(min(self._sessions, key=lambda each: self._sessions[each].used))
        now = self._clock()
        name = secrets.token_urlsafe(_ID_BYTES)
        self._sessions[_digest(name)] = Session(client, started=now, used=now)
        return name

    def find(self, name: str | None, *, use: bool = True) -> Session | None:
        """The session of a cookie; None when there is none (any more). ``use``: it is not idle now."""
        if not name:
            return None
        self._forget_the_old()
        session = self._sessions.get(_digest(name))
        if session is not None and use:
            session.used = self._clock()
        return session

    def seconds_left(self, session: Session) -> int:
        """How long it lasts at most."""
        return max(0, int(session.started + LIFE_SECONDS - self._clock()))

    def end(self, name: str | None) -> None:
        """Log out; harmless without a session."""
        if name and (digest := _digest(name)) in self._sessions:
            self._end(digest)

    def _forget_the_old(self) -> None:
        now = self._clock()
        for digest, session in list(self._sessions.items()):
            if now - session.started >= LIFE_SECONDS or now - session.used >= IDLE_SECONDS:
                self._end(digest)

    def _end(self, digest: bytes) -> None:
        self._sessions.pop(digest).ended = True


def _digest(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogateescape")).digest()
