"""/metrics, for Prometheus."""

from __future__ import annotations

from typing import Any

from bee_web.handlers.base import Handler
from bee_web.metrics import encoded, gather


class Metrics(Handler):
    """OpenMetrics for who asks for it, else the older text format."""

    async def get(self) -> None:
        content_type, text = encoded(await gather(self.house), self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.set_header("Vary", "Accept")
        self.finish(text)


ROUTES: list[Any] = [(r"/metrics", Metrics)]
