"""What a child prints: into a file up to a limit, and line by line to who follows it."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from typing import IO

from bee_machine.threads import in_thread

OnLine = Callable[[str], None]

LINE_LIMIT_BYTES = 4096

_CHUNK_BYTES = 1 << 16
_PAUSE_SECONDS = 0.05  # what a chatty child prints meanwhile is one chunk
_HALF = LINE_LIMIT_BYTES // 2
_LINE_END = re.compile(rb"[\r\n]+")
_STROKES = re.compile(rb"\x08+|[\r\n]|[^\x08\r\n]+")


async def copy_output(
    source: IO[bytes],
    target: IO[bytes],
    *,
    limit_bytes: int,
    on_line: OnLine | None = None,
    redrawn: bool = False,
) -> bool:
    """Copy a pipe to its end; True when it held more than ``limit_bytes``, of which just those are kept.

    ``redrawn``: what is kept of a line that is drawn over with backspaces is how it looks in the end. Raises
    OSError when ``target`` does not take it, and what ``on_line`` raises.
    """
    descriptor = source.fileno()
    os.set_blocking(descriptor, False)
    lines, drawing = Lines(), Drawing()
    left = limit_bytes
    while True:
        await _readable(descriptor)
        chunk = os.read(descriptor, _CHUNK_BYTES)
        text = chunk
        if redrawn:
            text = drawing.feed(chunk) if chunk else drawing.rest()
        if text:
            await in_thread(_write, target, text[:left])
        if on_line is not None:
            for line in lines.feed(text[:left]):
                on_line(line)
            for line in [] if chunk else lines.rest():
                on_line(line)
        left -= len(text)
        if left < 0:
            return True
        if not chunk:
            return False
        if len(chunk) < _CHUNK_BYTES:
            await asyncio.sleep(_PAUSE_SECONDS)


class Drawing:
    """A line as a terminal would show it, for programs that go back with backspaces and write over it."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._at = 0

    def feed(self, chunk: bytes) -> bytes:
        """The lines that are finished now."""
        finished = bytearray()
        for stroke in _STROKES.findall(chunk):
            if stroke == b"\n":
                finished += self.rest() + b"\n"
            elif stroke == b"\r":
                self._at = 0
            elif stroke[0] == 8:
                self._at = max(self._at - len(stroke), 0)
            else:
                text = stroke[: LINE_LIMIT_BYTES - self._at]
                self._line[self._at : self._at + len(text)] = text
                self._at += len(text)
        return bytes(finished)

    def rest(self) -> bytes:
        """The line as it stands."""
        line = bytes(self._line).rstrip(b" ")
        self._line.clear()
        self._at = 0
        return line


class Lines:
    """Cuts a stream into lines, which newlines and carriage returns end; empty ones are left out.

    Of a line longer than `LINE_LIMIT_BYTES` the beginning and the end are kept.
    """

    def __init__(self) -> None:
        self._part = b""
        self._long = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        *lines, part = _LINE_END.split(self._part + chunk)
        for line in lines:
            yield from self._line(line)
        self._part = part
        if len(part) > LINE_LIMIT_BYTES:
            self._part = part[:_HALF] + part[-_HALF:]
            self._long = True

    def rest(self) -> Iterator[str]:
        """The last line, when nothing ended it."""
        yield from self._line(self._part)
        self._part = b""

    def _line(self, line: bytes) -> Iterator[str]:
        if self._long or len(line) > LINE_LIMIT_BYTES:
            line = line[:_HALF] + b" ... " + line[-_HALF:]
            self._long = False
        if line:
            yield line.decode("utf-8", "replace")


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _write(target: IO[bytes], chunk: bytes) -> None:
    target.write(chunk)
    target.flush()
