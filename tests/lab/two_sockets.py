"""A healthy server with two processors and sixteen DIMMs, as files; tests break one thing of it."""

from dataclasses import dataclass, field
from typing import Any

from lab.machine import FakeMachine
from lab.smbios import GIB, Firmware

CHANNELS = "ABCDEFGH"
CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
EDAC = "/sys/devices/system/edac/mc"
MEMORY = "/sys/devices/system/memory"
BLOCK = 2 * GIB


def dimms() -> list[dict[str, Any]]:
    return [
        {
            "locator": f"P{socket + 1}-DIMM{channel}1",
            "bank": f"P{socket}_Node{socket}_Channel{number}_Dimm0",
            "serial": f"80CE01{socket:02X}{number:04X}",
        }
        for socket in range(2)
        for number, channel in enumerate(CHANNELS)
    ]


def interrupts(cpus: int, **rows: list[int]) -> str:
    """/proc/interrupts of as many CPUs; ``rows``: of the machine checks, where they are not zero."""
    header = "".join(f"{f'CPU{number}':>11}" for number in range(cpus))
    words = {
        "LOC": "Local timer interrupts",
        "THR": "Threshold APIC interrupts",
        "DFR": "Deferred Error APIC interrupts",
        "MCE": "Machine check exceptions",
        "MCP": "Machine check polls",
    }
    lines = [
        f"{name}: {''.join(f'{count:>10} ' for count in rows.get(name, [0] * cpus))}  {said}"
        for name, said in words.items()
    ]
    return "\n".join([f"    {header}", *lines, "ERR:          0", ""])


@dataclass
class TwoSockets:
    """Change what is to be wrong, then ask for the ``machine``."""

    dimms: list[dict[str, Any]] = field(default_factory=dimms)
    processors: list[dict[str, Any]] = field(default_factory=lambda: [{"socket": "CPU1"}, {"socket": "CPU2"}])
    bios: dict[str, Any] = field(default_factory=dict)
    chassis: dict[str, Any] = field(default_factory=dict)
    memory_array: dict[str, Any] = field(default_factory=lambda: {"slots": 16})
    cores: list[int] = field(default_factory=lambda: [56, 56])  # that run in each package
    threads: list[int] = field(default_factory=lambda: [1, 1])  # of each core
    microcodes: list[str] = field(default_factory=lambda: ["0x2b000571", "0x2b000571"])
    steppings: list[int] = field(default_factory=lambda: [8, 8])
    flags: str = "fpu vme vmx"
    smt: str = "off"
    memory_bytes: int | None = None  # that the kernel has; default: all that is fitted
    node_memory: list[int] = field(default_factory=lambda: [512 * GIB, 512 * GIB])
    uptime_seconds: int = 600
    corrupted_kilobytes: int = 0
    files: dict[str, str | bytes | OSError] = field(default_factory=dict)  # more of them, or others

    def firmware(self) -> Firmware:
        firmware = Firmware()
        firmware.bios(**self.bios)
        firmware.system()
        firmware.baseboard()
        firmware.chassis(**self.chassis)
        for processor in self.processors:
            firmware.processor(
                **{"cores": 56, "enabled": 56, "threads": 56, "threads_enabled": 56, **processor}
            )
        array = firmware.memory_array(**self.memory_array)
        for dimm in self.dimms:
            firmware.memory_device(**{"array": array, **dimm})
        return firmware

    def machine(self) -> FakeMachine:
        return FakeMachine(
            files={**self.firmware().files(), **self._kernel(), **self._memory(), **self.files},
        )

    def _kernel(self) -> dict[str, str]:
        files = {}
        cpuinfo = []
        number = 0
        for package, cores in enumerate(self.cores):
            first = number
            for core in [core for _ in range(self.threads[package]) for core in range(cores)]:
                topology = f"{CPU}/cpu{number}/topology"
                files[f"{topology}/physical_package_id"] = f"{package}\n"
                files[f"{topology}/die_id"] = "0\n"
                files[f"{topology}/core_id"] = f"{core}\n"
                files[f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq"] = "3800000\n"
                files[f"{CPU}/cpu{number}/thermal_throttle/package_throttle_count"] = "0\n"
                cpuinfo.append(
                    f"processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n"
                    f"model name\t: Intel(R) Xeon(R) Platinum 8480+\nstepping\t: {self.steppings[package]}\n"
                    f"microcode\t: {self.microcodes[package]}\nflags\t\t: {self.flags}\n"
                )
                number += 1
            files[f"{NODE}/node{package}/cpulist"] = f"{first}-{number - 1}\n"
            files[f"{NODE}/node{package}/meminfo"] = (
                f"Node {package} MemTotal:       {self.node_memory[package] >> 10} kB\n"
            )
            files[f"{NODE}/node{package}/distance"] = "10 21\n"
        files["/proc/interrupts"] = interrupts(number)
        files["/proc/cpuinfo"] = "\n".join(cpuinfo)
        files[f"{CPU}/present"] = files[f"{CPU}/online"] = f"0-{number - 1}\n"
        files[f"{CPU}/offline"] = "\n"
        files[f"{CPU}/smt/control"] = f"{self.smt}\n"
        files[f"{CPU}/vulnerabilities/meltdown"] = "Not affected\n"
        files["/proc/sys/kernel/arch"] = "x86_64\n"
        return files

    def _memory(self) -> dict[str, str]:
        fitted = sum(dimm.get("size_bytes", 64 * GIB) for dimm in self.dimms)
        total = fitted if self.memory_bytes is None else self.memory_bytes
        kilobytes = (total - total // 64 - GIB) >> 10  # the kernel keeps its page descriptors and itself
        return {
            "/proc/meminfo": (
                f"MemTotal:       {kilobytes} kB\nMemFree:        1024 kB\n"
                f"HardwareCorrupted:     {self.corrupted_kilobytes} kB\n"
            ),
            "/proc/uptime": f"{self.uptime_seconds}.42 1000.00\n",
            f"{MEMORY}/block_size_bytes": f"{BLOCK:x}\n",
            **{f"{MEMORY}/memory{number}/state": "online\n" for number in range(total // BLOCK)},
        }


def edac_dimm(
    controller: int,
    number: int,
    label: str,
    *,
    corrected: int = 0,
    uncorrected: int = 0,
    mode: str = "S4ECD4ED",
    kind: str = "dimm",
    size_mib: int = 65536,
) -> dict[str, str]:
    """The files of one DIMM (or rank) of an EDAC controller."""
    folder = f"{EDAC}/mc{controller}/{kind}{number}"
    return {
        f"{folder}/dimm_label": f"{label}\n",
        f"{folder}/dimm_location": f"channel {number} slot 0 \n",
        f"{folder}/size": f"{size_mib}\n",
        f"{folder}/dimm_mem_type": "Registered-DDR5\n",
        f"{folder}/dimm_edac_mode": f"{mode}\n",
        f"{folder}/dimm_ce_count": f"{corrected}\n",
        f"{folder}/dimm_ue_count": f"{uncorrected}\n",
    }


def edac_controller(
    controller: int,
    *,
    corrected: int = 0,
    uncorrected: int = 0,
    unlocated: int = 0,
    seconds: int = 600,
) -> dict[str, str]:
    folder = f"{EDAC}/mc{controller}"
    return {
        f"{folder}/mc_name": "Intel_10nm Socket#0 IMC#0\n",
        f"{folder}/size_mb": "131072\n",
        f"{folder}/seconds_since_reset": f"{seconds}\n",
        f"{folder}/ce_count": f"{corrected}\n",
        f"{folder}/ue_count": f"{uncorrected}\n",
        f"{folder}/ce_noinfo_count": f"{unlocated}\n",
        f"{folder}/ue_noinfo_count": "0\n",
        f"{folder}/max_location": "channel 1 slot 1 \n",
    }
