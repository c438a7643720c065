"""What an audit by a service that runs already takes beside its slowest collector, on this machine.

Differences within one run, medians over rounds; `make bench` prints them. Reported, not asserted.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path

import pytest

from bee_bus.client import AuditClient
from lab.bus.private import LabBus, audit_service
from lab.cli import Bee, environment

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="auditing a machine needs root")

ROUNDS = 15


def slowest_collector(snapshot: str) -> float:
    return max(float(run["duration_seconds"]) for run in json.loads(snapshot)["collectors"])


async def by_a_client_that_runs(bus: LabBus) -> tuple[float, str]:
    """Seconds from the call to the answer in hand, and the answer."""
    async with bus.client() as connection:
        started = time.monotonic()
        run = await AuditClient(connection).run({})
        await run.finished()
        snapshot = await run.get_snapshot()
        return time.monotonic() - started, snapshot


def test_what_a_warm_audit_adds_to_its_slowest_collector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[float] = []
    commanded: list[float] = []
    slowest: list[float] = []
    with LabBus(services={"org.bee.Audit1": audit_service()}) as bus:
        bee = Bee(tmp_path, {**environment(tmp_path), "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
        bee("audit", "--json")
        for _ in range(ROUNDS):
            seconds, snapshot = asyncio.run(by_a_client_that_runs(bus))
            slowest.append(slowest_collector(snapshot))
            called.append(seconds - slowest[-1])
            started = time.monotonic()
            ended = bee("audit", "--json")
            commanded.append(time.monotonic() - started - slowest_collector(ended.stdout))
    lines = [f"slowest collector {1000 * statistics.median(slowest):.0f} ms; beside it, median and worst:"]
    for what, added in (("a call over the bus", called), ("bee audit --json, a process", commanded)):
        lines.append(f"  {what:30}{1000 * statistics.median(added):6.0f} ms{1000 * max(added):6.0f} ms")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
