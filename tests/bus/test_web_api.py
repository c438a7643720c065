"""What the web tells programs: with all services, without one, without a bus; and what stands in its file."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from bee_bus.documents.base import to_readable_json
from bee_bus.names import AUDIT, GPU
from lab.bus.private import LabBus, audit_service, pid_of
from lab.gpus import GpuMachine, gpu_machine
from lab.nvml import FakeNvml
from lab.snapshots import LINK_NARROW, SPARE_LOW, snapshot
from lab.web_here import SNAPSHOT, Web, web_on

MakeBus = Callable[..., LabBus]


@pytest.fixture
def gpus(tmp_path: Path) -> Iterator[GpuMachine]:
    """A server with eight GPUs."""
    with ExitStack() as stack:
        fake = stack.enter_context(FakeNvml("h100", count=8))
        yield stack.enter_context(gpu_machine(fake, tmp_path))


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Web]:
    """The web without any bus."""
    async with web_on(f"unix:path={tmp_path}/none", tmp_path) as web:
        yield web


# The audit's file.


async def test_a_machine_that_was_never_audited_is_unknown(alone: Web) -> None:
    status = await alone.json("/api/v1/status")
    assert status["audit"] == {
        "verdict": "Unknown",
        "running": False,
        "trouble": "this machine has not been audited",
    }
    for path in ("audit", "findings", "components"):
        problem = await alone.json(f"/api/v1/{path}", 404)
        assert problem == {"error": "NoSnapshot", "message": "this machine has not been audited"}


async def test_the_snapshot_is_read_anew_when_it_changes(alone: Web) -> None:
    alone.write(to_readable_json(snapshot()))
    assert (await alone.json("/api/v1/status"))["audit"]["verdict"] == "OK"
    alone.write(to_readable_json(snapshot(SPARE_LOW, LINK_NARROW)))
    status = await alone.json("/api/v1/status")
    assert status["audit"]["verdict"] == "Critical"
    assert (status["audit"]["failure_count"], status["audit"]["warning_count"]) == (1, 1)
    assert (status["host_name"], status["serial"]) == ("gpu07", "S411795X3B09876")
    found = await alone.json("/api/v1/findings")
    assert [one["severity"] for one in found["findings"]] == ["Critical", "Warning"]
    assert found["findings"][0]["next_step"] == "Replace the disk."
    parts = await alone.json("/api/v1/components?section=storage")
    assert {part["id"]: part["verdict"] for part in parts}["nvme1"] == "Critical"
    assert (await alone.json("/api/v1/components?section=attic", 404))["error"] == "NotFound"


async def test_the_file_is_given_as_it_is_and_saved_under_the_machines_name(alone: Web) -> None:
    text = to_readable_json(snapshot())
    alone.write(text)
    answer = await alone.get("/api/v1/audit?download=1")
    assert answer.body.decode() == text
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="bee-audit-gpu07-S411795X3B09876.json"'
    )


async def test_a_serial_number_cannot_choose_where_the_file_goes(alone: Web) -> None:
    hostile = json.loads(to_readable_json(snapshot()))
    hostile["host_name"] = "../../etc/<script>"
    hostile["hardware"]["board"]["system"]["serial"] = 'x"; filename="/etc/passwd\r\nSet-Cookie: a=b'
    alone.write(json.dumps(hostile))
    answer = await alone.get("/api/v1/audit?download=1")
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="bee-audit-etc_script-x_filename_etc_passwd_Set-Cookie_a_b.json"'
    )
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"schema_version": "1.0", "hardw', "damaged"),
        (b"", "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"schema_version": "2.0", "all": "different"}', "another version of bee"),
        (b'{"schema_version": "1.0", "hardware": 5}', "not as bee writes it"),
    ],
)
async def test_a_file_that_is_no_snapshot_is_said_to_be_none(alone: Web, content: bytes, words: str) -> None:
    alone.write(content)
    audit = (await alone.json("/api/v1/status"))["audit"]
    assert audit["verdict"] == "Unknown"
    assert words in audit["trouble"]
    assert words in (await alone.json("/api/v1/findings", 404))["message"]


async def test_a_snapshot_of_an_earlier_start_of_the_machine_says_so(alone: Web) -> None:
    alone.write(to_readable_json(snapshot(boot_id="another")))
    audit, findings = (await alone.json("/api/v1/status"))["audit"], await alone.json("/api/v1/findings")
    assert (audit["earlier_boot"], audit["verdict"]) == (True, "Unknown")
    assert (findings["earlier_boot"], findings["verdict"]) == (True, "Unknown")


# Without services.


async def test_without_a_bus_it_serves_the_file_and_says_what_is_missing(alone: Web) -> None:
    alone.write(to_readable_json(snapshot()))
    status = await alone.json("/api/v1/status")
    assert status["audit"]["verdict"] == "OK"
    services = status["services"]
    assert (services["bus"], services["gpu"], services["sat"]) == (False, "error", "error")
    for path in ("gpus", "runs", "packs", "runs/20260101T000000_001", "runs/20260101T000000_001/archive"):
        problem = await alone.json(f"/api/v1/{path}", 503)
        assert problem["error"] == "Disconnected"
    health = await alone.get("/healthz")
    assert (health.code, health.body.decode().splitlines()[:2]) == (200, ["ok", "bus: missing"])


async def test_a_bus_without_services_says_that_it_does_not_know_them(
    make_bus: MakeBus, tmp_path: Path
) -> None:
    async with web_on(make_bus(services={}).address, tmp_path) as web:
        await web.services(audit="missing", sat="missing", gpu="missing")
        assert (await web.json("/api/v1/gpus", 503))["error"] == "ServiceUnknown"
        assert (await web.json("/api/v1/runs", 503))["error"] == "ServiceUnknown"


async def test_a_service_is_not_started_for_somebody_who_only_looks(
    make_bus: MakeBus, tmp_path: Path
) -> None:
    async with web_on(make_bus(services={AUDIT.bus_name: audit_service()}).address, tmp_path) as web:
        await web.services(audit="idle", sat="missing")
        await web.json("/api/v1/status")
        await web.get("/metrics")
        await web.services(audit="idle")


async def test_a_bus_that_goes_and_comes_is_found_again(make_bus: MakeBus, tmp_path: Path) -> None:
    place = tmp_path / "bus"
    first = make_bus(services={})
    place.symlink_to(first.folder / "bus")
    async with web_on(f"unix:path={place}", tmp_path) as web:
        await web.services(audit="missing")
        first.stop()
        await web.services(audit="error")
        assert (await web.json("/api/v1/gpus", 503))["error"] == "Disconnected"
        place.unlink()
        place.symlink_to(make_bus(services={}).folder / "bus")
        await web.services(audit="missing")


# GPUs.


async def test_the_gpus_are_looked_at_for_who_asks(gpus: GpuMachine, tmp_path: Path) -> None:
    async with web_on(gpus.bus.address, tmp_path) as web:
        inventory = await web.json("/api/v1/gpus")
        assert [gpu["id"] for gpu in inventory["gpus"]] == sorted(gpus.fake.pci_addresses)
        assert inventory["verdict"] == "OK"
        address = gpus.fake.pci_address(3)
        async with web.stream() as stream:
            await stream.until("gpus", lambda data: data.get("unix_seconds"))
        history = await web.json(f"/api/v1/gpus/{address}/history?fields=temperature_celsius,pcie_width")
        assert history["fields"] == ["temperature_celsius", "pcie_width"]
        assert all(len(row) == 3 and row[1] > 0 for row in history["samples"])
        assert history["samples"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("0000:aa:00.0/history", 404),
        ("0/history?since=soon", 400),
        ("0/history?since=-1", 400),
        (f"0/history?since={2**64}", 400),
        ("0/history?since=٣", 400),
        ("0/history?fields=colour", 400),
    ],
)
async def test_what_cannot_be_asked_of_a_gpu_is_said(
    gpus: GpuMachine, tmp_path: Path, path: str, status: int
) -> None:
    async with web_on(gpus.bus.address, tmp_path) as web:
        problem = await web.json("/api/v1/gpus/" + path.replace("٣", "%D9%A3"), status)
        assert problem["message"]


async def test_a_gpu_service_that_is_killed_is_started_again_by_the_next_question(
    gpus: GpuMachine, tmp_path: Path
) -> None:
    async with web_on(gpus.bus.address, tmp_path) as web, gpus.bus.client() as bus:
        await web.json("/api/v1/gpus")
        await web.services(gpu="running")
        os.kill(await pid_of(bus, GPU.bus_name), signal.SIGKILL)
        await web.services(gpu="idle")
        await asyncio.sleep(1.1)
        assert len((await web.json("/api/v1/gpus"))["gpus"]) == 8
        await web.services(gpu="running")


# The audit, live.


async def test_an_audit_is_seen_and_its_result_is_the_file(make_bus: MakeBus, tmp_path: Path) -> None:
    from bee_bus.client import AuditClient

    command = audit_service()
    log = Path(next(word for word in command if word.startswith("BEE_LOG_DIRECTORY=")).partition("=")[2])
    bus = make_bus(services={AUDIT.bus_name: command})
    async with web_on(bus.address, tmp_path, log=log) as web, bus.client() as client, web.stream() as stream:
        await (await AuditClient(client).run()).finished()
        told = await stream.until("audit", lambda data: not data["running"] and "audited_at" in data)
        text = (log / SNAPSHOT).read_text()
        assert told["verdict"] == json.loads(text)["hardware"]["summary"]["verdict"]
        assert (await web.get("/api/v1/audit")).body.decode() == text
        assert msgspec.json.decode(text)["host_name"] == (await web.json("/api/v1/status"))["host_name"]


async def test_what_is_not_there_is_said_in_json(alone: Web) -> None:
    for path in ("/api/v1/nothing", "/api/v2/status", "/api/v1/runs/x/y/z"):
        assert (await alone.json(path, 404))["error"] == "NotFound"
    assert (await alone.get("/api/v1/status", method="HEAD")).body == b""
