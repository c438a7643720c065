"""Templates to pages. Every value is shown as text, whatever stands in it; `raw` is for our own pictures."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.template import Loader

from bee_bus.text import clean
from bee_bus.units import several
from bee_bus.version import VERSION
from bee_bus.words import ago, lasting
from bee_web.vendor import vendor_folder

HERE = Path(__file__).parent
STATIC = HERE / "static"
LIMIT_CHARACTERS = 4000

_often: dict[tuple[str, bool], tuple[dict[str, Any], bytes]] = {}

_TONES = {
    "OK": "ok",
    "Warning": "warning",
    "Critical": "critical",
    "Unknown": "unknown",
    "Info": "none",
    "FAILED": "critical",
    "UNSUPPORTED": "warning",
    "ABORTED": "unknown",
    "INTERRUPTED": "unknown",
    "RUNNING": "running",
}


def render(template: str, **view: Any) -> bytes:
    """A page. ``title``, ``path`` and ``logged_in`` are for every page's frame."""
    frame = {"title": "", "path": "", "logged_in": False, "machine": "", "scripts": (), "sheets": ()}
    frame["chart_sheet"] = False
    return _loader().load(template).generate(**{**frame, **view})


def render_often(template: str, **view: Any) -> bytes:
    """The same; a page of which nothing has changed since the last time is not made anew."""
    key = template, bool(view["logged_in"])
    known = _often.get(key)
    if known is None or known[0] != view:
        known = _often[key] = view, render(template, **view)
    return known[1]


def prepare() -> None:
    """Read all that pages are made of, so that nothing of it is read later."""
    for template in (HERE / "templates").glob("*.html"):
        _loader().load(template.name)
    for file in STATIC.rglob("*.*"):
        static(str(file.relative_to(STATIC)))
    for file in vendor_folder().glob("*.*"):
        static(f"vendor/{file.name}")


def shown(value: bytes | str) -> str:
    """A value as text in HTML: nothing in it is markup, and nothing that cannot be seen is left in it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return escape(clean(text, limit=LIMIT_CHARACTERS))


def dash(value: object) -> str:
    """What is not known is a dash, never a zero."""
    return "–" if value is None or value == "" else str(value)


def tone(verdict: str | None) -> str:
    """The class that colours a verdict or a status."""
    return f"tone-{_TONES.get(verdict or '', 'none')}"


def moment(when: str | float | None) -> str:
    """ "2026-11-22 19:01 UTC" of RFC 3339 or Unix time."""
    if when is None or when == "":
        return "–"
    try:
        at = datetime.fromtimestamp(when, UTC) if isinstance(when, int | float) else _parsed(when)
    except (ValueError, OverflowError, OSError):
        return str(when)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def since(when: str | None, now: float) -> str:
    """ "3 minutes ago" of RFC 3339; empty where it cannot be read."""
    try:
        return ago(now - _parsed(when or "").timestamp())
    except ValueError:
        return ""


def address(*parts: str, **query: str | int) -> str:
    """An address on this site; each part becomes one segment of the path, whatever stands in it."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    given = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value != "")
    return f"{path}?{given}" if given else path


def static(path: str) -> str:
    """The address of a file of the pages, which changes with its content."""
    prefix = "" if path.startswith("vendor/") else "static/"
    return f"/{prefix}{path}?v={_mark(path)}"


@cache
def _mark(path: str) -> str:
    file = vendor_folder() / path.removeprefix("vendor/") if path.startswith("vendor/") else STATIC / path
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else "0"


@cache
def _loader() -> Loader:
    names = (shown, dash, tone, moment, since, address, static, several, lasting)
    return Loader(
        str(HERE / "templates"),
        autoescape="shown",
        namespace={**{name.__name__: name for name in names}, "version": VERSION},
    )


def _parsed(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
