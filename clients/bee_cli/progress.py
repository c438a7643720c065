"""One line on standard error that says how far a job is, and is gone when it has ended."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bee_bus.client import JobClient
from bee_cli.text import clean

TICK_SECONDS = 0.5


async def follow(job: JobClient, title: str) -> dict[str, Any]:
    """Wait for the job's end with the line on show; returns its properties then.

    Nothing is shown where nobody looks: in a pipe, a log, a unit, and on terminals that cannot go back.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return await job.finished()
    line = _Line(title)
    ticking = asyncio.create_task(line.tick())
    try:
        return await job.finished(on_change=line.update)
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        line.erase()


def progress_text(title: str, job: Mapping[str, Any], seconds: float) -> str:
    """ "audit  64 %  4.2 s  storage, sensors": what is being waited for comes last, to be cut first."""
    share = f"  {job['Progress']:.0%}" if job.get("ProgressValid") else ""
    return f"{title}{share}  {seconds:.0f} s  {clean(job.get('Step', ''))}".rstrip()


class _Line:
    def __init__(self, title: str) -> None:
        self._title = title
        self._started = time.monotonic()
        self._job: Mapping[str, Any] = {}

    def update(self, job: Mapping[str, Any]) -> None:
        self._job = job
        self._draw()

    async def tick(self) -> None:
        """Keep the seconds running, so that a slow section does not look like a hang of ours."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._draw()

    def erase(self) -> None:
        _write("\r\x1b[K")

    def _draw(self) -> None:
        text = progress_text(self._title, self._job, time.monotonic() - self._started)
        _write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")


def _write(text: str) -> None:
    with suppress(OSError):  # the terminal hung up: nobody misses the line
        sys.stderr.write(text)
        sys.stderr.flush()
