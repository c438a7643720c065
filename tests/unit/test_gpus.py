"""GPUs by PCI and by their driver, which must agree."""

from dataclasses import replace

from bee_audit.collectors import gpus as collector
from bee_audit.rules import gpus as rules
from bee_audit.rules.thresholds import built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from bee_bus.documents.base import to_json
from bee_bus.documents.gpus import GpuInventory, GpuReadings, GpusSection, InventoryGpu
from bee_machine import Machine
from lab.pci import Device, Link, machine_with, port

UNJUDGED = Summary(verdict="Unknown", failure_count=0, warning_count=0, unknown_count=0, findings=())
LINK = Link(speed=32.0, max_speed=32.0, equalized=(8.0, 16.0, 32.0))


def h100(index: int, driver: str | None = "nvidia") -> Device:
    return Device(
        f"0000:{0x53 + index:02x}:00.0",
        vendor=0x10DE,
        device=0x2330,
        device_class=0x030200,
        subsystem=(0x10DE, 0x16C1),
        link=LINK,
        driver=driver,
    )


def ports(count: int) -> list[Device]:
    return [port(f"0000:50:{index:02x}.0", 0x53 + index, link=LINK) for index in range(count)]


def listed(*indexes: int, **readings: object) -> bytes:
    """The service's answer, with addresses as NVML writes them."""
    gpus = tuple(
        InventoryGpu(
            pci_address=f"00000000:{0x53 + index:02X}:00.0",
            name="NVIDIA H100 80GB HBM3",
            serial=f"165000000000{index}",
            vbios_version="96.00.99.00.01",
            readings=GpuReadings(memory_bytes=81559 << 20, power_limit_watts=700.0, **readings),  # type: ignore[arg-type]
        )
        for index in indexes
    )
    return to_json(GpuInventory(gpus=gpus, driver_version="580.105.08"))


async def section_of(machine: Machine) -> GpusSection:
    section = await collector.collect(machine)
    assert section is not None
    return section


def findings_of(section: GpusSection) -> list[Finding]:
    hardware = Hardware(summary=UNJUDGED, gpus=section)
    return [finding for rule in rules.RULES for finding in rule(hardware, built_in())]


async def test_a_machine_without_a_gpu_has_no_section() -> None:
    bmc_vga = Device("0000:03:00.0", vendor=0x1A03, device=0x2000, device_class=0x030000, driver="ast")
    integrated = Device("0000:00:02.0", vendor=0x8086, device_class=0x030000, kind=9, link=None)
    assert await collector.collect(machine_with([port("0000:00:1c.0", 3), bmc_vga, integrated])) is None


async def test_all_gpus_in_the_inventory_are_enriched_and_fine() -> None:
    machine = machine_with([*ports(2), h100(0), h100(1)], asks={"org.bee.Gpu1": listed(0, 1)})
    section = await section_of(machine)
    first = section.gpus[0]
    assert (first.id, first.serial, first.firmware) == ("0000:53:00.0", "1650000000000", "96.00.99.00.01")
    assert first.readings and first.readings.memory_bytes == 81559 << 20
    assert section.driver_version == "580.105.08" and section.problems == ()
    assert findings_of(section) == []


async def test_a_gpu_that_its_driver_does_not_list_is_critical() -> None:
    machine = machine_with([*ports(2), h100(0), h100(1)], asks={"org.bee.Gpu1": listed(0)})
    (finding,) = findings_of(await section_of(machine))
    assert (finding.rule, finding.severity) == ("gpus.not-in-driver", "Critical")
    assert finding.component == "gpus/0000:54:00.0"


async def test_an_inventory_of_no_gpus_is_critical_for_each() -> None:
    machine = machine_with([*ports(2), h100(0), h100(1)], asks={"org.bee.Gpu1": listed()})
    assert [one.severity for one in findings_of(await section_of(machine))] == ["Critical", "Critical"]


async def test_a_gpu_that_only_the_driver_sees_is_critical() -> None:
    machine = machine_with([*ports(1), h100(0)], asks={"org.bee.Gpu1": listed(0, 7)})
    (finding,) = findings_of(await section_of(machine))
    assert (finding.rule, finding.component) == ("gpus.not-on-pci", "gpus/0000:5a:00.0")


async def test_a_service_that_fails_is_a_named_problem() -> None:
    for failure in (FileNotFoundError(2, "nobody offers it"), TimeoutError(), b"{]", b'{"gpus": 5}'):
        machine = machine_with([*ports(1), h100(0)], asks={"org.bee.Gpu1": failure})
        section = await section_of(machine)
        assert section.problems[0].startswith("The health of the GPUs was not read: org.bee.Gpu1")
        assert findings_of(section) == []


async def test_a_gpu_without_its_driver_is_unknown_and_nobody_is_asked() -> None:
    machine = machine_with([*ports(1), h100(0, driver=None)])
    section = await section_of(machine)
    assert section.problems == () and section.gpus[0].driver is None
    (finding,) = findings_of(section)
    assert (finding.rule, finding.severity) == ("gpus.driver-missing", "Unknown")


async def test_the_kernel_module_alone_is_reason_to_ask() -> None:
    machine = machine_with(
        [*ports(1), h100(0, driver=None)],
        files={"/sys/module/nvidia/version": "580.105.08\n"},
        asks={"org.bee.Gpu1": listed()},
    )
    section = await section_of(machine)
    assert section.driver_version == "580.105.08" and section.gpus[0].in_inventory is False
    assert [one.rule for one in findings_of(section)] == ["gpus.driver-missing"]


async def test_what_the_driver_writes_in_files_needs_no_service() -> None:
    information = "Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-7c1e\nVideo BIOS: \t 96.00.99.00.01\n"
    machine = machine_with(
        [*ports(1), h100(0)],
        files={"/proc/driver/nvidia/gpus/0000:53:00.0/information": information},
    )
    (gpu,) = (await section_of(machine)).gpus
    assert gpu.firmware == "96.00.99.00.01" and gpu.readings and gpu.readings.uuid == "GPU-7c1e"


async def test_an_amd_gpu_tells_by_its_own_files() -> None:
    card = Device(
        *("0000:53:00.0", 0x1002, 0x74A1, 0x120000),
        link=LINK,
        driver="amdgpu",
        extra={
            "vbios_version": "113-M3000100-103\n",
            "serial_number": "692251001124\n",
            "mem_info_vram_total": "206141652992\n",
            "hwmon/hwmon7/temp1_input": "41000\n",
            "hwmon/hwmon7/power1_average": "138000000\n",
        },
    )
    section = await section_of(machine_with([*ports(1), card]))
    (gpu,) = section.gpus
    assert (gpu.firmware, gpu.serial) == ("113-M3000100-103", "692251001124")
    assert gpu.readings and gpu.readings.temperature_celsius == 41.0
    assert gpu.readings.power_watts == 138.0 and gpu.readings.memory_bytes == 206141652992
    assert findings_of(section) == []


async def test_one_gpu_unlike_the_others_stands_out() -> None:
    odd = InventoryGpu(
        pci_address="0000:55:00.0",
        vbios_version="96.00.30.00.01",
        readings=GpuReadings(memory_bytes=81559 << 20, power_limit_watts=500.0),
    )
    usual = [
        InventoryGpu(
            pci_address=f"0000:{0x53 + index:02x}:00.0",
            vbios_version="96.00.99.00.01",
            readings=GpuReadings(memory_bytes=81559 << 20, power_limit_watts=700.0),
        )
        for index in range(2)
    ]
    inventory = to_json(GpuInventory(gpus=(*usual, odd)))
    machine = machine_with([*ports(3), *map(h100, range(3))], asks={"org.bee.Gpu1": inventory})
    findings = findings_of(await section_of(machine))
    assert {one.component for one in findings} == {"gpus/0000:55:00.0"}
    assert [one.value for one in findings] == ["96.00.30.00.01", 500.0]


async def test_virtual_functions_of_a_gpu_are_not_gpus() -> None:
    part = replace(h100(0), address="0000:53:00.4", virtual_function_of="0000:53:00.0")
    machine = machine_with([*ports(1), h100(0), part], asks={"org.bee.Gpu1": listed(0)})
    assert [gpu.id for gpu in (await section_of(machine)).gpus] == ["0000:53:00.0"]
