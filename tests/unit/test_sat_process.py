"""Programs that load the machine, and what they do that they should not: nothing of them is ever left."""

import asyncio
import io
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bee_machine import ToolError, ToolFlooded, ToolHung, ToolMissing, cgroups, load
from bee_machine.keeper import CAP_IPC_LOCK
from bee_machine.load import run_load
from bee_machine.output import LINE_LIMIT_BYTES, Drawing, Lines, OnLine
from lab.bus.private import eventually

MARK = "BEE_TEST_LOAD"
_marks = itertools.count()

# Everything that a process can do to get away: a session of its own, a parent that has ended, deaf ears.
FUGITIVES = """
trap '' TERM INT HUP
setsid sh -c 'trap "" TERM; (setsid sleep 600 &) ; sleep 600' &
(sleep 600 &)
(setsid sh -c 'setsid setsid sh -c "trap \\"\\" TERM; while :; do sleep 1; done" &' &)
sleep 0.2
"""


class Child:
    """One run of a shell script, recognisable in /proc by its environment, whatever it becomes."""

    def __init__(self, folder: Path) -> None:
        self.mark = f"{os.getpid()}-{next(_marks)}"
        self.file = folder / "output"

    @property
    def printed(self) -> str:
        return self.file.read_text()

    async def run(
        self,
        script: str,
        *,
        deadline_seconds: float = 20,
        output_limit_bytes: int = 1 << 20,
        on_line: OnLine | None = None,
        folder: Path | None = None,
        unprivileged: bool = False,
        memory_lock: bool = False,
        cpus: tuple[int, ...] = (),
        redrawn: bool = False,
    ) -> int:
        with self.file.open("wb") as output:
            return await run_load(
                ("sh", "-c", script),
                output=output,
                deadline_seconds=deadline_seconds,
                output_limit_bytes=output_limit_bytes,
                on_line=on_line,
                environment={MARK: self.mark},
                folder=folder,
                unprivileged=unprivileged,
                memory_lock=memory_lock,
                cpus=cpus,
                redrawn=redrawn,
            )

    def processes(self) -> list[int]:
        """Those of its processes that run, its keeper among them."""
        wanted = f"{MARK}={self.mark}".encode()
        return [int(each.name) for each in Path("/proc").glob("[0-9]*") if wanted in _environment(each)]

    async def has_begun(self, count: int = 1) -> None:
        async with asyncio.timeout(10):
            while len(self.processes()) < count:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")  # empty for a zombie
    except OSError:
        return []


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child(tmp_path)
    yield child
    left = child.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


async def test_a_load_that_works_has_its_output_in_order_and_its_exit_code(child: Child) -> None:
    assert await child.run("echo one; echo two >&2; echo three; exit 3") == 3
    assert child.printed == "one\ntwo\nthree\n"


async def test_a_load_killed_by_a_signal_has_a_negative_exit_code(child: Child) -> None:
    assert await child.run("kill -SEGV $$") == -11


async def test_a_load_that_is_not_installed_is_named() -> None:
    with pytest.raises(ToolMissing, match="nonesuch is not installed"):
        await run_load(("nonesuch",), output=io.BytesIO(), deadline_seconds=1, output_limit_bytes=1)


async def test_a_file_that_is_no_program_is_said(tmp_path: Path) -> None:
    program = tmp_path / "noise"
    program.write_bytes(b"\x7fELF and no more")
    program.chmod(0o755)
    with pytest.raises(ToolMissing, match=r"noise cannot be started: Exec format error"):
        await run_load((str(program),), output=io.BytesIO(), deadline_seconds=5, output_limit_bytes=1)


async def test_a_load_goes_first_when_anything_runs_short(child: Child, tmp_path: Path) -> None:
    script = "nice; cat /proc/self/oom_score_adj; ulimit -c; pwd; echo $LC_ALL; readlink /proc/self/fd/0"
    assert await child.run(script, folder=tmp_path) == 0
    assert child.printed.split() == ["10", "900", "0", str(tmp_path), "C", "/dev/null"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_load_without_privilege_is_another_user_and_cannot_become_root_again(child: Child) -> None:
    assert await child.run("id -u; id -G; grep NoNewPrivs /proc/self/status", unprivileged=True) == 0
    uid, groups, _, no_new_privileges = child.printed.split()
    assert uid != "0"
    assert groups != "0"
    assert no_new_privileges == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_memory_test_locks_its_memory_without_being_root(child: Child) -> None:
    """Whatever the limit is that the service came with, and with no other right of root's."""
    lock = (
        "import ctypes, mmap; memory = mmap.mmap(-1, 64 << 20); "
        "at = ctypes.addressof(ctypes.c_char.from_buffer(memory)); "
        "print(ctypes.CDLL(None).mlock(ctypes.c_void_p(at), 64 << 20))"
    )
    # The system's Python: nobody may enter the folder of this one.
    script = f"/usr/bin/python3 -c '{lock}'; id -u; grep CapEff /proc/self/status"
    assert await child.run(script, unprivileged=True, memory_lock=True) == 0
    locked, uid, capabilities = child.printed.splitlines()
    assert locked == "0"
    assert uid != "0"
    assert int(capabilities.split()[1], 16) & ~(1 << CAP_IPC_LOCK) == 0


async def test_a_load_that_hangs_is_killed_at_its_deadline_with_all_that_fled_from_it(child: Child) -> None:
    started = time.monotonic()
    with pytest.raises(ToolHung, match=r"sh did not end within 1 s and was killed"):
        await child.run(FUGITIVES + "echo hanging; sleep 600", deadline_seconds=1)
    assert time.monotonic() - started < 1 + 2
    assert child.processes() == []
    assert child.printed == "hanging\n"


async def test_what_a_load_leaves_behind_is_killed_when_it_ends(child: Child) -> None:
    started = time.monotonic()
    assert await child.run(FUGITIVES + "exit 0") == 0
    assert time.monotonic() - started < 3
    assert child.processes() == []


async def test_a_cancelled_load_is_gone_in_two_seconds_with_all_that_fled_from_it(child: Child) -> None:
    task = asyncio.ensure_future(child.run(FUGITIVES + "echo begun; sleep 600"))
    await child.has_begun(8)
    while not child.printed:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    started = time.monotonic()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # a second time, while it is being killed
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 2
    assert child.processes() == []
    assert child.printed == "begun\n"


async def test_a_load_that_forks_faster_than_it_is_killed_loses(child: Child) -> None:
    task = asyncio.ensure_future(child.run("while :; do (setsid sleep 600 &) ; done"))
    await child.has_begun(30)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 2
    assert child.processes() == []


async def test_a_service_that_is_killed_takes_its_loads_with_it(child: Child) -> None:
    program = (
        "import asyncio, io; from bee_machine.load import run_load\n"
        f"asyncio.run(run_load(('sh', '-c', {FUGITIVES + 'sleep 600'!r}), output=io.BytesIO(),"
        f" deadline_seconds=60, output_limit_bytes=9, environment={{{MARK!r}: {child.mark!r}}}))"
    )
    service = subprocess.Popen([sys.executable, "-c", program])  # noqa: ASYNC220 - it returns at once
    try:
        await child.has_begun(8)
    finally:
        service.kill()
        service.wait()
    until = time.monotonic() + 2
    while child.processes():
        assert time.monotonic() < until, "a process outlived the service that started it"
        await asyncio.sleep(0.05)


async def test_a_load_gets_the_signals_that_its_keeper_is_deaf_to(child: Child) -> None:
    task = asyncio.ensure_future(
        child.run("trap 'echo told; exit 4' TERM; echo ready; while :; do sleep 0.1; done")
    )
    while not (child.file.exists() and child.printed):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    for pid in child.processes():
        os.kill(pid, signal.SIGTERM)
    assert await task == 4
    assert child.printed.endswith("told\n")


async def test_a_load_whose_keeper_is_killed_dies_and_has_no_exit_code(child: Child) -> None:
    task = asyncio.ensure_future(child.run("exec sleep 600"))
    await child.has_begun(2)
    os.kill(min(child.processes()), signal.SIGKILL)
    with pytest.raises(ToolError, match="the process that kept it was killed"):
        await task


async def test_a_killed_keeper_does_not_keep_its_service_waiting(child: Child) -> None:
    task = asyncio.ensure_future(child.run(FUGITIVES + "sleep 600"))
    await child.has_begun(8)
    started = time.monotonic()
    os.kill(min(child.processes()), signal.SIGKILL)
    with pytest.raises(ToolError, match="the process that kept it was killed"):
        await task
    assert time.monotonic() - started < 3
    # Nobody knows of the rest any more but systemd, which has their control group.
    while left := child.processes():
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)


async def test_a_load_that_prints_without_end_is_stopped_just_at_the_limit(child: Child) -> None:
    started = time.monotonic()
    with pytest.raises(ToolFlooded, match="printed more than 3000000 bytes and was stopped"):
        await child.run("yes", output_limit_bytes=3_000_000)
    assert child.file.stat().st_size == 3_000_000
    assert time.monotonic() - started < 10


async def test_output_just_at_the_limit_is_no_flood(child: Child) -> None:
    assert await child.run("head -c 200000 /dev/zero", output_limit_bytes=200_000) == 0
    assert child.file.stat().st_size == 200_000


async def test_the_event_loop_goes_on_while_a_load_floods(child: Child) -> None:
    gaps: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    ticking = asyncio.ensure_future(tick())
    with pytest.raises(ToolFlooded):
        await child.run("yes", output_limit_bytes=20_000_000, on_line=lambda line: None)
    ticking.cancel()
    assert sorted(gaps)[len(gaps) // 2] < 0.1


async def test_a_load_that_closes_its_output_is_waited_for(child: Child) -> None:
    assert await child.run("exec >&- 2>&-; sleep 0.3; exit 5") == 5


async def test_a_full_disk_is_an_error_and_ends_the_load(child: Child) -> None:
    child.file = Path("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        await child.run("echo lost; sleep 600")
    assert child.processes() == []


async def test_lines_are_told_as_they_come(child: Child) -> None:
    told: list[tuple[str, bool]] = []
    running = True

    def on_line(line: str) -> None:
        told.append((line, running))

    await child.run("printf '1 %%\\r2 %%\\r\\n'; sleep 0.5; printf last", on_line=on_line)
    running = False
    assert told == [("1 %", True), ("2 %", True), ("last", True)]


async def test_a_line_that_is_drawn_over_is_kept_as_it_looks_in_the_end(child: Child) -> None:
    told: list[str] = []
    back = r"\b" * 11
    script = (
        "printf '  Stuck Address       : setting   1'; sleep 0.2;"
        rf"printf '{back}testing   1{back}           {back}ok\nDone.'"
    )
    assert await child.run(script, redrawn=True, on_line=told.append) == 0
    assert child.printed == "  Stuck Address       : ok\nDone."
    assert told == ["  Stuck Address       : ok", "Done."]


def test_a_drawing_without_end_is_bounded() -> None:
    drawing = Drawing()
    for _ in range(100):
        assert drawing.feed(b"x" * 1000) == b""
    assert len(drawing.feed(b"\n")) <= LINE_LIMIT_BYTES + 1
    assert drawing.feed(b"\b\b\babc\b\b\b\b\b\bx\n") == b"xbc\n"


async def test_a_load_runs_on_the_cpus_that_it_is_given(child: Child) -> None:
    cpu = max(os.sched_getaffinity(0))
    assert await child.run("grep Cpus_allowed_list /proc/self/status", cpus=(cpu,)) == 0
    assert child.printed.split()[1] == str(cpu)


async def test_a_reader_of_lines_that_fails_ends_the_load(child: Child) -> None:
    def on_line(line: str) -> None:
        raise ValueError(f"cannot read {line}")

    with pytest.raises(ValueError, match="cannot read garbage"):
        await child.run("echo garbage; sleep 600", on_line=on_line)
    assert child.processes() == []


def test_a_line_without_end_is_bounded_and_keeps_its_beginning_and_its_end() -> None:
    lines = Lines()
    chunks = [b"begin " + b"x" * 3000, *[b"y" * 3000] * 1000, b" end\nnext\xff\n"]
    told = [line for chunk in chunks for line in lines.feed(chunk)]
    assert len(told) == 2
    assert len(told[0]) < LINE_LIMIT_BYTES + 10
    assert told[0].startswith("begin x")
    assert " ... " in told[0]
    assert told[0].endswith("y end")
    assert told[1] == "next\N{REPLACEMENT CHARACTER}"


def children() -> set[str]:
    """The processes that this one has started and not yet waited for, those too that are dead."""
    return {pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


async def test_no_descriptor_and_no_child_is_left(child: Child) -> None:
    await child.run("true")
    before, others = len(os.listdir("/proc/self/fd")), children()
    for _ in range(3):
        await child.run("echo x")
        with pytest.raises(ToolHung):
            await child.run("sleep 9", deadline_seconds=0.2)
    assert len(os.listdir("/proc/self/fd")) == before

    def gone() -> bool:
        subprocess.run(["true"], check=True)  # waits for those that were given up while they were still dying
        return not children() - others

    await eventually(gone, 20)


@pytest.fixture
def delegated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A control group that is marked as systemd marks those it delegates, taken for this service's own."""
    try:
        folder = cgroups._unified_mount() / f"bee-test-{os.getpid()}"
        folder.mkdir()
    except (OSError, StopIteration):
        pytest.skip("no control group can be made here; the booted services are tested with theirs")
    try:
        os.setxattr(folder, "trusted.delegate", b"1")
        own = tmp_path / "cgroup"
        own.write_text(f"1:name=systemd:/\n0::/{folder.name}\n")
        monkeypatch.setattr(cgroups, "OWN", own)
        load._delegated.cache_clear()
        yield folder
    finally:
        load._delegated.cache_clear()
        folder.rmdir()


async def test_a_command_has_a_control_group_where_systemd_delegates_one(
    child: Child, delegated: Path
) -> None:
    task = asyncio.ensure_future(child.run("grep ^0:: /proc/self/cgroup;" + FUGITIVES + "sleep 600"))
    await child.has_begun(8)
    (name,) = [entry.name for entry in os.scandir(delegated) if entry.is_dir()]
    group = delegated / name
    inside = {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    assert len(set(child.processes()) - inside) == 1, "only the keeper is outside"
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 2
    assert child.printed.strip() == f"0::/{delegated.name}/{group.name}"
    assert not group.exists()


async def test_a_group_that_systemd_did_not_delegate_is_left_alone(delegated: Path) -> None:
    assert cgroups.delegated_cgroup() == delegated
    os.removexattr(delegated, "trusted.delegate")
    assert cgroups.delegated_cgroup() is None
