"""The cpus section of the audit snapshot: sockets by the firmware, processors by the kernel."""

import msgspec

from bee_bus.documents.base import Document, Section


class CpuCache(Document):
    """One cache of a socket's processor, all cores together (SMBIOS 3.7 §7.8)."""

    level: int
    name: str | None = None
    type: str | None = None  # Data, Instruction, Unified
    size_bytes: int | None = None
    maximum_size_bytes: int | None = None
    associativity: str | None = None
    error_correction: str | None = None
    operational_mode: str | None = None
    enabled: bool | None = None


class Cpu(Document):
    """One socket, empty ones too (SMBIOS 3.7 §7.5); what the kernel sees of it where the two can be matched.

    ``firmware``: the microcode revision that runs, as the kernel tells it. ``package``: the kernel's number.
    """

    id: str
    populated: bool
    name: str | None = None
    location: str | None = None  # the socket's designation
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    firmware: str | None = None
    status: str | None = None  # "Enabled", "Disabled By User", "Disabled By BIOS", "Idle", "Unknown"
    family: str | None = None  # in the standard's words
    cpuid_family: int | None = None
    cpuid_model: int | None = None
    cpuid_stepping: int | None = None
    socket_type: str | None = None
    core_count: int | None = None
    core_enabled_count: int | None = None  # by the firmware's setting
    thread_count: int | None = None
    thread_enabled_count: int | None = None
    max_speed_mhz: int | None = None  # what the socket supports
    boot_speed_mhz: int | None = None
    external_clock_mhz: int | None = None
    voltages_volts: tuple[float, ...] = ()
    characteristics: tuple[str, ...] = ()
    caches: tuple[CpuCache, ...] = ()
    package: int | None = None


class CpuPackage(Document):
    """A processor as the kernel runs it, of its online CPUs only.

    Counts are since boot, of all its CPUs together: machine check exceptions (an error that was not corrected
    is raised on every CPU), interrupts for corrected errors above their threshold, and on AMD for errors that
    were not corrected and hit nobody yet (/proc/interrupts: MCE, THR, DFR).
    """

    package: int
    cpus: str  # "0-31,64-95"
    core_count: int
    thread_count: int
    vendor: str | None = None
    model: str | None = None
    cpuid_family: int | None = None
    cpuid_model: int | None = None
    cpuid_stepping: int | None = None
    microcodes: tuple[str, ...] = ()  # more than one is a fault
    max_speed_mhz: int | None = None
    numa_nodes: tuple[int, ...] = ()
    thermal_throttle_count: int | None = None
    machine_check_exception_count: int | None = None
    corrected_error_interrupt_count: int | None = None
    deferred_error_interrupt_count: int | None = None


class NumaNode(Document):
    node: int
    cpus: str
    memory_bytes: int | None = None
    distances: tuple[int, ...] = ()


class CpusSection(Section):
    """``vulnerabilities``: the kernel's statement on each. CPU lists are as the kernel writes them."""

    sockets: tuple[Cpu, ...] = ()
    packages: tuple[CpuPackage, ...] = ()
    architecture: str | None = None
    socket_count: int | None = None  # that the firmware lists
    populated_socket_count: int | None = None
    package_count: int | None = None  # that the kernel runs
    core_count: int | None = None
    thread_count: int | None = None
    present_cpus: str | None = None
    online_cpus: str | None = None
    offline_cpus: str | None = None
    smt: str | None = None  # on, off, forceoff, notsupported, notimplemented
    virtualization: str | None = None  # "VT-x", "AMD-V"
    virtual_machine: bool = False
    numa_nodes: tuple[NumaNode, ...] = ()
    vulnerabilities: dict[str, str] = msgspec.field(default_factory=dict)
