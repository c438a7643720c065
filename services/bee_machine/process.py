"""The one way to run a child process: a session of its own, a deadline, bounded output, killed whole.

`run_tool` is for a question with a short answer, which it returns. `bee_machine.load.run_to_file` is for a
program that loads the machine: it has a keeper, and its output goes to a file.

asyncio's own subprocess support reports the end of a process only when its pipes are closed as well, which a
grandchild can put off for ever; so the process is watched here by a pidfd.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time

from bee_machine.machine import ToolFlooded, ToolHung, ToolMissing, ToolResult

# Where tools live that a service's or a user's PATH may lack.
TOOL_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
GRACE_SECONDS = 1.0  # for pipes to close after the end, and for a killed process to be gone


async def run_tool(argv: tuple[str, ...], *, deadline_seconds: float, output_limit_bytes: int) -> ToolResult:
    """Run a tool to its end, with no standard input and the C locale.

    Raises ToolMissing, ToolHung after ``deadline_seconds``, ToolFlooded past ``output_limit_bytes`` on
    either stream. However it ends, also when cancelled, no process of its session is left.
    """
    program = find_program(argv[0])
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns as soon as the program is loaded
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=tool_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise ToolMissing(f"{argv[0]} cannot be started: {error.strerror}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, Exit(process.pid) as exit_:
        streams = (
            _Stream(process.stdout.fileno(), output_limit_bytes),
            _Stream(process.stderr.fileno(), output_limit_bytes),
        )
        try:
            async with asyncio.timeout(deadline_seconds):
                await asyncio.wait(
                    [exit_.ended, *(stream.flooded for stream in streams)],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if exit_.ended.done():
                    # A child that the tool left behind may hold the pipes open: they get a moment, not more.
                    await asyncio.wait([stream.closed for stream in streams], timeout=GRACE_SECONDS)
        except TimeoutError:
            raise ToolHung(f"{argv[0]} did not end within {deadline_seconds:g} s") from None
        finally:
            for stream in streams:
                stream.stop()
            await kill_session(process, exit_)
    if any(stream.flooded.done() for stream in streams):
        raise ToolFlooded(f"{argv[0]} printed more than {output_limit_bytes} bytes and was stopped")
    stdout, stderr = (bytes(stream.content) for stream in streams)
    return ToolResult(argv, process.returncode, stdout, stderr, time.monotonic() - started)


def find_program(name: str) -> str:
    """Where a tool is. Raises ToolMissing."""
    program = shutil.which(name, path=_path())
    if program is None:
        raise ToolMissing(f"{name} is not installed")
    return program


def tool_environment() -> dict[str, str]:
    """This program's environment with the C locale and every place where tools live."""
    return {**os.environ, "LC_ALL": "C", "PATH": _path()}


def _path() -> str:
    return os.pathsep.join(dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), *TOOL_FOLDERS]))


class Exit:
    """The end of a child process as a future; the child stays a zombie until it is waited for."""

    def __init__(self, pid: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._end)

    def __enter__(self) -> "Exit":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)

    def _end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if not self.ended.done():
            self.ended.set_result(None)


class _Stream:
    """One output of the tool, kept up to a limit."""

    def __init__(self, descriptor: int, limit_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self.content = bytearray()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.flooded: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def stop(self) -> None:
        self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        try:
            chunk = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        self.content += chunk
        if chunk and len(self.content) <= self._limit_bytes:
            return
        self.stop()
        self.closed.set_result(None)
        if chunk:
            self.flooded.set_result(None)


async def kill_session(process: "subprocess.Popen[bytes]", exit_: Exit) -> None:
    """Kill a child that leads a session, and all that it left there; wait a moment for it to be gone."""
    # The session's id is the tool's pid, which is not reused before the tool has been waited for: its
    # children are found by it even when the tool itself has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # In uninterruptible sleep (a dead disk) it cannot die now; subprocess reaps it once the kernel lets go.
    await asyncio.wait([exit_.ended], timeout=GRACE_SECONDS)
    process.poll()
