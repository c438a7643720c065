"""What board, kernel, GPUs and disks have seen while every tool was content: a run judges that too."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bee_bus.client import Bus
from bee_bus.names import DBUS, DBUS_PATH
from lab import smartctl
from lab.bus.private import eventually, pid_of
from lab.disks import DiskShelf
from lab.nvml import FakeNvml
from lab.sat import AUDIT, GPU, MEMORY_MIB, SLOT, SatMachine
from lab.sat.driving import ended, held, result_at_end, rules, statuses, step

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acceptance runs need root")

MakeSat = Callable[..., SatMachine]


@pytest.fixture
def gpus() -> Iterator[FakeNvml]:
    with FakeNvml("h100", count=2) as fake:
        yield fake


@pytest.fixture
def gpu_server(make_sat: MakeSat, gpus: FakeNvml) -> SatMachine:
    return make_sat(fake=gpus)


# The board and the kernel: what they have seen while every tool was content.


@pytest.mark.parametrize("kind", ["uncorrected", "corrected"])
async def test_errors_that_the_board_counts_fail_a_memory_test_that_has_passed(
    sat: SatMachine, kind: str
) -> None:
    async with held(sat, "memory") as (_, run):
        sat.memory_error(**{kind: 500})
        sat.tools.let_go()
        result = await result_at_end(run)
    assert statuses(result) == {"memtester": "OK", "stressapptest": "OK"}
    assert result.status == "FAILED"
    found = [one for one in result.findings if one.component == f"memory/{SLOT}"]
    assert "Critical" in {one.severity for one in found}
    assert all(SLOT in one.where for one in found)
    moved = {(one.name, one.component): (one.before, one.after) for one in result.counters}
    assert moved[f"memory.{kind}_errors", f"memory/{SLOT}"] == (0, 500)


async def test_errors_of_another_day_are_no_errors_of_this_run(sat: SatMachine) -> None:
    sat.memory_error(corrected=3, uncorrected=2)
    result = await ended(sat, "memory")
    assert (result.status, result.counters) == ("OK", ())
    told = step(result, "memtester").findings
    assert {one.rule: one.severity for one in told}["memory.uncorrected-errors"] == "Warning"
    assert {one.severity for one in told} == {"Warning"}, "what was there is shown"
    assert all(one.message.startswith("before the load already") for one in told)


async def test_a_dimm_that_the_system_does_not_use_is_not_ok_after_a_good_load(sat: SatMachine) -> None:
    halved = f"MemTotal: {MEMORY_MIB << 9} kB\nMemFree: 1048576 kB\nMemAvailable: 1048576 kB\n"
    (sat.sys.parent / "proc/meminfo").write_text(halved)
    shutil.rmtree(sat.sys / "devices/system/memory/memory1")
    result = await ended(sat, "memory")
    assert (result.status, statuses(result)["stressapptest"]) == ("FAILED", "OK")
    assert "memory.not-seen" in rules(result, "Critical")


async def test_a_memory_controller_that_is_gone_after_the_load_is_not_taken_for_zero(sat: SatMachine) -> None:
    async with held(sat, "memory") as (_, run):
        for file in (sat.sys / "devices/system/edac/mc/mc0/dimm1").iterdir():
            file.unlink()
        sat.tools.let_go()
        result = await result_at_end(run)
    assert result.status == "FAILED"
    assert rules(result, "Critical", "Unknown")


async def test_a_look_that_fails_is_not_judged_and_never_ok(sat: SatMachine) -> None:
    sat.bus.expect("Activated service 'org.bee.Audit1' failed")
    async with held(sat, "cpu") as (bus, run):
        await _break_audit(bus, sat)
        sat.tools.let_go()
        result = await result_at_end(run)
    assert set(statuses(result).values()) == {"OK"}
    assert (result.status, result.reason.partition(":")[0]) == ("FAILED", "not judged")
    assert [look.error for look in result.looks if look.when == "after"] != [""]


async def test_a_kernel_log_that_cannot_be_read_is_not_judged_and_never_ok(make_sat: MakeSat) -> None:
    sat = make_sat(covers={"/dev/kmsg": ""})
    sat.bus.expect("the kernel log cannot be kept")
    result = await ended(sat, "cpu")
    assert set(statuses(result).values()) == {"OK"}
    assert (result.status, result.reason.partition(":")[0]) == ("FAILED", "not judged")
    assert "/dev/kmsg" in result.reason


@contextmanager
def broken_filesystem(folder: Path) -> Iterator[Path]:
    """The file that makes the kernel log an error of a file system that nobody uses."""
    image, place = folder / "image", folder / "mounted"
    place.mkdir()
    image.write_bytes(bytes(8 << 20))
    subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no ext4 can be mounted here: {mounted.stderr.decode()}")
    try:
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", place], capture_output=True, text=True, check=True
        ).stdout.strip()
        yield Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error")
    finally:
        subprocess.run(["umount", place], check=True)


async def test_what_the_kernel_says_while_a_step_runs_is_kept_and_judged(
    sat: SatMachine, tmp_path: Path
) -> None:
    with broken_filesystem(tmp_path) as trigger:
        async with held(sat, "cpu") as (_, run):
            trigger.write_text("told by a test")
            _crash()
            kept = sat.runs / run.run / "kernel-log.txt"
            await eventually(lambda: "segfault" in kept.read_text(), 10)
            sat.tools.let_go()
            result = await result_at_end(run)
    assert (result.status, statuses(result)["cpu"]) == ("FAILED", "FAILED")
    found = {one.rule: one.severity for one in step(result, "cpu").findings}
    assert found["kernel.filesystem-error"] == "Critical"
    assert found["kernel.program-crashed"] == "Warning"
    log = kept.read_text()
    assert log.index("step cpu begins") < log.index("EXT4-fs error") < log.index("step cpu ends")
    assert statuses(result)["matrix"] == "OK", "the next step's window has none of it"


# GPUs: what org.bee.Gpu1 has seen while the load was content.


def _all_links_down(fake: FakeNvml, slot: int) -> None:
    for link in range(18):
        fake.nvlink_down(slot, link)


GPU_FAULTS: dict[str, Callable[[FakeNvml], None]] = {
    "uncorrectable ECC": lambda fake: fake.ecc(1, uncorrected=2),
    "a row remap that failed": lambda fake: fake.remap(1, uncorrected=1, failed=True),
    "every NVLink down": lambda fake: _all_links_down(fake, 1),
    "two slowdowns at once": lambda fake: fake.throttle(1, "hw_slowdown", "hw_thermal", "sw_power_cap"),
    "lost": lambda fake: fake.lose(1),
}


@pytest.mark.parametrize("fault", GPU_FAULTS)
async def test_a_gpu_that_breaks_under_a_load_that_says_ok(
    gpu_server: SatMachine, gpus: FakeNvml, fault: str
) -> None:
    async with held(gpu_server, "nvidia") as (_, run):
        GPU_FAULTS[fault](gpus)
        gpu_server.tools.let_go()
        result = await result_at_end(run)
    assert statuses(result)["gpu-stress"] == "OK", "by its own word"
    assert result.status == "FAILED"
    blamed = [one for one in result.findings if one.severity == "Critical"]
    assert {one.component for one in blamed} == {f"gpus/{gpus.pci_address(1)}"}


@pytest.mark.parametrize("fault", ["every NVLink down", "a row remap that failed", "a narrow link"])
async def test_a_gpu_that_was_broken_before_the_load_is_not_ok_after_a_good_one(
    gpu_server: SatMachine, gpus: FakeNvml, fault: str
) -> None:
    faults: dict[str, Callable[[FakeNvml], None]] = {
        **GPU_FAULTS,
        "a narrow link": lambda fake: fake.link_pcie(1, width=8),
    }
    faults[fault](gpus)
    healthy, broken = (
        await ended(gpu_server, "nvidia", gpus="0"),
        await ended(gpu_server, "nvidia", gpus="1"),
    )
    assert healthy.status == "OK", "the other GPU was not asked about"
    assert broken.status == "FAILED"
    blamed = {one.component for one in step(broken, "gpu-stress").findings if one.severity == "Critical"}
    assert blamed == {f"gpus/{gpus.pci_address(1)}"}


async def test_a_gpu_service_that_dies_under_a_load_is_asked_again(
    gpu_server: SatMachine, gpus: FakeNvml
) -> None:
    async with held(gpu_server, "nvidia") as (bus, run):
        metrics = gpu_server.runs / run.run / "gpu-metrics.csv"
        await eventually(lambda: metrics.read_text().count("\n") > 2, 20)
        os.kill(await pid_of(bus, GPU), signal.SIGKILL)
        rows = metrics.read_text().count("\n")
        await eventually(lambda: metrics.read_text().count("\n") > rows + 2, 30)
        gpu_server.tools.let_go()
        result = await result_at_end(run)
    assert result.status == "OK", result.reason


# Disks.


async def test_disks_are_told_apart_and_what_cannot_be_tested_says_why(make_sat: MakeSat) -> None:
    shelf = DiskShelf()
    for name in ("sda", "sdb", "sdc"):
        shelf.sata(name, None)
    shelf.usb("sdd", None)
    shelf.virtio("vda")
    sat = make_sat(disks=shelf)
    for name, serial in (("sda", "ZC1"), ("sdb", "ZC2"), ("sdc", "ZC3")):
        sat.tools.add_disk(name, smartctl.hdd(serial=serial))
    sat.tools.behave(smartctl="sdb fails, sdc forgets")

    result = await ended(sat, "storage")

    found = statuses(result)
    assert (result.status, found["sda"], found["sdb"]) == ("FAILED", "OK", "FAILED")
    assert "LBA 123456789" in step(result, "sdb").reason
    assert "storage.self-test" in rules(result, "Critical")
    assert found["sdc"] == "FAILED", "a log without this test is no pass"
    assert (found["sdd"], found["vda"]) == ("UNSUPPORTED", "UNSUPPORTED")
    assert step(result, "vda").reason and not step(result, "sdd").promised


async def _break_audit(bus: Bus, sat: SatMachine) -> None:
    """The audit service ends, and cannot be started again."""
    services = sat.bus.folder / "services/org.bee.Audit1.service"
    services.write_text("[D-BUS Service]\nName=org.bee.Audit1\nExec=/bin/false\nUser=root\n")
    await bus.connection.ask(DBUS, DBUS_PATH, DBUS, "ReloadConfig")
    os.kill(await pid_of(bus, AUDIT), signal.SIGKILL)


def _crash() -> None:
    """A program that crashes, which the kernel tells."""
    subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(0)"], check=False)
