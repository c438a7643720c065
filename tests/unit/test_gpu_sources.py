"""Where GPUs are found: PCI, the files of other drivers, the kernel log."""

import errno
from dataclasses import replace

import pytest

from bee_bus.documents.gpus import GpuEvent
from bee_gpu.devices.files import FileDevice
from bee_gpu.fleet import Fleet
from bee_gpu.kernel_log import LogUnreadable, parse_xids, read_xids
from bee_gpu.pci import pci_address, read_pci
from lab.machine import FakeMachine
from lab.pci import Device, Link, machine_with, port

LINK = Link(speed=32.0, max_speed=32.0)


def amd(**files: str) -> Device:
    return Device(
        *("0000:53:00.0", 0x1002, 0x74A1, 0x120000),
        link=LINK,
        driver="amdgpu",
        extra={
            "product_name": "AMD Instinct MI300X OAM\n",
            "vbios_version": "113-M3000100-103\n",
            "serial_number": "692251001124\n",
            "mem_info_vram_total": "206141652992\n",
            "mem_info_vram_used": "297209856\n",
            "gpu_busy_percent": "7\n",
            "hwmon/hwmon7/temp1_label": "junction\n",
            "hwmon/hwmon7/temp1_input": "41000\n",
            "hwmon/hwmon7/temp2_label": "mem\n",
            "hwmon/hwmon7/temp2_input": "37000\n",
            "hwmon/hwmon7/power1_average": "138000000\n",
            "hwmon/hwmon7/power1_cap": "750000000\n",
            "hwmon/hwmon7/freq1_input": "132000000\n",
            **files,
        },
    )


def h100(driver: str | None = "nvidia") -> Device:
    return Device(
        "0000:54:00.0", 0x10DE, 0x2330, 0x030200, subsystem=(0x10DE, 0x16C1), link=LINK, driver=driver
    )


PORTS = [port("0000:50:00.0", 0x53, link=LINK), port("0000:50:01.0", 0x54, link=LINK)]


async def test_pci_shows_gpus_with_both_ends_of_their_links() -> None:
    switch = Device("0000:60:00.0", 0x10DE, 0x22A3, 0x068000)
    bmc = Device("0000:03:00.0", 0x1A03, 0x2000, 0x030000)
    view = await read_pci(machine_with([*PORTS, amd(), h100(), switch, bmc]))
    assert [gpu.vendor for gpu in view.gpus] == ["AMD", "NVIDIA"]
    assert view.nvswitches == ("0000:60:00.0",)
    gpu = view.gpus[1]
    assert (gpu.pci_id, gpu.pci_subsystem_id, gpu.driver) == ("10de:2330", "10de:16c1", "nvidia")
    assert gpu.link and gpu.link.port == "0000:50:01.0"
    assert (gpu.link.width, gpu.link.port_max_width, gpu.link.port_max_speed_gtps) == (16, 16, 32.0)


async def test_a_port_that_a_hypervisor_made_up_is_no_port_of_the_gpu() -> None:
    made_up = replace(port("0000:50:01.0", 0x54, link=replace(LINK, max_width=32)), vendor=0x1B36, device=0xC)
    (gpu,) = (await read_pci(machine_with([made_up, h100()]))).gpus
    assert gpu.link and (gpu.link.port, gpu.link.port_max_width, gpu.link.max_width) == (None, None, 16)


async def test_a_machine_whose_pci_is_hidden_is_not_one_without_gpus() -> None:
    assert not (await read_pci(FakeMachine())).seen


def test_addresses_of_all_who_write_them() -> None:
    assert pci_address("00000000:3B:00.0") == pci_address("0000:3b:00.0") == "0000:3b:00.0"
    assert pci_address("00010000:3B:00.0") == "00010000:3b:00.0"


async def test_an_amd_gpu_tells_by_its_files() -> None:
    machine = machine_with(
        [*PORTS, amd(**{"ras/umc_err_count": "ue: 1\nce: 12\n", "ras/gfx_err_count": "ue: 0\nce: 3\n"})]
    )
    (gpu,) = (await read_pci(machine)).gpus
    device = FileDevice(machine, gpu)
    look = await device.look(counters=True)
    assert (look.sample.temperature_celsius, look.sample.memory_temperature_celsius) == (41, 37)
    assert (look.sample.power_average_watts, look.sample.power_instant_watts) == (138.0, None)
    assert (look.sample.clock_graphics_mhz, look.sample.utilization_gpu_percent) == (132, 7)
    assert look.counters is not None
    assert (look.counters.ecc_volatile_uncorrected, look.counters.ecc_volatile_corrected) == (1, 15)
    identity, state = await device.identity(), await device.state()
    assert (identity.name, identity.serial) == ("AMD Instinct MI300X OAM", "692251001124")
    assert (identity.memory_total_bytes, state.power_limit_watts) == (206141652992, 750.0)


async def test_an_intel_gpu_counts_energy_only() -> None:
    card = Device(
        *("0000:53:00.0", 0x8086, 0x0BDA, 0x038000),
        link=LINK,
        driver="i915",
        extra={
            "hwmon/hwmon3/energy1_input": "5000000\n",
            "drm/card0/gt_act_freq_mhz": "900\n",
        },
    )
    machine = machine_with([*PORTS, card])
    (gpu,) = (await read_pci(machine)).gpus
    look = await FileDevice(machine, gpu).look(counters=False)
    assert (look.sample.energy_joules, look.sample.power_average_watts) == (5.0, None)
    assert look.sample.clock_graphics_mhz == 900


async def test_garbage_in_files_is_absent() -> None:
    extra = {
        "gpu_busy_percent": "x\n",
        "mem_info_vram_used": "-5\n",
        "hwmon/hwmon7/temp1_input": "\x00\xff\n",
    }
    machine = machine_with([*PORTS, amd(**extra, **{"ras/umc_err_count": "ue: many\n"})])
    (gpu,) = (await read_pci(machine)).gpus
    look = await FileDevice(machine, gpu).look(counters=True)
    assert look.sample.utilization_gpu_percent is None
    assert look.sample.memory_used_bytes is None
    assert look.counters is None


async def fleet_of(machine: FakeMachine) -> tuple[Fleet, list[GpuEvent]]:
    told: list[GpuEvent] = []
    fleet = Fleet(machine, told.append, lambda: None)
    await fleet.refresh()
    return fleet, told


async def test_a_machine_of_amd_gpus_needs_no_nvml() -> None:
    machine = machine_with([*PORTS, amd()])
    fleet, told = await fleet_of(machine)
    assert (fleet.inventory.state, fleet.inventory.verdict, told) == ("ready", "OK", [])
    (gpu,) = fleet.inventory.gpus
    assert (gpu.vendor, gpu.condition, gpu.name) == ("AMD", "ok", "AMD Instinct MI300X OAM")
    assert gpu.sample and gpu.sample.temperature_celsius == 41
    await fleet.close()


async def test_a_machine_without_gpus_has_no_verdict() -> None:
    fleet, _ = await fleet_of(machine_with(PORTS))
    assert (fleet.inventory.state, fleet.inventory.verdict) == ("no-gpu", "Unknown")
    assert fleet.inventory.findings == ()


@pytest.mark.parametrize("driver", [None, "vfio-pci", "nouveau"])
async def test_a_gpu_that_its_own_driver_does_not_hold_is_not_called_good(driver: str | None) -> None:
    machine = machine_with([*PORTS, h100(driver)], files={"/dev/kmsg": ""})
    fleet, _ = await fleet_of(machine)
    (finding,) = fleet.inventory.findings
    assert (finding.rule, finding.severity) == ("gpus.driver-missing", "Unknown")
    assert driver is None or driver in finding.message
    assert fleet.inventory.verdict == "Unknown"


async def test_a_sites_limits_are_in_force_and_its_mistakes_are_told() -> None:
    files = {"/etc/bee/thresholds.toml": "[storage.whatever]\nvalue = 1\n[gpus.remapped_rows]\nvalue = 4\n"}
    fleet, _ = await fleet_of(machine_with([*PORTS, amd()], files=files))
    assert fleet.inventory.verdict == "OK"
    wrong = {"/etc/bee/thresholds.toml": "[gpus.remaped_rows]\nvalue = 4\n"}
    fleet, _ = await fleet_of(machine_with([*PORTS, amd()], files=wrong))
    assert [finding.rule for finding in fleet.inventory.findings] == ["gpus.site-thresholds"]


# The kernel log.

LOG = (
    b"6,1,100,-;NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.105.08\n"
    b"3,2,5000000,-;NVRM: Xid (PCI:0000:3b:00): 63, pid='<unknown>', name=<unknown>, Row Remapper\n"
    b" SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n"
    b"3,3,6000000,c;NVRM: Xid (PCI:0000:3b:00): 63, again\n"
    b"3,4,7000000,-;[drm] NVRM: Xid (PCI:0000:5E:00.0): 79, GPU has fallen off the bus.\n"
    b"3,5,8000000,-;NVRM: Xid (0000:3b:00): 31, of a form that nobody writes\n"
    b"3,6,9000000,-;NVRM: GPU 0000:3b:00.0: Xid-like words without a number\n"
    b" NVRM: Xid (PCI:0000:99:00): 79, a continuation is no record\n"
)


def test_xids_are_counted_by_gpu_and_number() -> None:
    records = parse_xids(LOG)
    assert [(record.gpu, record.number, record.count) for record in records] == [
        ("0000:3b:00.0", 63, 2),
        ("0000:5e:00.0", 79, 1),
    ]
    assert (records[0].first_seconds, records[0].last_seconds) == (5.0, 6.0)
    assert records[1].severity == "Critical"


def test_the_xids_of_an_instance_in_mig_mode_are_those_of_its_gpu() -> None:
    log = (
        b"3,1,1,-;NVRM: Xid (PCI:0000:3b:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9)\n"
        b"3,2,2,-;NVRM: Xid (PCI:0000:3b:00 GPU-I:05 GPU-CI:00): 94, pid=7194, name=python3, again\n"
        b"3,3,3,-;NVRM: Xid (PCI:0000:3b:00 (nested) text): 79, of a form that nobody writes\n"
    )
    (record,) = parse_xids(log)
    assert (record.gpu, record.number, record.count) == ("0000:3b:00.0", 94, 2)


def test_what_other_programs_write_to_the_log_is_no_xid() -> None:
    line = b"%d,7,5000000,-;NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n"
    user, kernel = 1 << 3 | 3, 3  # the facility stands above the three bits of the priority (syslog(3))
    assert parse_xids(line % user) == ()
    assert len(parse_xids(line % kernel)) == 1


def test_a_log_full_of_xids_is_bounded() -> None:
    flood = b"".join(
        b"3,%d,%d,-;NVRM: Xid (PCI:0000:%02x:00): %d, x\n" % (n, n, n % 256, n % 997) for n in range(50_000)
    )
    assert len(parse_xids(flood)) <= 200


@pytest.mark.parametrize(
    "log", [b"", b"\x00\xff" * 1000, b"NVRM: Xid (PCI:", b"3,1,1,-;NVRM: Xid (PCI::::::::): 1\n"]
)
def test_garbage_is_no_xid_and_no_error(log: bytes) -> None:
    assert all(record.number for record in parse_xids(log))


async def test_a_log_that_may_not_be_read_is_told() -> None:
    with pytest.raises(LogUnreadable, match="Operation not permitted"):
        await read_xids(
            FakeMachine(files={"/dev/kmsg": PermissionError(errno.EPERM, "Operation not permitted")})
        )
    with pytest.raises(LogUnreadable):
        await read_xids(FakeMachine())
    assert await read_xids(FakeMachine(files={"/dev/kmsg": LOG})) != ()
