"""What every answer of the web has: its headers, its errors, and who asks.

    class Runs(JsonHandler):
        async def get(self) -> None:
            self.answer(await ...)

    class StartRun(JsonHandler):
        async def post(self) -> None:
            session = self.require_session()

Errors are raised: `Refusal` of our own, BeeError of the services. A fault of bee's reaches nobody with words.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from bee_bus import errors
from bee_bus.errors import BeeError, in_words
from bee_bus.web_token import TokenError
from bee_web.bodies import Problem
from bee_web.login.login import TooManyAttempts, WrongToken
from bee_web.login.sessions import NotLoggedIn
from bee_web.rendering import render, render_often

if TYPE_CHECKING:
    from bee_web.house import House
    from bee_web.login.sessions import Session

log = logging.getLogger(__name__)

_Body = TypeVar("_Body")

COOKIE = "bee_session"
_CHALLENGE = 'Bearer realm="bee"'
READS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Server": "bee",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer browsers say "Origin: null" when a form of ours is sent, and same-origin checks fail.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",  # handlers of what may be kept say so
}

_STATUS: dict[type[BeeError], int] = {
    errors.Busy: 409,
    errors.NotFound: 404,
    errors.UnknownObject: 404,
    errors.InvalidOption: 400,
    errors.InvalidArgs: 400,
    errors.NotSupported: 409,
    errors.Cancelled: 409,
    errors.AccessDenied: 403,
    errors.InteractiveAuthorizationRequired: 403,
    errors.NoReply: 504,
    errors.ServiceUnknown: 503,
    errors.ServiceGone: 503,
    errors.SpawnFailed: 503,
    errors.Disconnected: 503,
}


class Refusal(Exception):
    """An answer that is not what was asked for. ``name``: for programs; ``message``: a sentence."""

    def __init__(
        self, status: int, name: str, message: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
        self.headers = headers or {}


class Handler(RequestHandler):
    """What `Page` and `JsonHandler` share; by itself, an answer in plain text."""

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    @property
    def house(self) -> House:
        house: House = self.application.house  # type: ignore[attr-defined]
        return house

    @property
    def session(self) -> Session | None:
        """Who asks, when logged in: by the cookie, or by the token as a bearer. It counts as a use."""
        login = self.house.login
        if (token := bearer_token(self.request.headers.get("Authorization"))) is None:
            return login.sessions.find(self.get_cookie(COOKIE))
        try:
            return login.bearer(token, self.client)
        except (WrongToken, TooManyAttempts, TokenError) as error:
            raise not_let_in(error) from None

    @property
    def client(self) -> str:
        """The address that the request came from."""
        return (self.request.remote_ip or "").removeprefix("::ffff:")  # IPv4, by a socket for both

    def require_session(self) -> Session:
        """Who asks. Raises NotLoggedIn."""
        session = self.session
        if session is None:
            raise NotLoggedIn
        return session

    def prepare(self) -> None:
        """Refuse a change that another site's page asks for."""
        if self.request.method not in READS:
            check_same_origin(self.request.headers)

    def head(self, *arguments: str, **keywords: str) -> Any:
        """As GET; tornado leaves the body out."""
        return self.get(*arguments, **keywords)

    def refused(self, refusal: Refusal) -> None:
        """Answer with a refusal."""
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{refusal.message[:1].upper()}{refusal.message[1:]}.\n")

    def write_error(self, status_code: int, **keywords: Any) -> None:
        error = keywords.get("exc_info", (None, None, None))[1]
        refusal = as_refusal(error, status_code)
        self.set_status(refusal.status)
        for name, value in refusal.headers.items():
            self.set_header(name, value)
        if refusal.status == 405:
            self.set_header("Allow", ", ".join(self._methods()))
        self.refused(refusal)

    def _methods(self) -> list[str]:
        """What this address takes (RFC 9110 §15.5.6)."""
        lacking = RequestHandler.get
        there = [name for name in self.SUPPORTED_METHODS if getattr(type(self), name.lower()) is not lacking]
        return there if "GET" in there else [name for name in there if name != "HEAD"]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if isinstance(value, (HTTPError, Refusal, NotLoggedIn, BeeError, StreamClosedError)):
            return
        log.error("a fault in %s %.200s", self.request.method, self.request.path, exc_info=value)


class Page(Handler):
    """An answer for people."""

    def field(self, name: str) -> str:
        """What was filled in; empty when nothing was."""
        return self.get_body_argument(name, "") or ""

    def show(self, template: str, status: int = 200, *, often: bool = False, **view: Any) -> None:
        """Send a page made from a template, in which all values are escaped.

        ``often``: of a page that many look at, which is made anew only when something in it has changed.
        """
        snapshot = self.house.snapshot.read().snapshot
        name = self.get_cookie(COOKIE)
        # A page that is loaded again by itself is no sign of anybody being there.
        by_itself = "X-Bee-Refresh" in self.request.headers
        frame = {
            "path": self.request.path,
            "logged_in": self.house.login.sessions.find(name, use=not by_itself) is not None,
            "machine": snapshot.host_name if snapshot else "",
        }
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.finish((render_often if often else render)(template, **{**frame, **view}))

    def refused(self, refusal: Refusal) -> None:
        heading = HTTPStatus(refusal.status).phrase if refusal.status != 401 else "Please log in"
        view: dict[str, Any] = {
            "title": heading,
            "heading": heading,
            "name": refusal.name,
            "message": refusal.message,
        }
        self.show("error.html", refusal.status, **view)


class JsonHandler(Handler):
    """An answer for programs: JSON, also of what went wrong."""

    def answer(self, document: Any, status: int = 200) -> None:
        """Send a document: a Struct, or what msgspec makes JSON of."""
        self.answer_text(msgspec.json.encode(document), status)

    def body(self, kind: type[_Body]) -> _Body:
        """What was sent, as a document. Raises a Refusal that says what is wrong with it."""
        media = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise Refusal(415, "NotJson", "this takes JSON (Content-Type: application/json)")
        try:
            return msgspec.json.decode(self.request.body, type=kind)
        except msgspec.MsgspecError as error:
            raise Refusal(400, "InvalidBody", f"that is not what this takes: {str(error)[:300]}") from None

    def answer_text(self, text: bytes, status: int = 200) -> None:
        """Send what is JSON already."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(text)

    def refused(self, refusal: Refusal) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(Problem(error=refusal.name, message=refusal.message)))


class Nowhere(Page):
    """Every address that is not there."""

    def prepare(self) -> None:
        raise _nothing_here()


class NowhereJson(JsonHandler):
    """Every address of the API that is not there."""

    def prepare(self) -> None:
        raise _nothing_here()


class Static(StaticFileHandler):
    """The files of the pages; an address with the content's hash may be kept for ever."""

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            if name != "Cache-Control":
                self.set_header(name, value)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{HTTPStatus(status_code).phrase}\n")


def _nothing_here() -> Refusal:
    return Refusal(404, "NotFound", "there is nothing at this address")


def as_refusal(error: BaseException | None, status: int = 500) -> Refusal:
    """What a browser is told of an error; of a fault of our own no more than that it is one."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, NotLoggedIn):
        return Refusal(401, "NotLoggedIn", str(error), headers={"WWW-Authenticate": _CHALLENGE})
    if isinstance(error, BeeError):
        found = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 502)
        return Refusal(found, error.name.rpartition(".")[2], in_words(error))
    if isinstance(error, HTTPError):
        status = error.status_code
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    if status >= 500:
        return Refusal(status, "Internal", "a fault in bee itself: its log (journalctl -u bee-web) has more")
    return Refusal(status, phrase.title().replace(" ", ""), phrase.lower())


def check_same_origin(headers: Any) -> None:
    """Raise a Refusal unless one of our own pages asks, or a program that shows a token of its own accord."""
    site, origin, host = headers.get("Sec-Fetch-Site"), headers.get("Origin"), headers.get("Host", "")
    if site is not None and site != "same-origin":
        raise _foreign()
    if origin is not None:
        if not host or not _is_from(origin, host):
            raise _foreign()
    elif site is None and bearer_token(headers.get("Authorization")) is None:
        raise _foreign()


def bearer_token(authorization: str | None) -> str | None:
    """What an Authorization header shows, when it is of that kind (RFC 6750 §2.1)."""
    kind, _, token = (authorization or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def not_let_in(error: WrongToken | TooManyAttempts | TokenError) -> Refusal:
    """The answer to somebody who could not be let in."""
    if isinstance(error, TooManyAttempts):
        return Refusal(429, "TooManyAttempts", str(error), headers={"Retry-After": str(error.wait_seconds)})
    if isinstance(error, WrongToken):
        return Refusal(401, "WrongToken", str(error), headers={"WWW-Authenticate": _CHALLENGE})
    log.error("%s", error)
    return Refusal(503, "NoToken", "this machine has no token that could be compared with")


def _is_from(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _foreign() -> Refusal:
    return Refusal(
        403, "CrossOrigin", "changes come from bee's own pages, or with a token in the Authorization header"
    )
