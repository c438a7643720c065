"""Logging in and out, for pages and for programs."""

from typing import Any

from bee_bus.web_token import TokenError
from bee_web.bodies import LogIn, SessionState
from bee_web.handlers.base import COOKIE, Handler, JsonHandler, Page, not_let_in
from bee_web.login.login import TooManyAttempts, WrongToken
from bee_web.login.sessions import LIFE_SECONDS


class SessionApi(JsonHandler):
    """Whether somebody is logged in; to log in; to log out."""

    async def get(self) -> None:
        session = self.house.login.sessions.find(self.get_cookie(COOKIE), use=False)
        if session is None:
            self.answer(SessionState(logged_in=False))
        else:
            self.answer(
                SessionState(
                    logged_in=True, expires_in_seconds=self.house.login.sessions.seconds_left(session)
                )
            )

    async def post(self) -> None:
        log_in(self, self.body(LogIn).token)
        self.answer(SessionState(logged_in=True, expires_in_seconds=int(LIFE_SECONDS)))

    async def delete(self) -> None:
        log_out(self)
        self.set_status(204)


class LogInForm(Page):
    async def post(self) -> None:
        log_in(self, self.field("token"))
        self.redirect(own_address(self.field("next")), status=303)


class LogOutForm(Page):
    async def post(self) -> None:
        log_out(self)
        self.redirect("/", status=303)


def log_in(handler: Handler, typed: str) -> None:
    """Give the browser a session's cookie. Raises a Refusal for a wrong token, or too many of them."""
    login = handler.house.login
    try:
        name = login.log_in(typed, handler.client)
    except (WrongToken, TooManyAttempts, TokenError) as error:
        raise not_let_in(error) from None
    login.sessions.end(handler.get_cookie(COOKIE))
    # Not Secure: on the segment there is only http, by address.
    handler.set_cookie(COOKIE, name, path="/", httponly=True, samesite="Strict")


def log_out(handler: Handler) -> None:
    """End the browser's session, if it has one."""
    handler.house.login.sessions.end(handler.get_cookie(COOKIE))
    handler.clear_cookie(COOKIE, path="/")


def own_address(asked: str) -> str:
    """Where to go after a login: an address of ours, whatever was asked for."""
    plain = asked.isascii() and asked.isprintable() and "\\" not in asked
    return asked if plain and asked.startswith("/") and not asked.startswith("//") else "/"


ROUTES: list[Any] = [
    (r"/api/v1/session", SessionApi),
    (r"/do/login", LogInForm),
    (r"/do/logout", LogOutForm),
]
