"""Whether the web serves; and in passing, which services answer it."""

from __future__ import annotations

from typing import Any

from bee_web.handlers.base import Handler


class Health(Handler):
    """200 and "ok" as long as it serves; the lines below are about the others."""

    def get(self) -> None:
        now = self.house.live.services.now
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        bus = "there" if now.bus else "missing"
        self.finish(f"ok\nbus: {bus}\naudit: {now.audit}\nsat: {now.sat}\ngpu: {now.gpu}\n")


ROUTES: list[Any] = [(r"/healthz", Health)]
