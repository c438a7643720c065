"""org.bee.Gpu1 on a private bus: the real service and real pynvml, for a machine whose GPUs can be broken."""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bee_bus import errors, names
from bee_bus.client import AuditClient, Bus
from bee_bus.documents.gpus import GpuEvent, GpuHealth, GpuInventory, GpuTick
from bee_bus.gpu_client import GpuClient, GpuWatch
from lab.bus.private import STRANGER_UID, audit_service, eventually, python_command
from lab.gpus import BUS_NAME, GpuMachine, gpu_machine
from lab.nvml import FakeNvml

Make = Callable[..., GpuMachine]
FAST_MS = 100


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    from contextlib import ExitStack

    made: list[GpuMachine] = []
    with ExitStack() as stack:

        def make(profile: str = "h100", *, count: int = 2, **keywords: Any) -> GpuMachine:
            fake = stack.enter_context(FakeNvml(profile, count=count))
            made.append(stack.enter_context(gpu_machine(fake, tmp_path, **keywords)))
            return made[-1]

        yield make
    for machine in made:
        sys.stdout.write(machine.bus.log())
    assert [line for machine in made for line in machine.bus.complaints()] == []


async def inventory_of(bus: Bus) -> GpuInventory:
    return msgspec.json.decode(await GpuClient(bus).get_inventory(), type=GpuInventory)


async def health_of(bus: Bus) -> GpuHealth:
    return msgspec.json.decode(await GpuClient(bus).get_health(), type=GpuHealth)


async def tick_of(watch: GpuWatch) -> GpuTick:
    async with asyncio.timeout(20):
        async for news in watch:
            if isinstance(news, GpuTick):
                return news
    raise AssertionError("unreachable")


async def event_of(watch: GpuWatch, kind: str) -> GpuEvent:
    async with asyncio.timeout(20):
        async for news in watch:
            if isinstance(news, GpuEvent) and news.kind == kind:
                return news
    raise AssertionError("unreachable")


@asynccontextmanager
async def watched(machine: GpuMachine, interval_ms: int = FAST_MS) -> AsyncIterator[tuple[Bus, GpuWatch]]:
    async with machine.bus.client() as bus, GpuClient(bus).watching(interval_ms=interval_ms) as watch:
        await tick_of(watch)
        yield bus, watch


# What is there.


@pytest.mark.parametrize("profile", ["h100", "a100", "l40s"])
async def test_healthy_gpus_are_ok_and_say_who_they_are(make: Make, profile: str) -> None:
    machine = make(profile, count=2)
    if profile == "l40s":  # the captured one sat in a slot of eight lanes
        for slot in range(2):
            machine.fake.link_pcie(slot, width=16)
    async with machine.bus.client() as bus:
        inventory = await inventory_of(bus)
        assert (inventory.verdict, inventory.findings, inventory.state) == ("OK", (), "ready")
        assert [gpu.id for gpu in inventory.gpus] == sorted(machine.fake.pci_addresses)
        for gpu in inventory.gpus:
            assert gpu.identity and gpu.state and gpu.sample
            assert gpu.identity.serial and gpu.identity.firmware
        properties = await GpuClient(bus).properties()
        assert (properties["State"], properties["Verdict"]) == ("ready", "OK")
        assert properties["DriverVersion"] == machine.fake.profile.driver_version
        assert (properties["GpuCount"], properties["PciGpuCount"]) == (2, 2)


async def test_every_gpu_is_an_object_without_telemetry(make: Make) -> None:
    machine = make(count=2)
    async with machine.bus.client() as bus:
        objects = await GpuClient(bus).objects()
        assert list(objects) == [
            f"{names.GPU.path}/gpu/{address.replace(':', '_').replace('.', '_')}"
            for address in sorted(machine.fake.pci_addresses)
        ]
        for held in objects.values():
            gpu = held[names.GPU_GPU_INTERFACE]
            assert gpu["Uuid"].startswith("GPU-") and gpu["State"] == "ok" and gpu["Verdict"] == "OK"
            assert gpu["MemoryBytes"] > 70 << 30
            facts = json.loads(gpu["Facts"])
            assert facts["identity"]["serial"] == gpu["Serial"]
            assert "sample" not in facts


async def test_a_stranger_may_read_and_watch(make: Make) -> None:
    machine = make(count=1)
    async with machine.bus.client(STRANGER_UID) as bus:
        assert (await inventory_of(bus)).verdict == "OK"
        async with GpuClient(bus).watching(interval_ms=FAST_MS) as watch:
            await tick_of(watch)


async def test_without_the_library_it_is_said_and_nothing_is_ok(make: Make) -> None:
    machine = make(count=2, with_library=False)
    async with machine.bus.client() as bus:
        inventory = await inventory_of(bus)
        assert (inventory.state, inventory.verdict) == ("no-library", "Unknown")
        assert {finding.rule for finding in inventory.findings} == {"gpus.driver-missing"}
        assert len(inventory.findings) == 2
        async with GpuClient(bus).watching(interval_ms=FAST_MS) as watch:
            tick = await tick_of(watch)
            assert [gpu.condition for gpu in tick.gpus] == ["no-driver", "no-driver"]


async def test_a_driver_of_another_version_is_named(make: Make) -> None:
    machine = make(count=1)
    machine.fake.mismatch_driver()
    async with machine.bus.client() as bus:
        inventory = await inventory_of(bus)
        assert (inventory.state, inventory.verdict) == ("version-mismatch", "Unknown")


# Watching.


async def test_one_samples_signal_a_tick_for_all_gpus_and_all_watchers(make: Make) -> None:
    machine = make(count=4)
    seen: list[int] = []
    async with machine.bus.client() as first, machine.bus.client() as second, machine.bus.client() as third:
        others = (GpuClient(second), GpuClient(third))
        for other in others:
            await other.watch(FAST_MS)
        async with GpuClient(first).watching(interval_ms=FAST_MS) as watch:
            for _ in range(10):
                tick = await tick_of(watch)
                assert [one.gpu for one in tick.gpus] == sorted(machine.fake.pci_addresses)
                seen.append(round(tick.unix_seconds * 1e6))
            assert (await GpuClient(first).properties())["Watchers"] == 3
    assert len(set(seen)) == 10
    gaps = [after - before for before, after in itertools.pairwise(seen)]
    assert all(gap > 50_000 for gap in gaps), "one signal for each tick, not for each watcher"


async def test_the_pace_is_the_shortest_that_anybody_wants(make: Make) -> None:
    machine = make(count=1)
    async with machine.bus.client() as patient, machine.bus.client() as hasty:
        assert await GpuClient(patient).watch(2000) == 2000
        assert await GpuClient(hasty).watch(500) == 500
        assert await GpuClient(hasty).watch(200) == 200
        assert (await GpuClient(patient).properties())["Watchers"] == 2
        await GpuClient(hasty).unwatch()
        assert (await GpuClient(patient).properties())["IntervalMilliseconds"] == 2000
        await GpuClient(hasty).unwatch()  # nothing to give back


async def test_a_watch_ends_with_the_client_that_vanishes(make: Make) -> None:
    machine = make(count=1)
    async with machine.bus.client() as observer:
        async with machine.bus.client() as watcher:
            await GpuClient(watcher).watch(FAST_MS)
            assert (await GpuClient(observer).properties())["Watchers"] == 1

        async def nobody() -> bool:
            held = await GpuClient(observer).properties()
            return (held["Watchers"], held["IntervalMilliseconds"]) == (0, 0)

        await eventually(nobody)


async def test_who_watches_a_thousand_times_has_one_watch(make: Make) -> None:
    machine = make(count=1)
    async with machine.bus.client() as bus:
        for number in range(1000):
            await GpuClient(bus).watch(FAST_MS + number)
        assert (await GpuClient(bus).properties())["Watchers"] == 1
        await GpuClient(bus).unwatch()
        assert (await GpuClient(bus).properties())["Watchers"] == 0


@pytest.mark.parametrize("interval_ms", [0, 99, 60_001, 1_000_000_000, 2**32 - 1])
async def test_an_interval_that_cannot_be_is_refused(make: Make, interval_ms: int) -> None:
    machine = make(count=1)
    async with machine.bus.client() as bus:
        with pytest.raises(errors.InvalidOption, match="100 to 60000"):
            await GpuClient(bus).watch(interval_ms)
        assert (await GpuClient(bus).properties())["Watchers"] == 0


async def test_it_leaves_when_idle_and_stays_while_watched(make: Make) -> None:
    machine = make(count=1, idle_seconds=0.5)
    async with machine.bus.client() as bus:

        async def running() -> bool:
            reply = await bus.connection.ask(
                names.DBUS, names.DBUS_PATH, names.DBUS, "NameHasOwner", "s", [BUS_NAME]
            )
            return bool(reply.body[0])

        async with GpuClient(bus).watching(interval_ms=FAST_MS) as watch:
            for _ in range(15):
                await tick_of(watch)
            assert await running()

        async def gone() -> bool:
            return not await running()

        await eventually(gone)


# History.


async def test_history_gives_the_fields_that_are_asked_for(make: Make) -> None:
    machine = make(count=2)
    async with watched(machine) as (bus, watch):
        for _ in range(25):
            await tick_of(watch)
        client = GpuClient(bus)
        fields = ["temperature_celsius", "pcie_width", "power_usage_watts"]
        for name in ("1", machine.fake.pci_address(1), str(machine.fake.value(1, "uuid"))):
            (history,) = json.loads(await client.get_history(name, 0, fields))
            assert (history["gpu"], history["fields"]) == (machine.fake.pci_address(1), fields)
        assert 2 <= len(history["samples"]) <= 6, "one a second is kept, not every tick"
        when, temperature, width, usage = history["samples"][-1]
        assert isinstance(temperature, int) and (width, usage) == (16, None)
        assert len(json.loads(await client.get_history())) == 2
        (later,) = json.loads(await client.get_history("1", when, fields))
        assert len(later["samples"]) <= 2


async def test_history_of_what_there_is_none_of_is_an_error_with_a_name(make: Make) -> None:
    machine = make(count=1)
    async with machine.bus.client() as bus:
        client = GpuClient(bus)
        for name in ("7", "0000:ff:00.0", "GPU-none", "\N{REPLACEMENT CHARACTER}" * 1000):
            with pytest.raises(errors.NotFound):
                await client.get_history(name)
        with pytest.raises(errors.InvalidOption, match="future"):
            await client.get_history("", 2**63)
        with pytest.raises(errors.InvalidOption, match="there is no field"):
            await client.get_history("", 0, ["temperature"])
        with pytest.raises(errors.InvalidArgs):
            await bus.connection.ask(BUS_NAME, names.GPU.path, names.GPU_INTERFACE, "GetHistory", "s", ["0"])


# Faults: each has its event while it is watched, and its finding.

Fault = Callable[[GpuMachine], None]
FAULTS: dict[str, tuple[Fault, str | None, str, str]] = {
    "uncorrectable ECC": (
        lambda m: m.fake.ecc(0, uncorrected=2),
        "ecc-uncorrected",
        "gpus.ecc-uncorrected",
        "Critical",
    ),
    "SRAM error": (
        lambda m: m.fake.ecc(0, uncorrected=1, memory="sram"),
        "ecc-uncorrected",
        "gpus.ecc-uncorrected",
        "Critical",
    ),
    "remap pending": (
        lambda m: m.fake.remap(0, uncorrected=1, pending=True),
        "remap-pending",
        "gpus.remap-pending",
        "Warning",
    ),
    "remap failed": (
        lambda m: m.fake.remap(0, uncorrected=1, failed=True),
        "remap-failed",
        "gpus.remap-failed",
        "Critical",
    ),
    "Xid": (lambda m: m.fake.xid(0, 79), "xid", "gpus.xid", "Critical"),
    "throttling": (
        lambda m: m.fake.throttle(0, "hw_power_brake"),
        "throttle-begin",
        "gpus.slowdown-hw-power-brake",
        "Critical",
    ),
    "narrow link": (
        lambda m: m.fake.link_pcie(0, width=8),
        "pcie-link-narrowed",
        "gpus.pcie-width",
        "Critical",
    ),
    "NVLink down": (lambda m: m.fake.nvlink_down(0, 3), "nvlink-down", "gpus.nvlink-down", "Critical"),
    "NVLink errors": (
        lambda m: m.fake.nvlink_errors(0, 2, recovery=50),
        "nvlink-errors",
        "gpus.nvlink-recoveries",
        "Critical",
    ),
    "lost": (lambda m: m.fake.lose(0), "lost", "gpus.lost", "Critical"),
    "reset needed": (lambda m: m.fake.need_reset(0), "needs-reset", "gpus.needs-reset", "Critical"),
    "no power": (lambda m: m.fake.unplug_power(0), "no-power", "gpus.no-power", "Critical"),
    "power cap": (lambda m: m.fake.cap_power(0, 400), None, "gpus.power-cap", "Warning"),
    "ECC off": (lambda m: m.fake.ecc_mode(0, False), None, "gpus.ecc-off", "Warning"),
    "heat": (lambda m: m.fake.overheat(0, 90), None, "gpus.temperature", "Critical"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_has_its_event_and_its_finding(make: Make, fault: str) -> None:
    machine = make(count=3)
    inject, kind, rule, severity = FAULTS[fault]
    async with watched(machine) as (bus, watch):
        await asyncio.sleep(0.3)  # the counters have been read once
        assert (await health_of(bus)).verdict == "OK"
        inject(machine)
        if kind is not None:
            event = await event_of(watch, kind)
            assert event.gpu == machine.fake.pci_address(0)
            assert event.message

        async def found() -> bool:
            return rule in {finding.rule for finding in (await health_of(bus)).findings}

        await eventually(found)
        health = await health_of(bus)
        assert health.verdict == severity
        broken = machine.fake.pci_address(0)
        assert {gpu for gpu, verdict in health.verdicts.items() if verdict != "OK"} == {broken}
        finding = next(finding for finding in health.findings if finding.rule == rule)
        assert (finding.severity, finding.component) == (severity, f"gpus/{broken}")
        assert finding.next_step.endswith(".")


async def test_two_reasons_at_once_are_two(make: Make) -> None:
    machine = make(count=1)
    async with watched(machine) as (bus, watch):
        machine.fake.throttle(0, "hw_slowdown", "hw_thermal", "sw_power_cap")
        begun = {(await event_of(watch, "throttle-begin")).details["reason"] for _ in range(3)}
        assert begun == {"hw-slowdown", "hw-thermal", "sw-power-cap"}
        rules = {finding.rule for finding in (await health_of(bus)).findings}
        assert {"gpus.slowdown-hw-slowdown", "gpus.slowdown-hw-thermal"} <= rules
        assert "gpus.slowdown-sw-power-cap" not in rules, "the power limit is normal work"
        machine.fake.throttle(0)
        ended = [(await event_of(watch, "throttle-end")) for _ in range(3)]
        assert {event.details["reason"] for event in ended} == begun
        assert all(0 <= float(event.details["seconds"] or 0) < 20 for event in ended)


async def test_a_gpu_that_is_on_pci_and_not_in_nvml_is_critical(make: Make) -> None:
    machine = make(count=3)
    machine.fake.hide(1)
    async with machine.bus.client() as bus:
        inventory = await inventory_of(bus)
        (finding,) = inventory.findings
        assert (finding.rule, finding.severity) == ("gpus.not-in-driver", "Critical")
        assert finding.component == f"gpus/{machine.fake.pci_address(1)}"
        properties = await GpuClient(bus).properties()
        assert (properties["GpuCount"], properties["PciGpuCount"]) == (2, 3)


async def test_an_xid_in_the_kernel_log_of_before_is_a_finding(make: Make) -> None:
    machine = make(count=2)
    machine.log_xid(1, 79, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")
    machine.log_xid(1, 79, "again", seconds=300)
    machine.log_xid(0, 43, "pid=12, name=python3, Ch 00000008", seconds=20)
    async with machine.bus.client() as bus:
        inventory = await inventory_of(bus)
        assert [(record.number, record.count) for record in inventory.xids] == [(79, 2), (43, 1)]
        (finding,) = inventory.findings
        assert (finding.rule, finding.severity, finding.value) == ("gpus.xid", "Critical", 79)
        assert finding.component == f"gpus/{machine.fake.pci_address(1)}"


async def test_the_verdict_on_the_bus_follows_what_happens(make: Make) -> None:
    machine = make(count=2)
    async with watched(machine) as (bus, watch):
        await asyncio.sleep(1.2)
        machine.fake.lose(0)
        await event_of(watch, "lost")

        async def seen() -> bool:
            return bool((await GpuClient(bus).properties())["Verdict"] == "Critical")

        await eventually(seen, 3)  # nobody has asked for the health


# Gone, stuck, and back.


async def test_a_gpu_that_is_lost_comes_back(make: Make) -> None:
    machine = make(count=2)
    async with watched(machine) as (bus, watch):
        machine.fake.lose(1)
        assert (await event_of(watch, "lost")).severity == "Critical"
        tick = await tick_of(watch)
        assert [(one.condition, one.sample is None) for one in tick.gpus] == [("ok", False), ("lost", True)]
        machine.fake.bring_back(1)
        await event_of(watch, "back")
        assert (await health_of(bus)).verdict == "OK"


async def test_one_gpu_that_hangs_leaves_the_others_and_the_bus_alive(make: Make) -> None:
    machine = make(count=3)
    async with watched(machine) as (bus, watch):
        machine.fake.hang(1)
        event = await event_of(watch, "not-answering")
        assert (event.gpu, event.severity) == (machine.fake.pci_address(1), "Critical")
        ticks = [await tick_of(watch) for _ in range(10)]
        for tick in ticks:
            assert [one.condition for one in tick.gpus] == ["ok", "not-answering", "ok"]
        answering = [tick for tick in ticks if tick.gpus[0].sample and tick.gpus[2].sample]
        assert len(answering) >= 9
        assert (await GpuClient(bus).properties())["Watchers"] == 1
        health = await health_of(bus)
        assert [finding.rule for finding in health.findings] == ["gpus.not-answering"]
        machine.fake.answer(1)
        await event_of(watch, "back")

        async def well() -> bool:
            return (await health_of(bus)).verdict == "OK"

        await eventually(well)


async def test_a_slow_gpu_does_not_hold_up_the_pace(make: Make) -> None:
    machine = make(count=2)
    machine.fake.slow(0.15, 0, "nvmlDeviceGetUtilizationRates")
    async with watched(machine) as (_, watch):
        times = []
        samples = 0
        for _ in range(20):
            tick = await tick_of(watch)
            times.append(tick.unix_seconds)
            samples += tick.gpus[0].sample is not None
            assert tick.gpus[0].condition == "ok"
        assert times[-1] - times[0] < 19 * 0.1 + 1
        assert samples >= 5, "it is slow, and not silent"


async def test_a_driver_that_is_unloaded_and_loaded_again(make: Make) -> None:
    machine = make(count=2)
    async with watched(machine) as (bus, watch):
        machine.fake.unload_driver()
        gone = await event_of(watch, "driver-gone")
        assert gone.gpu == ""
        tick = await tick_of(watch)
        assert [one.condition for one in tick.gpus] == ["no-driver", "no-driver"]
        health = await health_of(bus)
        assert (health.verdict, len(health.findings)) == ("Unknown", 2)
        machine.fake.load_driver(version="999.1")
        await event_of(watch, "driver-back")

        async def well() -> bool:
            return (await health_of(bus)).verdict == "OK"

        await eventually(well)
        assert (await GpuClient(bus).properties())["DriverVersion"] == "999.1"
        assert [one.condition for one in (await tick_of(watch)).gpus] == ["ok", "ok"]


async def test_a_driver_that_hangs_whatever_it_is_asked_is_named(make: Make) -> None:
    machine = make(count=1)
    machine.fake.hang()
    async with machine.bus.client() as bus:
        inventory = await inventory_of(bus)
        assert (inventory.state, inventory.verdict) == ("not-answering", "Unknown")


# The command line on it.


async def bee(machine: GpuMachine, *words: str) -> tuple[int, str, str]:
    command = [*python_command("-m", "bee_cli.main"), "gpu", *words]
    ended = await asyncio.to_thread(
        subprocess.run, command, env=machine.bus.environment, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


async def test_the_table_fits_a_crash_cart_and_its_exit_code_is_the_verdict(make: Make) -> None:
    machine = make(count=8)
    code, table, said = await bee(machine)
    assert (code, said) == (0, "")
    lines = table.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert all(address in table for address in machine.fake.pci_addresses)
    machine.fake.lose(2)
    code, table, _ = await bee(machine)
    assert code == 2
    assert "CRITICAL" in table and "lost" in table and machine.fake.pci_address(2) in table


async def test_one_gpu_by_any_of_its_names(make: Make) -> None:
    machine = make(count=2)
    uuid = str(machine.fake.value(1, "uuid"))
    pages = [await bee(machine, "show", name) for name in ("1", uuid, machine.fake.pci_address(1))]
    for code, page, _ in pages:
        assert code == 0
        assert uuid in page and "18 of 18 links up" in page
    code, text, _ = await bee(machine, "show", "1", "--json")
    assert (code, json.loads(text)["gpu"]["identity"]["uuid"]) == (0, uuid)
    code, _, said = await bee(machine, "show", "9")
    assert code == 3 and "there is no GPU 9" in said


async def test_a_watch_that_nobody_looks_at_is_lines(make: Make) -> None:
    machine = make(count=2)
    code, text, _ = await bee(machine, "watch", "--interval", "0.1", "--count", "3")
    assert code == 0
    assert len(text.splitlines()) == 6 and "\x1b" not in text
    code, text, _ = await bee(machine, "watch", "--interval", "0.1", "--count", "2", "--json")
    ticks = [json.loads(line) for line in text.splitlines()]
    assert [len(tick["gpus"]) for tick in ticks] == [2, 2]
    code, _, said = await bee(machine, "watch", "--interval", "0")
    assert code == 3 and "0.1 to 60" in said


async def test_json_is_the_whole_inventory(make: Make) -> None:
    machine = make(count=1)
    code, text, _ = await bee(machine, "--json")
    assert code == 0
    assert msgspec.json.decode(text, type=GpuInventory).gpus[0].id == machine.fake.pci_address(0)


# The audit takes over what the service knows and finds.


async def test_the_audit_has_the_gpus_and_their_findings(make: Make) -> None:
    machine = make(count=2, services={names.AUDIT.bus_name: audit_service()})
    machine.fake.remap(1, uncorrected=2, failed=True)
    async with machine.bus.client() as bus:
        run = await AuditClient(bus).run({"sections": "gpus"})
        ended = await run.finished(deadline_seconds=60)
        assert ended["ErrorMessage"] == ""
        hardware = json.loads(await run.get_snapshot())["hardware"]
        first, second = hardware["gpus"]["gpus"]
        assert (first["condition"], first["driver"]) == ("ok", "nvidia")
        assert first["serial"] and first["firmware"] and first["state"]["ecc_enabled"] is True
        assert len(first["state"]["nvlinks"]) == 18
        assert second["state"]["counters"]["remap_failed"] is True
        rules = [finding["rule"] for finding in hardware["summary"]["findings"]]
        assert rules == ["gpus.remap-failed"]
        assert hardware["summary"]["verdict"] == ended["Verdict"] == "Critical"
