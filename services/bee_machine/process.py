"""The one way to run a child process: a session of its own, a deadline, bounded output, killed whole."""

import asyncio
import contextlib
import os
import shutil
import signal
import time

from bee_machine.machine import ToolFlooded, ToolHung, ToolMissing, ToolResult

# Where tools live that a service's or a user's PATH may lack.
TOOL_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
GRACE_SECONDS = 1.0  # for the pipes to close, or a killed process to be gone


async def run_tool(argv: tuple[str, ...], *, deadline_seconds: float, output_limit_bytes: int) -> ToolResult:
    """Run a tool to its end, with no standard input and the C locale.

    Raises ToolMissing, ToolHung after ``deadline_seconds``, ToolFlooded past ``output_limit_bytes`` on
    either stream. However it ends, also when cancelled, no process of its session is left.
    """
    path = _tool_path()
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise ToolMissing(f"{argv[0]} is not installed")
    started = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *argv[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", "PATH": path},
            start_new_session=True,
        )
    except OSError as error:
        raise ToolMissing(f"{argv[0]} cannot be started: {error.strerror}") from error
    streams = (_Stream(process.stdout, output_limit_bytes), _Stream(process.stderr, output_limit_bytes))
    readers = [asyncio.ensure_future(stream.read()) for stream in streams]
    try:
        try:
            async with asyncio.timeout(deadline_seconds):
                await _ended(process, readers, argv[0])
        except TimeoutError:
            raise ToolHung(f"{argv[0]} did not end within {deadline_seconds:g} s") from None
    finally:
        await _kill_session(process)
        for reader in readers:
            reader.cancel()
    assert process.returncode is not None
    stdout, stderr = (bytes(stream.content) for stream in streams)
    return ToolResult(argv, process.returncode, stdout, stderr, time.monotonic() - started)


def _tool_path() -> str:
    return os.pathsep.join(dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), *TOOL_FOLDERS]))


class _Stream:
    """One output of the tool, kept up to a limit."""

    def __init__(self, reader: asyncio.StreamReader | None, limit_bytes: int) -> None:
        assert reader is not None
        self._reader = reader
        self._limit_bytes = limit_bytes
        self.content = bytearray()

    async def read(self) -> None:
        while chunk := await self._reader.read(1 << 16):
            self.content += chunk
            if len(self.content) > self._limit_bytes:
                raise ToolFlooded("")


async def _ended(
    process: asyncio.subprocess.Process, readers: "list[asyncio.Future[None]]", tool: str
) -> None:
    """Until the process has ended and its output is read, or a stream is over its limit."""
    exit_ = asyncio.ensure_future(process.wait())
    try:
        waiting: set[asyncio.Future[None] | asyncio.Future[int]] = {exit_, *readers}
        while not exit_.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            _raise_flooded(done, tool)
        # A child that the tool left behind may hold the pipes open for ever: they get a moment, not more.
        if rest := [reader for reader in readers if not reader.done()]:
            await asyncio.wait(rest, timeout=GRACE_SECONDS)
        _raise_flooded({reader for reader in readers if reader.done()}, tool)
    finally:
        exit_.cancel()


def _raise_flooded(done: "set[asyncio.Future[None] | asyncio.Future[int]]", tool: str) -> None:
    for future in done:
        if isinstance(future.exception(), ToolFlooded):
            raise ToolFlooded(f"{tool} printed more than can be read and was stopped")


async def _kill_session(process: asyncio.subprocess.Process) -> None:
    # The session's id is the tool's pid: its children are found by it even when the tool has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        # In uninterruptible sleep (a dead disk) it cannot be killed now: the kernel will when it wakes.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
