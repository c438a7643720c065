"""A GPU whose driver call hangs is left alone; everybody else goes on."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bee_gpu import nvml
from bee_gpu.worker import Closed, NotAnswering, Worker
from lab.nvml import FakeNvml
from lab.nvml.here import opened, seen_from_here


async def eventually(true: Callable[[], bool], *, within_seconds: float = 5.0) -> None:
    async with asyncio.timeout(within_seconds):
        while not true():  # noqa: ASYNC110 - a thread makes it true
            await asyncio.sleep(0.005)


async def test_results_and_errors_come_back() -> None:
    worker = Worker("gpu 0")
    assert await worker.ask(pow, 2, 5, deadline_seconds=5) == 32
    with pytest.raises(ValueError, match="invalid literal"):
        await worker.ask(int, "x", deadline_seconds=5)
    assert worker.answering
    worker.close()
    with pytest.raises(Closed):
        await worker.ask(int, deadline_seconds=1)


async def test_one_call_after_another_in_one_thread() -> None:
    worker = Worker("gpu 0")
    threads = await asyncio.gather(*(worker.ask(threading.get_ident, deadline_seconds=5) for _ in range(20)))
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads
    worker.close()


async def test_a_gpu_that_hangs_is_marked_and_the_others_answer() -> None:
    changes: list[tuple[str, bool]] = []
    with FakeNvml("h100", count=2) as fake, opened(fake) as handles:
        workers = [
            Worker(
                f"gpu {handle.index}", changed=lambda worker: changes.append((worker.name, worker.answering))
            )
            for handle in handles
        ]
        fake.hang(0)
        start = time.monotonic()
        with pytest.raises(
            NotAnswering, match=r"gpu 0 does not answer: read_sample has not come back for 0\.[12]"
        ):
            await workers[0].ask(nvml.read_sample, handles[0], deadline_seconds=0.1)
        assert time.monotonic() - start < 1
        assert (workers[0].answering, workers[1].answering) == (False, True)

        start = time.monotonic()
        with pytest.raises(NotAnswering, match="read_sample"):  # at once, and with the first call's name
            await workers[0].ask(nvml.read_identity, handles[0], deadline_seconds=60)
        assert time.monotonic() - start < 0.05
        assert (
            await workers[1].ask(nvml.read_sample, handles[1], deadline_seconds=5)
        ).temperature_celsius == 30

        fake.answer(0)
        await eventually(lambda: workers[0].answering)
        sample = await workers[0].ask(nvml.read_sample, handles[0], deadline_seconds=5)
        assert sample.temperature_celsius == 29
        assert changes == [("gpu 0", False), ("gpu 0", True)]
        for worker in workers:
            worker.close()


async def test_an_initialisation_that_hangs_is_told() -> None:
    with FakeNvml("h100", count=1) as fake, seen_from_here(fake):
        fake.hang(None, "nvmlInit")
        library = Worker("NVML")
        with pytest.raises(NotAnswering, match="NVML does not answer: open_library"):
            await library.ask(nvml.open_library, deadline_seconds=0.1)
        fake.answer(None, "nvmlInit")
        await eventually(lambda: library.answering)
        assert await library.ask(nvml.gpu_count, deadline_seconds=5) == 1
        library.close()


async def test_those_who_wait_behind_a_hang_are_told_too() -> None:
    release = threading.Event()
    worker = Worker("gpu 0")
    ran: list[int] = []
    hanging = asyncio.ensure_future(worker.ask(release.wait, deadline_seconds=0.05))
    behind = asyncio.ensure_future(worker.ask(ran.append, 1, deadline_seconds=60))
    for waiting in (hanging, behind):
        with pytest.raises(NotAnswering):
            await waiting
    release.set()
    await eventually(lambda: worker.answering)
    await worker.ask(ran.append, 2, deadline_seconds=5)
    assert ran == [2]  # what nobody waits for any more is not done
    worker.close()


async def test_a_long_call_in_front_is_no_hang() -> None:
    release = threading.Event()
    worker = Worker("gpu 0")
    long = asyncio.ensure_future(worker.ask(release.wait, deadline_seconds=60))
    await asyncio.sleep(0)
    with pytest.raises(NotAnswering):
        await worker.ask(int, deadline_seconds=0.05)
    assert worker.answering
    release.set()
    assert await long is True
    worker.close()


async def test_a_caller_who_leaves_does_not_hide_a_hang() -> None:
    release = threading.Event()
    worker = Worker("gpu 0")
    caller = asyncio.ensure_future(worker.ask(release.wait, deadline_seconds=0.1))
    await asyncio.sleep(0.01)
    caller.cancel()
    await eventually(lambda: not worker.answering)
    assert worker.trouble is not None
    release.set()
    await eventually(lambda: worker.answering)
    worker.close()


async def test_closing_does_not_wait_for_a_hang() -> None:
    release = threading.Event()
    worker = Worker("gpu 0")
    with pytest.raises(NotAnswering):
        await worker.ask(release.wait, deadline_seconds=0.02)
    start = time.monotonic()
    worker.close()
    assert time.monotonic() - start < 0.05
    release.set()


def test_a_call_that_never_comes_back_does_not_keep_the_process(tmp_path: Path) -> None:
    program = tmp_path / "hang.py"
    program.write_text(
        "import asyncio\n"
        "from bee_gpu import nvml\n"
        "from bee_gpu.worker import NotAnswering, Worker\n"
        "async def main():\n"
        "    library, gpu = Worker('nvml'), Worker('gpu 0')\n"
        "    await library.ask(nvml.open_library, deadline_seconds=5)\n"
        "    handle = await library.ask(nvml.handle_by_index, 0, deadline_seconds=5)\n"
        "    try:\n"
        "        await gpu.ask(nvml.read_sample, handle, deadline_seconds=0.2)\n"
        "    except NotAnswering as error:\n"
        "        print(error)\n"
        "asyncio.run(main())\n"
    )
    with FakeNvml("h100", count=1) as fake:
        fake.hang(0, "nvmlDeviceGetUtilizationRates")
        environment = {**os.environ, **fake.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
        start = time.monotonic()
        told = subprocess.run(
            [sys.executable, str(program)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("gpu 0 does not answer: read_sample has not come back for 0.2")
    assert time.monotonic() - start < 15
