"""A child process that says what it does, line by line, while it does it.

Like every child of bee it leads a session of its own and is killed whole. Its parent does not wait for its
end with the output in hand, but is told each line at once.
"""

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from bee_machine.machine import ToolMissing
from bee_machine.process import GRACE_SECONDS, Exit, kill_session

OnLine = Callable[[bytes], None]

_TAIL_BYTES = 8 << 10  # of standard error, for who asks why it ended
_CHUNK_BYTES = 1 << 16


class Talker:
    """The child. ``flooded``: a line was longer than allowed; it and all after it are lost.

    ``rest``: what came after the last whole line, known once it has ended.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", exit_: Exit, on_line: OnLine, limit_bytes: int
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        self.flooded = False
        self.rest = b""
        self._process = process
        self._exit = exit_
        self._on_line = on_line
        self._limit_bytes = limit_bytes
        self._tail: deque[bytes] = deque()
        self._pipes = (
            _Pipe(process.stdout.fileno(), self._heard),
            _Pipe(process.stderr.fileno(), self._complained),
        )

    @property
    def complaint(self) -> str:
        """The end of what it wrote to standard error."""
        return b"".join(self._tail)[-_TAIL_BYTES:].decode("utf-8", "replace").strip()

    async def ended(self) -> int:
        """Its exit status once it has ended and its last line was told; negative when a signal ended it."""
        await asyncio.wait([self._exit.ended])
        # A child of its own may hold the pipes open: they get a moment, not more.
        await asyncio.wait([pipe.closed for pipe in self._pipes], timeout=GRACE_SECONDS)
        status = self._process.poll()
        assert status is not None
        return status

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its session, without waiting for that."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.stop()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            self._process.send_signal(number)

    def _heard(self, chunk: bytes) -> None:
        if self.flooded:
            return
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            if len(line) > self._limit_bytes:
                self.flooded = True
                return
            self._on_line(line)
        self.flooded = len(self.rest) > self._limit_bytes

    def _complained(self, chunk: bytes) -> None:
        self._tail.append(chunk)
        while sum(map(len, self._tail)) - len(self._tail[0]) > _TAIL_BYTES:
            self._tail.popleft()


class _Pipe:
    """One output of the child, read as it comes."""

    def __init__(self, descriptor: int, on_chunk: OnLine) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._on_chunk = on_chunk
        self.closed: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def stop(self) -> None:
        self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        try:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return
        if chunk:
            self._on_chunk(chunk)
        else:
            self.stop()
            self.closed.set_result(None)


@asynccontextmanager
async def talking(
    argv: Sequence[str],
    *,
    on_line: OnLine,
    line_limit_bytes: int,
    environment: Mapping[str, str],
    said: bytes = b"",
    descriptors: Sequence[int] = (),
) -> AsyncIterator[Talker]:
    """Start a child for as long as the block lasts; at its end nothing of its session is left.

    ``on_line`` gets every whole line, without its end. ``said``: its standard input, all of it.
    ``descriptors``: files that stay open in it. Raises ToolMissing.
    """
    said_file = _file_of(said)
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns as soon as the program is loaded
            argv,
            stdin=said_file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            pass_fds=tuple(descriptors),
        )
    except OSError as error:
        raise ToolMissing(f"{argv[0]} cannot be started: {error.strerror}") from error
    finally:
        os.close(said_file)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, Exit(process.pid) as exit_:
        talker = Talker(process, exit_, on_line, line_limit_bytes)
        try:
            yield talker
        finally:
            talker.stop()
            await kill_session(process, exit_)


def _file_of(content: bytes) -> int:
    """A file in memory, to be read from its beginning: unlike a pipe it never waits for a reader."""
    descriptor = os.memfd_create("said", os.MFD_CLOEXEC)
    with open(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
