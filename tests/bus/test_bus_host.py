"""The life of a service: one owner, idle end, SIGTERM, the bus lost, systemd told."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bee_bus import errors
from bee_bus.client import Bus
from lab.bus.private import LabBus, call, eventually, get, lab_service, once_there, pid_of, until
from lab.bus.service import BUS_NAME

MakeBus = Callable[..., LabBus]


@pytest.fixture
def empty_bus(make_bus: MakeBus) -> LabBus:
    """A bus that starts no lab service by itself."""
    return make_bus(services={})


async def owned(client: Bus) -> bool:
    reply = await client.connection.ask(
        "org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus",
        "NameHasOwner",
        "s",
        [BUS_NAME],
    )
    return bool(reply.body[0])


async def left(client: Bus) -> bool:
    return not await owned(client)


async def test_a_service_with_nothing_to_do_leaves_and_comes_back_when_called(make_bus: MakeBus) -> None:
    bus = make_bus(services={BUS_NAME: lab_service(idle_seconds=0.4)})
    async with bus.client() as client:
        assert (await call(client, "Change", "u", 1)).body == [1]
        await eventually(lambda: left(client))
        assert (await call(client, "Change", "u", 1)).body == [1], "it is a new process"


async def test_the_idle_end_is_no_failure(empty_bus: LabBus) -> None:
    assert empty_bus.process(lab_service(idle_seconds=0.2)).wait(10) == 0


async def test_every_call_and_every_read_keeps_the_service(empty_bus: LabBus) -> None:
    service = empty_bus.process(lab_service(idle_seconds=0.6))
    async with empty_bus.client() as client:
        await once_there(client, "Echo", "sd", "awake", 0.0)
        for _ in range(6):
            await asyncio.sleep(0.3)
            await get(client, "Changes")
        assert service.poll() is None
    assert service.wait(5) == 0


async def test_a_call_that_takes_longer_than_the_idle_time_is_finished(empty_bus: LabBus) -> None:
    service = empty_bus.process(lab_service(idle_seconds=0.2))
    async with empty_bus.client() as client:
        assert (await once_there(client, "Echo", "sd", "slow", 1.0)).body == ["slow"]
    assert service.wait(5) == 0


async def test_a_job_keeps_the_service_until_it_has_ended_and_a_little_longer(empty_bus: LabBus) -> None:
    service = empty_bus.process(lab_service(idle_seconds=0.2))
    async with empty_bus.client() as client:
        await once_there(client, "Start", "ds", 1.0, "OK")
        await asyncio.sleep(0.8)
        assert service.poll() is None
    assert service.wait(5) == 0


async def test_calls_that_meet_the_service_leaving_are_answered_every_one(make_bus: MakeBus) -> None:
    """The service leaves all the time; a caller in a loop never sees an error."""
    bus = make_bus(services={BUS_NAME: lab_service(idle_seconds=0.01)})
    async with bus.client() as client:
        for number in range(60):
            assert (await call(client, "Echo", "sd", str(number), 0.0)).body == [str(number)]
            await asyncio.sleep(number % 7 * 0.004)


async def test_a_second_service_of_the_name_does_not_wait_for_it_but_fails(empty_bus: LabBus) -> None:
    empty_bus.expect("is already owned by another process")
    first = empty_bus.process(lab_service())
    async with empty_bus.client() as client:
        await once_there(client, "Echo", "sd", "awake", 0.0)
        assert empty_bus.process(lab_service()).wait(10) == 1
        first.terminate()
        assert first.wait(10) == 0
        assert not await owned(client), "nobody was queueing for the name"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_a_service_ends_its_jobs_answers_its_callers_and_exits_well(
    empty_bus: LabBus, number: signal.Signals
) -> None:
    service = empty_bus.process(lab_service())
    async with empty_bus.client() as client:
        await once_there(client, "Start", "ds", 60.0, "OK")
        waiting = asyncio.create_task(call(client, "Echo", "sd", "never", 60.0))
        await asyncio.sleep(0.2)
        service.send_signal(number)
        with pytest.raises(errors.Cancelled):
            await waiting
    assert service.wait(5) == 0


async def test_when_the_bus_goes_away_the_service_fails_so_that_systemd_starts_it_again(
    make_bus: MakeBus,
) -> None:
    bus = make_bus(services={})
    bus.expect("the bus went away")
    service = bus.process(lab_service())
    async with bus.client() as client:
        await once_there(client, "Start", "ds", 60.0, "OK")
        waiting = asyncio.create_task(call(client, "Echo", "sd", "never", 60.0))
        await asyncio.sleep(0.1)
        kill_bus(bus)
        assert await asyncio.to_thread(service.wait, 5) == 1
        with pytest.raises(errors.Disconnected):
            await asyncio.wait_for(waiting, 5)
        with pytest.raises(errors.Disconnected):
            await call(client, "Echo", "sd", "anybody?", 0.0)


def test_without_a_bus_the_service_says_so_and_fails(tmp_path: Path) -> None:
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/none"}
    ended = subprocess.run(
        lab_service(), env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert "there is no bus at" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd hears from its services."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(10)
        yield heard


async def test_systemd_hears_when_the_service_is_ready_alive_and_leaving(
    empty_bus: LabBus, systemd: socket.socket
) -> None:
    told = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "300000"}
    words = [f"{name}={value}" for name, value in told.items()]
    service = empty_bus.process(["/usr/bin/env", *words, *lab_service(idle_seconds=0.5)])
    heard = [systemd.recv(4096).decode() for _ in range(1)]
    async with empty_bus.client() as client:
        assert await owned(client), "ready means that it can be called"
    while heard[-1] != "STOPPING=1":
        heard.append(systemd.recv(4096).decode())
    assert service.wait(5) == 0
    assert heard[0] == "READY=1"
    assert 3 <= heard.count("WATCHDOG=1") <= 9


async def test_what_the_bus_started_is_gone_with_the_bus(make_bus: MakeBus) -> None:
    bus = make_bus()
    bus.expect("the bus went away")
    async with bus.client() as client:
        await call(client, "Echo", "sd", "awake", 0.0)
        pid = await pid_of(client, BUS_NAME)
    kill_bus(bus)
    until(lambda: not Path(f"/proc/{pid}").exists(), 5)


def kill_bus(bus: LabBus) -> None:
    """Kill the bus daemon, as if it had crashed."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"/usr/bin/dbus-daemon\0") and str(bus.folder).encode() in words:
            os.kill(int(folder.name), signal.SIGKILL)
