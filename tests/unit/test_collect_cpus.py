"""Sockets by the firmware, packages by the kernel, and the two put together."""

import time

import pytest

from bee_audit.collectors import cpus
from bee_audit.decode.cpu_list import cpu_list, parse_cpu_list
from lab.machine import FakeMachine
from lab.smbios import Firmware
from lab.two_sockets import TwoSockets, interrupts


async def test_two_sockets() -> None:
    section = await cpus.collect(TwoSockets(smt="on").machine())
    assert section is not None and not section.problems
    assert (section.socket_count, section.populated_socket_count, section.package_count) == (2, 2, 2)
    assert (section.core_count, section.thread_count, section.architecture) == (112, 112, "x86_64")
    assert (section.online_cpus, section.smt, section.virtualization) == ("0-111", "on", "VT-x")
    assert not section.virtual_machine and section.vulnerabilities == {"meltdown": "Not affected"}
    first, second = section.sockets
    assert (first.id, first.location, first.package, second.package) == ("CPU1", "CPU1", 0, 1)
    assert (first.firmware, first.serial, first.status) == ("0x2b000571", "CPU-SN", "Enabled")
    assert (first.cpuid_family, first.cpuid_model, first.cpuid_stepping) == (6, 143, 8)
    assert (first.core_count, first.core_enabled_count, first.thread_count) == (56, 56, 56)
    package = section.packages[1]
    assert (package.cpus, package.numa_nodes, package.max_speed_mhz) == ("56-111", (1,), 3800)
    assert package.model == "Intel(R) Xeon(R) Platinum 8480+" and package.thermal_throttle_count == 0
    assert [(node.node, node.memory_bytes, node.distances) for node in section.numa_nodes] == [
        (0, 1 << 39, (10, 21)),
        (1, 1 << 39, (10, 21)),
    ]


async def test_machine_checks_are_those_of_the_package_s_cpus() -> None:
    server = TwoSockets(cores=[2, 2])
    section = await cpus.collect(server.machine())
    assert section is not None
    assert [one.machine_check_exception_count for one in section.packages] == [0, 0]
    counted = interrupts(4, MCE=[1, 1, 1, 1], THR=[0, 0, 7, 2], DFR=[0, 1, 0, 0])
    server.files["/proc/interrupts"] = counted
    section = await cpus.collect(server.machine())
    assert section is not None
    assert [
        (
            one.machine_check_exception_count,
            one.corrected_error_interrupt_count,
            one.deferred_error_interrupt_count,
        )
        for one in section.packages
    ] == [(2, 0, 1), (2, 9, 0)]


@pytest.mark.parametrize(
    "text", ["", "CPU0 CPU1\n", "CPU0 CPU1\nMCE: 1\n", "CPU0 CPU1\nMCE: 1 x\n", "MCE: 1 2\n"]
)
async def test_a_kernel_that_counts_no_machine_checks_says_nothing_of_them(text: str) -> None:
    server = TwoSockets(cores=[1, 1])
    server.files["/proc/interrupts"] = text
    section = await cpus.collect(server.machine())
    assert section is not None
    assert {one.machine_check_exception_count for one in section.packages} == {None}


async def test_caches_of_a_socket() -> None:
    firmware = Firmware()
    handles = [
        firmware.cache(level=level, kilobytes=size) for level, size in ((1, 4480), (2, 114688), (3, 107520))
    ]
    firmware.processor(caches=(handles[0], handles[1], handles[2]))
    firmware.processor(socket="CPU2", caches=(0xFFFF, 0x9999, 0xFFFF))
    section = await cpus.collect(FakeMachine(files=firmware.files()))
    assert section is not None
    assert [(cache.level, cache.size_bytes) for cache in section.sockets[0].caches] == [
        (1, 4480 << 10),
        (2, 114688 << 10),
        (3, 107520 << 10),
    ]
    assert section.sockets[1].caches == ()


async def test_a_socket_that_the_standard_has_no_number_for() -> None:
    firmware = Firmware(version=(3, 8, 0))
    firmware.processor(upgrade=0xFF, socket_type="Socket SP7")
    firmware.processor(socket="CPU2", upgrade=0xFF)
    firmware.processor(socket="CPU3", upgrade=0x4A)
    section = await cpus.collect(FakeMachine(files=firmware.files()))
    assert section is not None
    assert [cpu.socket_type for cpu in section.sockets] == ["Socket SP7", "out of spec (0xFF)", "Socket SP5"]


async def test_an_empty_socket_keeps_its_place_and_says_nothing_of_a_processor() -> None:
    server = TwoSockets(cores=[56])
    server.processors = [{"socket": "CPU1", "status": 0, "version": "Unknown"}, {"socket": "CPU2"}]
    section = await cpus.collect(server.machine())
    assert section is not None
    empty, fitted = section.sockets
    assert (empty.populated, empty.model, empty.core_count, empty.package) == (False, None, None, None)
    assert fitted.populated and fitted.package == 0 and section.populated_socket_count == 1


async def test_sockets_are_not_matched_when_the_counts_differ() -> None:
    section = await cpus.collect(TwoSockets(cores=[56]).machine())
    assert section is not None and [cpu.package for cpu in section.sockets] == [None, None]


async def test_sockets_with_the_same_or_no_name_have_ids_of_their_own() -> None:
    firmware = Firmware()
    for name in ("SOCKET", "SOCKET", "None", "To Be Filled By O.E.M."):
        firmware.processor(socket=name)
    section = await cpus.collect(FakeMachine(files=firmware.files()))
    assert section is not None
    assert [cpu.id for cpu in section.sockets] == ["SOCKET", "SOCKET #2", "CPU2", "CPU3"]


async def test_threads_of_a_core_are_counted_as_one_core() -> None:
    folder = "/sys/devices/system/cpu"
    files = {f"{folder}/cpu{cpu}/topology/physical_package_id": "0" for cpu in range(4)}
    files |= {f"{folder}/cpu{cpu}/topology/core_id": str(cpu % 2) for cpu in range(4)}
    files |= {f"{folder}/cpu4/online": "0"}  # offline: it has no topology
    section = await cpus.collect(FakeMachine(files=files))
    assert section is not None
    assert (section.core_count, section.thread_count, section.packages[0].cpus) == (2, 4, "0-3")


async def test_a_processor_that_states_no_model_or_microcode() -> None:
    """ARM: /proc/cpuinfo has other fields."""
    files = {
        "/proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n",
        "/sys/devices/system/cpu/cpu0/topology/physical_package_id": "0",
        "/sys/devices/system/cpu/cpu0/topology/core_id": "0",
    }
    section = await cpus.collect(FakeMachine(files=files))
    assert section is not None
    package = section.packages[0]
    assert (package.vendor, package.model, package.microcodes, package.cpuid_model) == (None, None, (), None)


async def test_a_kernel_that_knows_no_packages() -> None:
    files = {
        "/sys/devices/system/cpu/cpu0/topology/physical_package_id": "-1",
        "/proc/cpuinfo": "processor: 0",
    }
    section = await cpus.collect(FakeMachine(files=files))
    assert section is not None and section.packages == () and section.package_count is None
    assert section.thread_count == 1


def test_cpu_lists() -> None:
    assert parse_cpu_list("0-3,8, 10-11") == {0, 1, 2, 3, 8, 10, 11}
    assert parse_cpu_list("") == parse_cpu_list(None) == parse_cpu_list("x,1-,-4,5-9999999") == set()
    assert cpu_list([8, 0, 1, 2]) == "0-2,8" and cpu_list([]) == ""
    assert parse_cpu_list("4-7,2-5,3,9-8,0-1,6") == {0, 1, 2, 3, 4, 5, 6, 7}


def test_a_list_that_says_the_same_over_and_over_costs_no_more_than_its_length() -> None:
    started = time.thread_time()
    assert len(parse_cpu_list(",".join(["0-99999"] * 5000))) == 100_000
    assert time.thread_time() - started < 2
