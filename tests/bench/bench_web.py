"""What the web page costs, and how fast it is: the real server in a process of its own, eight fake GPUs.

Figures of one run on one machine; `make bench` prints them. Beside each stands what it is to be compared
with; asserted is only what the host's other work cannot spoil.
"""

import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

import pytest

from bee_bus.documents.base import to_readable_json
from lab.bus.private import eventually
from lab.gpus import GpuMachine, gpu_machine
from lab.nvml import FakeNvml
from lab.snapshots import LINK_NARROW, SPARE_LOW, snapshot
from lab.web import Web, web_page
from lab.web_here import EventStream

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the web page has a user of its own")

CLIENTS = 100
LOAD_SECONDS = 20.0
STREAMS = 50
STREAM_SECONDS = 20.0
HOUR_REQUESTS = 36_000  # ten a second for an hour
PAGES = ("/", "/inventory", "/gpus", "/runs", "/api/v1/status", "/metrics", "/healthz", "/api/v1/audit")
WEIGHT_BYTES_MAX = 150_000


@pytest.fixture
def gpus(tmp_path: Path) -> Iterator[GpuMachine]:
    with ExitStack() as stack:
        fake = stack.enter_context(FakeNvml("h100", count=8))
        yield stack.enter_context(gpu_machine(fake, tmp_path))


@pytest.fixture
def web(gpus: GpuMachine) -> Iterator[Web]:
    """The page of a server that has been audited, with two findings."""
    # Not in pytest's folder: another pytest that starts takes the rights of others on that away.
    with tempfile.TemporaryDirectory(prefix="bee-bench-") as folder:
        (Path(folder) / "bee-audit.json").write_text(to_readable_json(snapshot(SPARE_LOW, LINK_NARROW)))
        with web_page(gpus.bus, logs=Path(folder)) as web:
            yield web


def say(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def pid_of(web: Web) -> int:
    assert web.process is not None
    return web.process.pid


def cpu_seconds(pid: int) -> float:
    """Of all threads, as the scheduler counts it."""
    return _scheduled(pid, 0)


def waited_seconds(pid: int) -> float:
    """How long its threads could have run and had no processor."""
    return _scheduled(pid, 1)


def _scheduled(pid: int, field: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[field]) for task in tasks) / 1e9


def resident_mib(pid: int) -> float:
    (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kib) / 1024


class Visitor:
    """A browser's connection, kept alive."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.errors: list[str] = []

    async def __aenter__(self) -> "Visitor":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._web.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, path: str) -> float:
        """The seconds until all of the answer was there."""
        begin = time.perf_counter()
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: bee\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await self._reader.readexactly(int(size[1])) if size is not None else b""
        if b" 200 " not in head.partition(b"\r\n")[0] or size is None:
            self.errors.append(f"{path}: {head[:20]!r} {body[:200]!r}")
        return time.perf_counter() - begin


class Watcher:
    """Somebody who looks on live."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.ticks = 0

    async def look_on(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._web.port, limit=1 << 20)
        try:
            writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: bee\r\n\r\n")
            stream = EventStream(reader, (await reader.readuntil(b"\r\n\r\n")).decode())
            while True:
                event = await stream.next()
                self.ticks += event.topic == "gpus" and "unix_seconds" in event.data
        finally:
            writer.close()


async def test_a_hundred_visitors_while_eight_gpus_are_told_of(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each loads the first page once a second, over a connection that is kept."""
    watcher = Watcher(web)
    looking = asyncio.create_task(watcher.look_on())
    taken: list[float] = []
    sleeps: list[float] = []  # what this host makes of a tenth of a second, of which the web knows nothing
    errors: list[str] = []

    async def nap() -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(0.1)
            sleeps.append(time.perf_counter() - begin - 0.1)

    async def visit(number: int) -> None:
        async with Visitor(web) as visitor:
            await asyncio.sleep(number / CLIENTS)
            end = time.monotonic() + LOAD_SECONDS
            while time.monotonic() < end:
                seconds = await visitor.get("/")
                taken.append(seconds)
                await asyncio.sleep(max(0.0, 1.0 - seconds))
            errors.extend(visitor.errors)

    napping = asyncio.create_task(nap())
    before, waited = cpu_seconds(pid_of(web)), waited_seconds(pid_of(web))
    await asyncio.gather(*(visit(number) for number in range(CLIENTS)))
    used = cpu_seconds(pid_of(web)) - before
    waited = waited_seconds(pid_of(web)) - waited
    for task in (looking, napping):
        task.cancel()
    cuts = statistics.quantiles(taken, n=100)
    say(
        capsys,
        f"{CLIENTS} visitors, the first page once a second each, 8 GPUs at 1 Hz: "
        f"median {1000 * cuts[49]:.1f} ms, "
        f"p99 {1000 * cuts[98]:.1f} ms, worst {1000 * max(taken):.1f} ms of {len(taken)}; "
        f"{len(errors)} errors; {1000 * used / len(taken):.2f} ms of one core each; {watcher.ticks} ticks; "
        f"the server waited {waited:.1f} s for a processor, the visitors' p99 of waking up late "
        f"{1000 * statistics.quantiles(sleeps, n=100)[98]:.1f} ms",
    )
    assert errors == []
    assert watcher.ticks > LOAD_SECONDS / 2


async def test_as_fast_as_it_goes(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for path in PAGES:
        async with Visitor(web) as visitor:
            for _ in range(20):
                await visitor.get(path)
            before = cpu_seconds(pid_of(web))
            taken = [await visitor.get(path) for _ in range(200)]
            used = cpu_seconds(pid_of(web)) - before
            assert visitor.errors == []
        lines.append(
            f"  {path}: {1000 * statistics.median(taken):.2f} ms, {1000 * used / 200:.2f} ms of one core"
        )
    say(capsys, "one visitor, one after another, median of 200:", *lines)


async def test_fifty_who_look_on(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    async def cost(streams: int) -> tuple[float, int]:
        """The share of one core, and the ticks that were told."""
        watchers = [Watcher(web) for _ in range(streams)]
        looking = [asyncio.create_task(watcher.look_on()) for watcher in watchers]
        await eventually(lambda: all(watcher.ticks for watcher in watchers), 30)
        before, begin = cpu_seconds(pid_of(web)), time.monotonic()
        told = sum(watcher.ticks for watcher in watchers)
        await asyncio.sleep(STREAM_SECONDS)
        used = (cpu_seconds(pid_of(web)) - before) / (time.monotonic() - begin)
        told = sum(watcher.ticks for watcher in watchers) - told
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        return used, told

    (one, _), (fifty, told) = await cost(1), await cost(STREAMS)
    say(
        capsys,
        f"8 GPUs at 1 Hz: one stream {one:.2%} of one core, {STREAMS} streams {fifty:.2%}, "
        f"{fifty / one:.1f} times as much; "
        f"{told} ticks told in {STREAM_SECONDS:g} s",
    )
    assert told >= STREAMS * STREAM_SECONDS / 2
    assert fifty < 0.10


async def test_memory_over_an_hour_of_requests(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept connections and new ones, and somebody who looks on."""
    watcher = Watcher(web)
    looking = asyncio.create_task(watcher.look_on())

    async def ask(count: int) -> None:
        for _ in range(count // 200):
            async with Visitor(web) as visitor:
                for number in range(200):
                    await visitor.get(PAGES[number % len(PAGES)])
                assert visitor.errors == []

    async def ask_all(count: int) -> None:
        await asyncio.gather(*(ask(count // 10) for _ in range(10)))

    await ask_all(HOUR_REQUESTS // 6)
    before = resident_mib(pid_of(web))
    await ask_all(HOUR_REQUESTS // 2)
    middle = resident_mib(pid_of(web))
    await ask_all(HOUR_REQUESTS // 2)
    after = resident_mib(pid_of(web))
    looking.cancel()
    say(
        capsys,
        f"resident memory after {HOUR_REQUESTS // 6} requests {before:.1f} MiB, after half an hour's more "
        f"{middle:.1f} MiB, after an hour's {after:.1f} MiB ({after / before:.3f} of it)",
    )
    assert after - middle < 4, "what grew in the second half would go on growing"


def test_the_weight_of_the_first_page(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    """With all that it loads, and all that this loads, as it is sent."""
    weights: dict[str, int] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in weights:
            continue
        answer = web.ask("GET", path, headers={"Accept-Encoding": "gzip"})
        assert answer.status == 200, path
        weights[path] = len(answer.body)
        plain = web.ask("GET", path).text
        if path == "/":
            named = re.findall(r'<(?:link|script|img)[^>]*?(?:href|src)="([^"]+)"', plain)
        else:
            named = re.findall(r'(?:from|import)\s*\(?"([^"]+)"|url\("?([^")]+)"?\)', plain)
            named = [one or other for one, other in named]
        waiting += [urljoin(path, name) for name in named if not name.startswith("data:")]
    total = sum(weights.values())
    say(capsys, f"the first page weighs {total / 1000:.1f} kB: {json.dumps(weights)}")
    assert total < WEIGHT_BYTES_MAX


def test_the_first_paint(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    from lab.browser import Browser

    script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    paints: list[float] = []
    with Browser() as browser:
        for number in range(10):
            browser.open(f"{web.origin}/?{number}")
            painted = browser.until(lambda: browser.driver.execute_script(script))
            paints.append(float(painted))
    say(
        capsys,
        f"first contentful paint of the first page, headless Chromium: first {paints[0]:.0f} ms, "
        f"median of the next nine {statistics.median(paints[1:]):.0f} ms, worst {max(paints[1:]):.0f} ms",
    )
