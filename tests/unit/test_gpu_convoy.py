"""One thread looks at all; one that gets stuck is left behind."""

import asyncio
import threading
import time

from bee_gpu.convoy import Convoy, Failed


async def test_all_are_looked_at_in_one_thread() -> None:
    convoy: Convoy[int] = Convoy("looks")
    first = await convoy.run({str(number): threading.get_ident for number in range(8)}, 1.0)
    second = await convoy.run({"0": threading.get_ident}, 1.0)
    assert len({*first.values(), *second.values()}) == 1
    assert threading.get_ident() not in first.values()
    convoy.close()


async def test_what_a_look_raises_is_its_outcome() -> None:
    def fails() -> int:
        raise OSError("broken")

    convoy: Convoy[int] = Convoy("looks")
    found = await convoy.run({"a": fails, "b": lambda: 7}, 1.0)
    assert found["b"] == 7
    failed = found["a"]
    assert isinstance(failed, Failed) and isinstance(failed.error, OSError)
    convoy.close()


async def test_one_that_hangs_costs_the_others_nothing() -> None:
    release = threading.Event()

    def hangs() -> int:
        release.wait(20)
        return -1

    convoy: Convoy[int] = Convoy("looks")
    jobs = {"a": lambda: 1, "b": hangs, "c": lambda: 3}
    started = time.monotonic()
    assert await convoy.run(jobs, 0.5) == {"a": 1, "c": 3}
    assert time.monotonic() - started < 0.45
    assert convoy.stuck_seconds("b") > 0 and convoy.stuck_seconds("a") == 0
    for _ in range(5):  # not begun a second time
        assert await convoy.run(jobs, 0.5) == {"a": 1, "c": 3}
    release.set()
    await asyncio.sleep(0.05)
    assert convoy.stuck_seconds("b") == 0
    assert await convoy.run({"a": lambda: 1}, 0.5) == {"a": 1, "b": -1}, "late, and not lost"
    convoy.close()


async def test_all_can_hang_and_come_back() -> None:
    release = threading.Event()

    def hangs() -> int:
        release.wait(20)
        return 1

    convoy: Convoy[int] = Convoy("looks")
    before = threading.active_count()
    jobs = {str(number): hangs for number in range(4)}
    for _ in range(20):
        assert await convoy.run(jobs, 0.1) == {}
    assert threading.active_count() - before <= 5
    release.set()
    await asyncio.sleep(0.05)
    assert await convoy.run(jobs, 0.5) == dict.fromkeys(jobs, 1)
    convoy.close()


async def test_a_look_that_is_only_slow_comes_with_a_later_round() -> None:
    def slow() -> int:
        time.sleep(0.08)
        return 5

    convoy: Convoy[int] = Convoy("looks")
    found: list[dict[str, int | Failed]] = []
    async with asyncio.timeout(20):
        while sum("a" in one for one in found) < 3:
            found.append(await convoy.run({"a": slow, "b": lambda: 1}, 0.04))
            await asyncio.sleep(0.01)
    assert sum("b" in one for one in found) > sum("a" in one for one in found)
    convoy.close()
