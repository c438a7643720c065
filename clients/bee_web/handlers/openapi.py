"""The description of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bee_web.handlers.base import JsonHandler

DESCRIPTION = Path(__file__).parents[1] / "openapi.json"


class OpenApi(JsonHandler):
    def get(self) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.answer_text(DESCRIPTION.read_bytes())


ROUTES: list[Any] = [(r"/api/v1/openapi\.json", OpenApi)]
