"""/metrics of real services: what Prometheus reads, and what it does not when a service is down."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bee_bus.documents.base import to_readable_json
from bee_bus.names import GPU
from bee_bus.sat_client import SatClient
from bee_web import metrics
from lab.bus.private import LabBus, eventually, pid_of
from lab.gpus import GpuMachine, gpu_machine
from lab.nvml import FakeNvml
from lab.sat import SatMachine
from lab.snapshots import LINK_NARROW, snapshot
from lab.web_here import Web, web_on

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading a machine needs root")

MakeBus = Callable[..., LabBus]
MakeSat = Callable[..., SatMachine]
Samples = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture
def gpus(tmp_path: Path) -> Iterator[GpuMachine]:
    """A server with eight GPUs."""
    with ExitStack() as stack:
        fake = stack.enter_context(FakeNvml("h100", count=8))
        machine = stack.enter_context(gpu_machine(fake, tmp_path))
        yield machine
        fake.answer()
    assert machine.bus.complaints() == []


async def scraped(web: Web) -> Samples:
    answer = await web.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.code == 200
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    found: Samples = {}
    for family in text_string_to_metric_families(answer.body.decode()):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(found: Samples, name: str, **labels: str) -> float | None:
    fitting = [number for has, number in found.get(name, ()) if labels.items() <= has.items()]
    assert len(fitting) <= 1
    return fitting[0] if fitting else None


def up(found: Samples) -> dict[str, float]:
    return {labels["service"]: number for labels, number in found["bee_service_up"]}


async def test_eight_gpus_with_nobody_looking(gpus: GpuMachine, tmp_path: Path) -> None:
    gpus.fake.throttle(2, "hw_thermal")
    gpus.log_xid(5, 79, "GPU has fallen off the bus.")
    async with web_on(gpus.bus.address, tmp_path) as web:
        await web.services(gpu="idle")
        found = await scraped(web)
        temperatures = {labels["gpu"]: number for labels, number in found["bee_gpu_temperature_celsius"]}
        assert temperatures.keys() == set(gpus.fake.pci_addresses)
        assert all(20 < number < 100 for number in temperatures.values())
        assert len(found["bee_gpu_power_watts"]) == 8
        hot = gpus.fake.pci_address(2)
        assert value(found, "bee_gpu_throttle_active", gpu=hot, reason="hw_thermal") == 1
        assert value(found, "bee_gpu_throttle_active", gpu=hot, reason="power_brake") == 0
        assert value(found, "bee_gpu_xid_events_total", gpu=gpus.fake.pci_address(5), xid="79") == 1
        assert value(found, "bee_gpu_info", gpu=hot, uuid=str(gpus.fake.value(2, "uuid"))) == 1
        assert up(found) == {"audit": 0, "sat": 0, "gpu": 1}
        assert value(found, "bee_build_info", version=web.house.version) == 1


async def test_a_gpu_service_that_hangs_is_down_and_what_it_knew_is_absent(
    gpus: GpuMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_on(gpus.bus.address, tmp_path) as web, gpus.bus.client() as bus:
        assert up(await scraped(web))["gpu"] == 1
        monkeypatch.setattr(metrics, "DEADLINE_SECONDS", 0.5)
        process = await pid_of(bus, GPU.bus_name)
        os.kill(process, signal.SIGSTOP)
        try:
            await asyncio.sleep(1.1)
            found = await scraped(web)
            assert up(found)["gpu"] == 0
            assert not [name for name in found if name.startswith("bee_gpu_")]
        finally:
            os.kill(process, signal.SIGCONT)
        monkeypatch.undo()

        async def back() -> bool:
            return up(await scraped(web))["gpu"] == 1

        await eventually(back, 20)


async def test_a_gpu_that_is_lost_is_down_and_has_no_old_reading(gpus: GpuMachine, tmp_path: Path) -> None:
    gpus.fake.lose(4)
    lost = gpus.fake.pci_address(4)
    async with web_on(gpus.bus.address, tmp_path) as web:
        found = await scraped(web)
        assert value(found, "bee_gpu_up", gpu=lost) == 0
        assert value(found, "bee_gpu_temperature_celsius", gpu=lost) is None
        assert value(found, "bee_gpu_verdict", bee_gpu_verdict="OK") == 0


async def test_without_a_bus_the_audit_of_the_file_is_left(tmp_path: Path) -> None:
    async with web_on(f"unix:path={tmp_path}/none", tmp_path) as web:
        web.write(to_readable_json(snapshot(LINK_NARROW)))
        found = await scraped(web)
        assert up(found) == {"audit": 0, "sat": 0, "gpu": 0}
        assert value(found, "bee_verdict", bee_verdict="Warning") == 1
        assert value(found, "bee_findings", severity="Warning") == 1
        assert value(found, "bee_disk_temperature_celsius", disk="nvme2") == 36
        assert not [name for name in found if name.startswith(("bee_gpu_", "bee_run"))]
        web.write("{")
        found = await scraped(web)
        assert value(found, "bee_verdict", bee_verdict="Unknown") == 1
        assert "bee_disk_temperature_celsius" not in found


async def test_a_service_that_was_taken_off_the_bus_is_down(make_bus: MakeBus, tmp_path: Path) -> None:
    async with web_on(make_bus(services={}).address, tmp_path) as web:
        await web.services(sat="missing")
        assert up(await scraped(web)) == {"audit": 0, "sat": 0, "gpu": 0}


async def test_runs_are_told(make_sat: MakeSat, tmp_path: Path) -> None:
    sat = make_sat()
    sat.tools.behave(memtester="fails")
    async with web_on(sat.bus.address, tmp_path, log=sat.runs.parent) as web, sat.bus.client() as bus:
        found = await scraped(web)
        assert value(found, "bee_runs", status="FAILED") == 0
        assert up(found)["sat"] == 1
        ended = await (await SatClient(bus).start("memory", {"size_mb": "32", "passes": "1"})).finished()

        async def told() -> bool:
            found = await scraped(web)
            status = ended["Verdict"]
            last = value(found, "bee_run_last_status", pack="memory", bee_run_last_status=status)
            return last == 1 and value(found, "bee_runs", status=status) == 1

        await eventually(told, 20)
        assert ended["Verdict"] != "OK"


async def test_scrapes_wake_no_service_that_has_nothing_new_to_say(make_sat: MakeSat, tmp_path: Path) -> None:
    sat = make_sat(idle_seconds=1.0)
    async with web_on(sat.bus.address, tmp_path, log=sat.runs.parent) as web:
        await web.services(sat="idle")
        assert up(await scraped(web))["sat"] == 1
        await web.services(sat="running")
        await web.services(sat="idle")
        for _ in range(3):
            assert up(await scraped(web))["sat"] == 1
            assert (await web.json("/api/v1/status"))["services"]["sat"] == "idle"


async def test_the_older_format_is_for_who_asks_for_nothing(tmp_path: Path) -> None:
    async with web_on(f"unix:path={tmp_path}/none", tmp_path) as web:
        answer = await web.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b'bee_service_up{service="gpu"} 0.0' in answer.body
