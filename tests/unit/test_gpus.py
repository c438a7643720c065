"""GPUs of the audit: as PCI shows them, with what org.bee.Gpu1 knows and finds."""

from dataclasses import replace

import msgspec
import pytest

from bee_audit.collectors import gpus as collector
from bee_audit.collectors import pcie as pcie_collector
from bee_audit.rules import gpus as rules
from bee_audit.rules.thresholds import built_in
from bee_bus.documents.audit import Finding, Hardware, Summary
from bee_bus.documents.base import to_json
from bee_bus.documents.board import BoardSection
from bee_bus.documents.gpu import GpuIdentity, GpuSample, GpuState
from bee_bus.documents.gpus import GpuInventory, GpusSection, InventoryGpu
from bee_machine import Machine
from lab.pci import Device, Link, machine_with, port
from lab.smbios_table import slot

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


def listed(*indexes: int, findings: tuple[Finding, ...] = ()) -> bytes:
    """The service's answer."""
    gpus = tuple(
        InventoryGpu(
            id=f"0000:{0x53 + index:02x}:00.0",
            vendor="NVIDIA",
            condition="ok",
            name="NVIDIA H100 80GB HBM3",
            identity=GpuIdentity(
                id=f"0000:{0x53 + index:02x}:00.0",
                index=index,
                uuid=f"GPU-{index}",
                serial=f"165000000000{index}",
                firmware="96.00.99.00.01",
            ),
            state=GpuState(ecc_enabled=True),
            sample=GpuSample(unix_seconds=1.7e9, temperature_celsius=30),
        )
        for index in indexes
    )
    return to_json(GpuInventory(gpus=gpus, driver_version="580.105.08", findings=findings))


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
    assert first.state and first.state.ecc_enabled
    assert first.sample and first.sample.temperature_celsius == 30
    assert section.driver_version == "580.105.08" and section.problems == ()
    assert findings_of(section) == []


async def test_what_the_service_finds_is_the_audits_finding_with_the_place_for_hands() -> None:
    found = Finding(
        rule="gpus.remap-failed",
        severity="Critical",
        component="gpus/0000:54:00.0",
        where="0000:54:00.0",
        message="no spare row is left",
        next_step="Replace the GPU.",
        value=True,
    )
    machine = machine_with(
        [*ports(2), h100(0), h100(1)], asks={"org.bee.Gpu1": listed(0, 1, findings=(found,))}
    )
    (finding,) = findings_of(await section_of(machine))
    assert finding.where == "0000:54:00.0, GPU 1, serial 1650000000001"
    assert msgspec.structs.replace(finding, where=found.where) == found


async def test_the_slot_that_the_service_does_not_know_has_the_last_word_on_lanes() -> None:
    """A GPU on all of the eight lanes of its slot, below a port that would have sixteen."""
    on_eight = Finding(
        rule="gpus.pcie-width",
        severity="Critical",
        component="gpus/0000:53:00.0",
        where="0000:53:00.0",
        message="runs on 8 lanes; it has 16, its port 16",
        next_step="Reseat.",
        value=8,
    )
    half = replace(h100(0), link=replace(LINK, width=8))
    for lanes_code, told in ((0x0B, []), (0x0D, ["gpus.pcie-width"])):  # x8 and x16
        place = slot(
            0x0900,
            name="SLOT 4",
            slot_type=0xC3,
            lanes_code=lanes_code,
            used=True,
            number=4,
            address=(0x53, 0),
        )
        machine = machine_with(
            [*ports(1), half], slots=[place], asks={"org.bee.Gpu1": listed(0, findings=(on_eight,))}
        )
        hardware = Hardware(
            summary=UNJUDGED, gpus=await section_of(machine), pcie=await pcie_collector.collect(machine)
        )
        found = [one.rule for rule in rules.RULES for one in rule(hardware, built_in())]
        assert found == told


async def test_a_gpu_that_the_service_does_not_list_was_not_seen() -> None:
    machine = machine_with([*ports(2), h100(0), h100(1)], asks={"org.bee.Gpu1": listed(0)})
    section = await section_of(machine)
    assert len(section.problems) == 1 and "0000:54:00.0" in section.problems[0]


@pytest.mark.parametrize(("gpus", "told"), [(0, ["gpus.none-behind-switches"]), (1, [])])
async def test_switches_without_any_gpu_miss_them(gpus: int, told: list[str]) -> None:
    """Nobody asks the GPU service of a machine without GPUs."""
    switches = [Device(f"0000:{0x0A + number:02x}:00.0", 0x10DE, 0x22A3, 0x068000) for number in range(4)]
    machine = machine_with([*ports(1), *switches, *(h100(number) for number in range(gpus))])
    hardware = Hardware(summary=UNJUDGED, pcie=await pcie_collector.collect(machine))
    assert [one.rule for one in rules.none_behind_switches(hardware, built_in())] == told


async def test_a_gpu_without_its_driver_is_unknown_and_nobody_is_asked() -> None:
    machine = machine_with([*ports(1), h100(0, driver=None)])
    section = await section_of(machine)
    assert section.problems == () and section.gpus[0].driver is None
    (finding,) = findings_of(section)
    assert (finding.rule, finding.severity) == ("gpus.driver-missing", "Unknown")


async def test_secure_boot_is_told_as_what_keeps_the_driver_out() -> None:
    section = await section_of(machine_with([*ports(1), h100(0, driver=None)]))
    steps = {}
    for secure_boot in (True, False, None):
        hardware = Hardware(summary=UNJUDGED, gpus=section, board=BoardSection(secure_boot=secure_boot))
        (finding,) = rules.driver_missing(hardware, built_in())
        steps[secure_boot] = finding.next_step
    assert steps[True].startswith("Secure Boot is on") and "Secure" not in steps[False] + steps[None]


async def test_the_kernel_module_alone_is_reason_to_ask() -> None:
    machine = machine_with(
        [*ports(1), h100(0, driver=None)],
        files={"/sys/module/nvidia/version": "580.105.08\n"},
        asks={"org.bee.Gpu1": listed(0)},
    )
    section = await section_of(machine)
    assert section.driver_version == "580.105.08" and section.gpus[0].condition == "ok"


async def test_what_the_driver_writes_in_files_needs_no_service() -> None:
    information = "Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-7c1e\nVideo BIOS: \t 96.00.99.00.01\n"
    machine = machine_with(
        [*ports(1), h100(0)],
        files={"/proc/driver/nvidia/gpus/0000:53:00.0/information": information},
    )
    section = await section_of(machine)
    (gpu,) = section.gpus
    assert (gpu.firmware, gpu.uuid) == ("96.00.99.00.01", "GPU-7c1e")
    assert len(section.problems) == 1, "the service was not there, so nothing is known of its health"


async def test_question_marks_of_the_driver_are_no_values() -> None:
    information = "GPU UUID: \t GPU-????????-????\nVideo BIOS: \t ??.??.??.??.??\n"
    machine = machine_with(
        [*ports(1), h100(0)],
        files={"/proc/driver/nvidia/gpus/0000:53:00.0/information": information},
        asks={"org.bee.Gpu1": b"{}"},
    )
    (gpu,) = (await section_of(machine)).gpus
    assert gpu.uuid is None and gpu.firmware is None


async def test_a_service_that_fails_is_told() -> None:
    for answer in (OSError(5, "org.bee.Gpu1: it failed"), b"no json", b'{"gpus": 3}'):
        machine = machine_with([*ports(1), h100(0)], asks={"org.bee.Gpu1": answer})
        section = await section_of(machine)
        assert len(section.problems) == 1 and "org.bee.Gpu1" in section.problems[0]


async def test_virtual_functions_of_a_gpu_are_not_gpus() -> None:
    part = replace(h100(0), address="0000:53:00.4", virtual_function_of="0000:53:00.0")
    machine = machine_with([*ports(1), h100(0), part], asks={"org.bee.Gpu1": listed(0)})
    assert [gpu.id for gpu in (await section_of(machine)).gpus] == ["0000:53:00.0"]
