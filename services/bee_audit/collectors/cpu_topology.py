"""The processors as the kernel runs them: packages, cores, threads and NUMA nodes from sysfs."""

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from bee_audit.decode.cpu_list import cpu_list, parse_cpu_list
from bee_bus.documents.cpus import CpuPackage, NumaNode
from bee_machine import Entry, Machine

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
_CPU_NAME = re.compile(r"cpu(\d+)$")
_COLUMN = re.compile(r"CPU(\d+)")
INTERRUPTS = "/proc/interrupts"
_NAMED_ROWS = 2 << 20  # characters at the end, where they stand; before them is a row for each interrupt
_MACHINE_CHECKS = ("MCE", "THR", "DFR")  # arch_show_interrupts in arch/x86/kernel/irq.c
_TOPOLOGY = (
    "topology/physical_package_id",
    "topology/die_id",
    "topology/core_id",
    "cpufreq/cpuinfo_max_freq",
    "thermal_throttle/package_throttle_count",
)


class KernelCpus(msgspec.Struct, frozen=True):
    """``packages`` is empty where the kernel does not know its packages (some virtual machines)."""

    packages: tuple[CpuPackage, ...]
    nodes: tuple[NumaNode, ...]
    info: Mapping[int, Mapping[str, str]]  # /proc/cpuinfo by processor number


async def read_kernel_cpus(machine: Machine) -> KernelCpus:
    entries = await machine.read_entries(CPU, files=_TOPOLOGY)
    nodes = _nodes(await machine.read_entries(NODE, files=("cpulist", "meminfo", "distance")))
    info = parse_cpuinfo(await machine.read_text("/proc/cpuinfo") or "")
    interrupts = parse_interrupts(await machine.read_text(INTERRUPTS) or "", _MACHINE_CHECKS)
    return KernelCpus(_packages(entries, info, nodes, interrupts), nodes, info)


def parse_cpuinfo(text: str) -> dict[int, dict[str, str]]:
    """/proc/cpuinfo by processor number, each field by its name."""
    processors = {}
    for block in text.split("\n\n"):
        fields = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
        if fields.get("processor", "").isdecimal():
            processors[int(fields["processor"])] = fields
    return processors


def parse_interrupts(text: str, names: Collection[str]) -> dict[str, dict[int, int]]:
    """Rows of /proc/interrupts by their names, each a count by CPU. A kernel without them has no such row."""
    header, _, rows = text.partition("\n")
    columns = [name[1] for name in map(_COLUMN.fullmatch, header.split()) if name]
    found = {}
    for row in rows[-_NAMED_ROWS:].splitlines():
        name, _, rest = row.partition(":")
        if name.strip() in names:
            counts = rest.split()[: len(columns)]
            if len(counts) == len(columns) and all(count.isdecimal() for count in counts):
                found[name.strip()] = dict(zip(map(int, columns), map(int, counts), strict=True))
    return found


def _packages(
    entries: Sequence[Entry],
    info: Mapping[int, Mapping[str, str]],
    nodes: Sequence[NumaNode],
    interrupts: Mapping[str, Mapping[int, int]],
) -> tuple[CpuPackage, ...]:
    members: dict[int, dict[int, Entry]] = {}
    for entry in entries:
        name = _CPU_NAME.match(entry.name)
        package = entry.integer("topology/physical_package_id")  # an offline CPU has none, -1 is unknown
        if name and package is not None and package >= 0:
            members.setdefault(package, {})[int(name[1])] = entry
    return tuple(_package(package, members[package], info, nodes, interrupts) for package in sorted(members))


def _package(
    number: int,
    cpus: Mapping[int, Entry],
    info: Mapping[int, Mapping[str, str]],
    nodes: Sequence[NumaNode],
    interrupts: Mapping[str, Mapping[int, int]],
) -> CpuPackage:
    first = info.get(min(cpus), {})
    cores = {(entry.integer("topology/die_id"), entry.integer("topology/core_id")) for entry in cpus.values()}
    speeds = [entry.integer("cpufreq/cpuinfo_max_freq") or 0 for entry in cpus.values()]
    throttles = [entry.integer("thermal_throttle/package_throttle_count") for entry in cpus.values()]
    microcodes = {info[cpu]["microcode"] for cpu in cpus if "microcode" in info.get(cpu, {})}
    exceptions, corrected, deferred = (
        sum(interrupts[name].get(cpu, 0) for cpu in cpus) if name in interrupts else None
        for name in _MACHINE_CHECKS
    )
    return CpuPackage(
        package=number,
        cpus=cpu_list(tuple(cpus)),
        core_count=len(cores),
        thread_count=len(cpus),
        vendor=first.get("vendor_id"),
        model=" ".join(first.get("model name", "").split()) or None,
        cpuid_family=_number(first.get("cpu family")),
        cpuid_model=_number(first.get("model")),
        cpuid_stepping=_number(first.get("stepping")),
        microcodes=tuple(sorted(microcodes)),
        max_speed_mhz=max(speeds) // 1000 or None,
        numa_nodes=tuple(node.node for node in nodes if parse_cpu_list(node.cpus) & set(cpus)),
        thermal_throttle_count=max((count for count in throttles if count is not None), default=None),
        machine_check_exception_count=exceptions,
        corrected_error_interrupt_count=corrected,
        deferred_error_interrupt_count=deferred,
    )


def _nodes(entries: Sequence[Entry]) -> tuple[NumaNode, ...]:
    found = []
    for entry in entries:
        if re.fullmatch(r"node\d+", entry.name):
            total = re.search(r"MemTotal:\s*(\d+) kB", entry.text("meminfo") or "")
            distances = (entry.text("distance") or "").split()
            found.append(
                NumaNode(
                    node=int(entry.name[4:]),
                    cpus=entry.text("cpulist") or "",
                    memory_bytes=int(total[1]) << 10 if total else None,
                    distances=tuple(int(distance) for distance in distances if distance.isdecimal()),
                )
            )
    return tuple(sorted(found, key=lambda node: node.node))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
