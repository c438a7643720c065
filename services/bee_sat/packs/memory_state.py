"""How much memory there is, how much of it is free, and on which node: /proc/meminfo and sysfs."""

from dataclasses import dataclass

from bee_machine import Machine
from bee_sat.packs.cpu_list import cpu_count, parse_cpu_list

# What stays free for the system: its page cache, the services, the clients.
RESERVE_MIB_MIN = 256
RESERVE_SHARE = 0.04


@dataclass(frozen=True)
class Node:
    """A NUMA node with CPUs of its own. ``free_mib``: what a process on it gets without going elsewhere."""

    number: int
    cpus: str
    cpu_count: int
    free_mib: int


@dataclass(frozen=True)
class MemoryState:
    total_mib: int
    available_mib: int
    nodes: tuple[Node, ...]

    @property
    def testable_mib(self) -> int:
        """What a test may take, the system's reserve left out."""
        reserve = max(RESERVE_MIB_MIN, int(self.total_mib * RESERVE_SHARE))
        return max(self.available_mib - reserve, 0)


async def read_memory(machine: Machine) -> MemoryState:
    """What is there and what is free, now, by /proc/meminfo and the nodes of sysfs."""
    meminfo = _meminfo(await machine.read_text("/proc/meminfo") or "")
    entries = await machine.read_entries("/sys/devices/system/node", files=("cpulist", "meminfo"))
    nodes = []
    for entry in entries:
        number = entry.name.removeprefix("node")
        cpus = entry.text("cpulist")
        if not entry.name.startswith("node") or not number.isdigit() or not cpus:
            continue  # a node without CPUs: other nodes' processes spill over into it
        free_mib = _node_free_mib(entry.text("meminfo") or "")
        nodes.append(Node(int(number), cpus, len(parse_cpu_list(cpus)), free_mib))
    if not nodes:
        online = await machine.read_text("/sys/devices/system/cpu/online") or "0"
        nodes = [Node(0, online, cpu_count(online), meminfo.get("MemAvailable", 0))]
    available = meminfo.get("MemAvailable", meminfo.get("MemFree", 0))
    return MemoryState(meminfo.get("MemTotal", 0), available, tuple(nodes))


def _meminfo(text: str) -> dict[str, int]:
    """Name to MiB; the file has kB."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name.strip()] = int(words[0]) // 1024
    return found


def _node_free_mib(text: str) -> int:
    """ "Node 0 MemFree: 1234 kB" among its lines."""
    values = _meminfo("\n".join(line.split(maxsplit=2)[-1] for line in text.splitlines() if line))
    # Pages of clean files are given up as soon as they are wanted.
    return values.get("MemFree", 0) + values.get("Inactive(file)", 0)
