"""Files of runs, sent as they are read: nothing of them is held in memory but what is under way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import Any, cast

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from bee_bus.sat_client import SatClient
from bee_web.file_names import attachment, safe_name
from bee_web.handlers.base import JsonHandler, Refusal

CHUNK_BYTES = 256 << 10
AT_ONCE_MAX = 32
ARCHIVE = "archive"

_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".tar.gz": "application/gzip",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
}
# Export formats of org.bee.Sat1, and how such files are called.
_FORMATS = {"junit": ".xml", "ocp": ".jsonl"}


class FileHandler(JsonHandler):
    """A file to be saved. Errors are JSON."""

    _under_way = 0

    async def send_file(self, file: BufferedReader, name: str) -> None:
        """Send it, as much of it as there is now, and close it."""
        with file, self._counted(), suppress(StreamClosedError):
            left = os.fstat(file.fileno()).st_size
            suffix = next((end for end in _TYPES if name.endswith(end)), "")
            self.set_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
            self.set_header("Content-Disposition", attachment(name))
            self.set_header("Content-Length", str(left))
            # It is to be saved; in a browser that shows it all the same it can do nothing.
            self.set_header(
                "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"
            )
            await self.flush()
            while left and self.request.method != "HEAD":
                chunk = await asyncio.to_thread(file.read, min(left, CHUNK_BYTES))
                if not chunk:  # it was cut meanwhile: whoever waits has to see that the rest is missing
                    cast(HTTP1Connection, self.request.connection).stream.close()
                    return
                left -= len(chunk)
                self.write(chunk)
                await self.flush()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if FileHandler._under_way >= AT_ONCE_MAX:
            raise Refusal(
                503, "Busy", "too many files are being fetched; try again soon", headers={"Retry-After": "5"}
            )
        FileHandler._under_way += 1
        try:
            yield
        finally:
            FileHandler._under_way -= 1


class ArtifactFile(FileHandler):
    async def get(self, run: str, name: str) -> None:
        async with self.house.door.bus() as bus:
            file = await SatClient(bus).open_artifact(run, name)
        stem, dot, kind = name.rpartition(".")
        await self.send_file(file, safe_name(run, stem if dot else name, suffix=dot + safe_name(kind)))


class ArchiveFile(FileHandler):
    """All of a run."""

    async def get(self, run: str) -> None:
        async with self.house.door.bus() as bus:
            file = await SatClient(bus).open_artifact(run, ARCHIVE)
        await self.send_file(file, safe_name("bee-sat", run, suffix=".tar.gz"))


class ExportFile(FileHandler):
    """A run that has ended, for other programs: ``format`` is "junit" or "ocp"."""

    async def get(self, run: str) -> None:
        name = self.get_query_argument("format", "")
        if name not in _FORMATS:
            raise Refusal(400, "InvalidOption", f"format is one of {', '.join(_FORMATS)}")
        async with self.house.door.bus() as bus:
            file = await SatClient(bus).export(run, name)
        await self.send_file(file, safe_name("bee-sat", run, name, suffix=_FORMATS[name]))


_RUN = r"/api/v1/runs/([^/]{1,80})"

ROUTES: list[Any] = [
    (_RUN + r"/artifacts/([^/]{1,200})", ArtifactFile),
    (_RUN + r"/archive", ArchiveFile),
    (_RUN + r"/export", ExportFile),
]
