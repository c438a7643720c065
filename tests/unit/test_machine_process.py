"""Tools that misbehave, run by the one function that runs tools."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from bee_machine import ToolFlooded, ToolHung, ToolMissing, ToolResult
from bee_machine.process import run_tool


async def run(script: str, *, deadline_seconds: float = 10, output_limit_bytes: int = 1 << 20) -> ToolResult:
    return await run_tool(
        ("sh", "-c", script), deadline_seconds=deadline_seconds, output_limit_bytes=output_limit_bytes
    )


def alive(pid: int) -> bool:
    """Whether a process goes on running; a zombie that nobody has reaped yet does not.

    What was killed on a busy machine ends when it next gets a processor.
    """
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.01)
    return True


async def test_a_tool_that_works_gives_its_output_and_exit_code() -> None:
    result = await run("echo out; echo err >&2; exit 4")
    assert (result.stdout, result.stderr, result.exit_code) == (b"out\n", b"err\n", 4)


async def test_a_tool_killed_by_a_signal_has_a_negative_exit_code() -> None:
    assert (await run("kill -9 $$")).exit_code == -9


async def test_a_tool_that_is_not_installed_is_named() -> None:
    with pytest.raises(ToolMissing, match="nonesuch is not installed"):
        await run_tool(("nonesuch",), deadline_seconds=1, output_limit_bytes=1)


async def test_a_tool_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(ToolHung, match=r"sh did not end within 0\.5 s"):
        await run(f"trap '' TERM; sleep 300 & echo $! > {pid_file}; wait; sleep 300", deadline_seconds=0.5)
    assert not alive(int(pid_file.read_text()))


async def test_a_tool_that_prints_without_end_is_stopped_at_the_limit() -> None:
    started = time.monotonic()
    with pytest.raises(ToolFlooded, match="more than 1000000 bytes"):
        await run_tool(("yes",), deadline_seconds=30, output_limit_bytes=1_000_000)
    assert time.monotonic() - started < 15


async def test_output_just_at_the_limit_is_kept() -> None:
    result = await run("head -c 1000000 /dev/zero", output_limit_bytes=1_000_000)
    assert len(result.stdout) == 1_000_000


async def test_a_child_left_behind_with_the_pipes_open_does_not_hold_the_answer(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    result = await run(f"sleep 300 & echo $! > {pid_file}; echo done")
    assert result.stdout == b"done\n"
    deadline = time.monotonic() + 5
    while alive(int(pid_file.read_text())):
        assert time.monotonic() < deadline, "the child was not killed"
        await asyncio.sleep(0.01)


async def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    task = asyncio.ensure_future(run(f"echo $$ > {pid_file}; exec sleep 300"))
    while not (pid_file.exists() and pid_file.read_text().strip()):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(int(pid_file.read_text()))


async def test_no_descriptor_is_left_open() -> None:
    await run("true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await run("echo x")
        with pytest.raises(ToolHung):
            await run("sleep 9", deadline_seconds=0.05)
    assert len(os.listdir("/proc/self/fd")) == before
