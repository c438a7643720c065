"""Children that say line by line what they do, and what becomes of them."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bee_machine import ToolMissing
from bee_machine.talker import Talker, talking

LIMIT = 1000


class Heard(list[bytes]):
    """What a child said, and how it ended."""

    status: int | None = None
    talker: Talker | None = None


async def run(script: str, *, said: bytes = b"", seconds: float = 10.0) -> Heard:
    heard = Heard()
    async with talking(
        ("sh", "-c", script),
        on_line=heard.append,
        line_limit_bytes=LIMIT,
        environment=os.environ,
        said=said,
    ) as talker:
        async with asyncio.timeout(seconds):
            heard.status = await talker.ended()
        heard.talker = talker
    return heard


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(happened: Callable[[], bool]) -> None:
    """Killed is not yet gone: the kernel needs a moment."""
    deadline = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_each_line_is_told_when_it_is_said() -> None:
    times: list[float] = []
    async with talking(
        ("sh", "-c", "echo one; sleep 0.5; echo two"),
        on_line=lambda line: times.append(time.monotonic()),
        line_limit_bytes=LIMIT,
        environment=os.environ,
    ) as talker:
        await talker.ended()
    assert len(times) == 2
    assert times[1] - times[0] > 0.3


async def test_all_lines_of_one_that_ends_at_once_are_told() -> None:
    heard = await run("seq 500; exit 3")
    assert heard == [str(number).encode() for number in range(1, 501)]
    assert heard.status == 3


async def test_it_reads_what_it_is_told() -> None:
    assert await run("cat; echo end", said=b"hello\n") == [b"hello", b"end"]


async def test_one_that_does_not_read_does_no_harm() -> None:
    assert await run("exec <&-; echo end", said=b"x" * 10_000_000) == [b"end"]


async def test_a_line_that_was_cut_off_is_no_line() -> None:
    heard = await run("echo whole; printf half")
    assert heard == [b"whole"]
    assert heard.talker is not None
    assert heard.talker.rest == b"half"


async def test_a_line_without_end_is_given_up() -> None:
    heard = await run("echo before; head -c 100000 /dev/zero; echo; echo after")
    assert heard == [b"before"]
    assert heard.talker is not None
    assert heard.talker.flooded


async def test_what_it_complains_of_is_kept_in_part() -> None:
    heard = await run("seq 100000 >&2; echo why >&2; kill -9 $$")
    assert heard.status == -9
    assert heard.talker is not None
    assert heard.talker.complaint.endswith("why")
    assert len(heard.talker.complaint) <= 8 << 10


async def test_nothing_of_its_session_outlives_the_block(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    ready = asyncio.Event()
    async with talking(
        ("sh", "-c", f"trap '' TERM; sleep 300 & echo $! > {pid_file}; echo ready; wait; sleep 300"),
        on_line=lambda line: ready.set(),
        line_limit_bytes=LIMIT,
        environment=os.environ,
    ) as talker:
        async with asyncio.timeout(10):
            await ready.wait()
        talker.terminate()
        started = time.monotonic()
    assert time.monotonic() - started < 5
    until(lambda: not alive(int(pid_file.read_text())))
    assert not alive(talker.pid)


async def test_one_that_cannot_be_started_is_named() -> None:
    with pytest.raises(ToolMissing, match="/nonesuch cannot be started"):
        async with talking(("/nonesuch",), on_line=print, line_limit_bytes=1, environment={}):
            pass
