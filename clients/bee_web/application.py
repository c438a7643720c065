"""All addresses, and what holds for every request."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import Application, RequestHandler

from bee_web.handlers import base

if TYPE_CHECKING:
    from bee_web.house import House

# Each has ROUTES: what tornado.web.Application takes. What is named first wins.
HANDLER_MODULES: tuple[str, ...] = (
    "session",
    "api",
    "events",
    "downloads",
    "openapi",
    "metrics",
    "health",
    "changes",
    "pages",
    "inventory",
    "gpus",
    "runs",
    "report",
)

HERE = Path(__file__).parent

log = logging.getLogger("bee_web.access")


class WebApplication(Application):
    """The routes of all handler modules, over one house."""

    def __init__(self, house: House) -> None:
        self.house = house
        super().__init__(
            [*routes(), (r"/api/.*", base.NowhereJson)],
            default_handler_class=base.Nowhere,
            log_function=_log,
            template_path=str(HERE / "templates"),
            static_path=str(HERE / "static"),
            static_handler_class=base.Static,
        )


def routes() -> list[Any]:
    """The routes of every handler module, in order."""
    found: list[Any] = []
    for name in HANDLER_MODULES:
        found += import_module(f"bee_web.handlers.{name}").ROUTES
    return found


def _log(handler: RequestHandler) -> None:
    """Who only looks leaves no line; changes are logged where they are made."""
    if handler.get_status() >= 500 and handler.request.method not in base.READS:
        log.warning("%d %s %.200s", handler.get_status(), handler.request.method, handler.request.path)
