"""Programs that load the machine: the second form of running a child, beside `bee_machine.process.run_tool`.

Each has a keeper (`bee_machine.keeper`), a process that prepares it and kills what comes of it, so that
nothing is left however it behaves and whoever dies first. It costs 20 ms, and spares this program, which has
threads, any work between fork and exec. Where systemd delegates control groups, a command has one as well.
"""

import asyncio
import json
import logging
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from bee_machine.cgroups import CommandGroup, delegated_cgroup
from bee_machine.endings import to_its_end
from bee_machine.machine import ToolError, ToolFlooded, ToolHung, ToolMissing
from bee_machine.output import OnLine, copy_output
from bee_machine.process import GRACE_SECONDS, Exit, find_program, tool_environment
from bee_machine.threads import in_thread

log = logging.getLogger(__name__)

KEEPER = Path(__file__).with_name("keeper.py")
KEEPER_SECONDS = 2.0  # the keeper gives up after 1.5
OUTPUT_SECONDS = 10.0  # for the last of the output to reach its file
LOAD_USERS = ("bee-load", "nobody")
TEMPORARY = "/tmp"  # where such a user may write

_STATUS_LIMIT_BYTES = 1 << 16


async def run_load(
    argv: tuple[str, ...],
    *,
    output: IO[bytes],
    deadline_seconds: float,
    output_limit_bytes: int,
    on_line: OnLine | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    unprivileged: bool = False,
    memory_lock: bool = False,
    cpus: Sequence[int] = (),
    redrawn: bool = False,
) -> int:
    """Run a program to its end, and return its exit code; negative when a signal ended it.

    What it prints on both streams goes to ``output``, in order. It runs at low priority, in ``folder``;
    ``unprivileged``: as the user bee-load, in /tmp. ``environment`` is added to
    this program's. ``memory_lock``: it may lock all memory. ``cpus``: those that it may run on. ``on_line``
    is given each line that it prints, of bounded length. ``redrawn``: it draws over them with backspaces.

    Raises ToolMissing, ToolHung after ``deadline_seconds``, ToolFlooded past ``output_limit_bytes``, OSError
    when ``output`` does not take what is printed, and what ``on_line`` raises. However it ends, also when
    cancelled, nothing that it started is left after two seconds.
    """
    program = find_program(argv[0])
    user = _load_user() if unprivileged else None
    group = _new_group()
    order = {
        "argv": argv,
        "program": program,
        "folder": str(folder or "") if user is None else TEMPORARY,
        "cgroup": str(group.folder) if group else None,
        "user": user,
        "memory_lock": memory_lock,
        "cpus": list(cpus),
    }
    try:
        keeper = _start(argv[0], order, {**tool_environment(), **(environment or {})})
    except ToolMissing:
        if group is not None:
            group.remove()
        raise
    with Exit(keeper.process.pid) as exit_:
        copying = asyncio.ensure_future(
            copy_output(
                keeper.output, output, limit_bytes=output_limit_bytes, on_line=on_line, redrawn=redrawn
            )
        )
        hung = False
        try:
            async with asyncio.timeout(deadline_seconds):
                either: set[asyncio.Future[Any]] = {exit_.ended, copying}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if copying.done() and copying.exception() is None and not copying.result():
                    await asyncio.wait({exit_.ended})  # it has closed its output and goes on
        except TimeoutError:
            hung = True
        finally:
            await to_its_end(_end(keeper, exit_, copying, group))
    if not copying.cancelled() and copying.result():
        raise ToolFlooded(f"{argv[0]} printed more than {output_limit_bytes} bytes and was stopped")
    if hung:
        raise ToolHung(f"{argv[0]} did not end within {deadline_seconds:g} s and was killed{keeper.left()}")
    exit_code = keeper.exit_code()
    if copying.cancelled():
        raise OSError("what it printed could not be written in time")
    return exit_code


class _Keeper:
    """The keeper's process, and what it tells."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", status: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.hold = process.stdin
        self.output = process.stdout
        self._name = name
        self._status = status
        self._told: dict[str, Any] = {}

    def let_go(self) -> None:
        """Have everything killed."""
        self.hold.close()

    def hear(self) -> None:
        """What it has to say, once it has ended."""
        os.set_blocking(self._status, False)
        with suppress(BlockingIOError):
            for line in os.read(self._status, _STATUS_LIMIT_BYTES).splitlines():
                self._told.update(json.loads(line))
        os.close(self._status)

    @property
    def has_killed_all(self) -> bool:
        return self._told.get("left") == []

    def exit_code(self) -> int:
        if "failed" in self._told:
            raise ToolMissing(f"{self._name} cannot be started: {self._told['failed']}")
        code = self._told.get("exit_code")
        if not isinstance(code, int):
            raise ToolError(f"{self._name}: the process that kept it was killed")
        if left := self.left():
            raise ToolHung(f"{self._name} has ended{left}")
        return code

    def left(self) -> str:
        """The end of a sentence about processes that cannot be killed, if there are."""
        names = self._told.get("left", [])
        return f"; these hang in the kernel and cannot be killed: {', '.join(names)}" if names else ""


def _start(name: str, order: Mapping[str, Any], environment: Mapping[str, str]) -> _Keeper:
    ours, its = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), json.dumps({**order, "status": its})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            pass_fds=(its,),
        )
    except OSError as error:
        os.close(ours)
        raise ToolMissing(f"{name} cannot be started: {error.strerror}") from error
    finally:
        os.close(its)
    return _Keeper(name, process, ours)


async def _end(
    keeper: _Keeper, exit_: Exit, copying: "asyncio.Future[bool]", group: CommandGroup | None
) -> None:
    """Leave no process, and keep what was printed until then."""
    if group is not None:
        group.kill()
    keeper.let_go()
    await asyncio.wait({exit_.ended}, timeout=KEEPER_SECONDS)
    if not exit_.ended.done():
        with suppress(ProcessLookupError):
            os.killpg(keeper.process.pid, signal.SIGKILL)
        await asyncio.wait({exit_.ended}, timeout=GRACE_SECONDS)
    keeper.process.poll()
    keeper.hear()
    # What the keeper could not kill may hold the pipe open for ever.
    await asyncio.wait({copying}, timeout=OUTPUT_SECONDS if keeper.has_killed_all else GRACE_SECONDS)
    if copying.cancel():
        await asyncio.wait({copying})
    if not copying.cancelled():
        copying.exception()  # is looked at, though a cancelled caller does not
    keeper.output.close()
    if left := keeper.left():
        log.error("a load was told to end%s", left)
    if group is not None and not await in_thread(group.remove):
        log.warning("control group %s is not empty and stays", group.folder)


def _new_group() -> CommandGroup | None:
    above = _delegated()
    if above is None:
        return None
    try:
        return CommandGroup(above)
    except OSError as error:
        log.warning("no control group for a command: %s", error)
        return None


@cache
def _delegated() -> Path | None:
    return delegated_cgroup()


def _load_user() -> tuple[int, int] | None:
    """User and group of loads that need no right of their own; None when this program cannot change them."""
    if os.geteuid() != 0:
        return None
    for name in LOAD_USERS:
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return user.pw_uid, user.pw_gid
    return None
