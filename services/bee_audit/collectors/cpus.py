"""Processors: the sockets that SMBIOS lists, and what the kernel runs of them."""

from collections.abc import Mapping, Sequence

from bee_audit.collectors.cpu_topology import CPU, read_kernel_cpus
from bee_audit.collectors.naming import distinct
from bee_audit.collectors.smbios import is_virtual, smbios_and_problems
from bee_audit.decode.filler import genuine
from bee_audit.decode.smbios import Cache, Processor, Smbios
from bee_bus.documents.cpus import Cpu, CpuCache, CpuPackage, CpusSection
from bee_machine import Machine

_LISTS = ("present", "online", "offline", "smt/control")
_CO_PROCESSORS = ("Math Processor", "DSP Processor", "Video Processor")
_VIRTUALIZATION = {"vmx": "VT-x", "svm": "AMD-V"}


async def collect(machine: Machine) -> CpusSection | None:
    kernel = await read_kernel_cpus(machine)
    smbios, problems = await smbios_and_problems(machine)
    if smbios is None and not problems and not kernel.info and not kernel.packages:
        return None
    files = await machine.read_files(f"{CPU}/{name}" for name in _LISTS)
    texts = {name: _text(files.get(f"{CPU}/{name}")) for name in _LISTS}
    flags = next(iter(kernel.info.values()), {}).get("flags", "").split()
    sockets = _sockets(smbios, kernel.packages)
    packages = kernel.packages
    return CpusSection(
        problems=problems,
        sockets=sockets,
        packages=packages,
        architecture=await machine.read_text("/proc/sys/kernel/arch"),
        socket_count=len(sockets) if smbios else None,
        populated_socket_count=sum(socket.populated for socket in sockets) if smbios else None,
        package_count=len(packages) or None,
        core_count=sum(package.core_count for package in packages) or None,
        thread_count=sum(package.thread_count for package in packages) or len(kernel.info) or None,
        present_cpus=texts["present"],
        online_cpus=texts["online"],
        offline_cpus=texts["offline"],
        smt=texts["smt/control"],
        virtualization=next((name for flag, name in _VIRTUALIZATION.items() if flag in flags), None),
        virtual_machine="hypervisor" in flags or (smbios is not None and is_virtual(smbios)),
        numa_nodes=kernel.nodes,
        vulnerabilities=await _vulnerabilities(machine),
    )


def _sockets(smbios: Smbios | None, packages: Sequence[CpuPackage]) -> tuple[Cpu, ...]:
    if smbios is None:
        return tuple(_from_kernel(package) for package in packages)
    # A co-processor of a BMC or a GPU has no socket that the kernel could run. Where the firmware calls none
    # a central processor, it does not know the word.
    central = [cpu for cpu in smbios.processors if cpu.processor_type in (None, "Central Processor")]
    processors = central or [cpu for cpu in smbios.processors if cpu.processor_type not in _CO_PROCESSORS]
    names = distinct([genuine(cpu.socket_designation) for cpu in processors], [None] * len(processors), "CPU")
    running = _matched(processors, packages)
    caches = {cache.handle: cache for cache in smbios.caches}
    return tuple(
        _from_firmware(name, cpu, running.get(index), caches)
        for index, (name, cpu) in enumerate(zip(names, processors, strict=True))
    )


def _matched(processors: Sequence[Processor], packages: Sequence[CpuPackage]) -> dict[int, CpuPackage]:
    """The kernel's packages by the sockets' places in the list: both count the same way, if as many run."""
    enabled = [index for index, cpu in enumerate(processors) if cpu.populated and _runs(cpu)]
    return dict(zip(enabled, packages, strict=True)) if len(enabled) == len(packages) else {}


def _runs(cpu: Processor) -> bool:
    return cpu.status not in ("Disabled By User", "Disabled By BIOS")


def _from_firmware(name: str, cpu: Processor, package: CpuPackage | None, caches: Mapping[int, Cache]) -> Cpu:
    populated = cpu.populated is not False
    handles = (cpu.l1_cache_handle, cpu.l2_cache_handle, cpu.l3_cache_handle)
    found = [caches[handle] for handle in handles if handle is not None and handle in caches]
    signature = package if package and package.cpuid_family is not None else cpu
    return Cpu(
        id=name,
        name=name,
        location=genuine(cpu.socket_designation),
        vendor=genuine(cpu.manufacturer) if populated else None,
        model=_words(genuine(cpu.version)) if populated else None,
        part_number=genuine(cpu.part_number) if populated else None,
        serial=genuine(cpu.serial_number) if populated else None,
        asset_tag=genuine(cpu.asset_tag) if populated else None,
        firmware=" ".join(package.microcodes) or None if package else None,
        populated=populated,
        status=cpu.status,
        family=cpu.family if populated else None,
        cpuid_family=signature.cpuid_family if populated else None,
        cpuid_model=signature.cpuid_model if populated else None,
        cpuid_stepping=signature.cpuid_stepping if populated else None,
        socket_type=genuine(cpu.socket_type) or cpu.upgrade,
        core_count=cpu.core_count if populated else None,
        core_enabled_count=cpu.core_enabled if populated else None,
        thread_count=cpu.thread_count if populated else None,
        thread_enabled_count=cpu.thread_enabled if populated else None,
        max_speed_mhz=cpu.max_speed_mhz,
        boot_speed_mhz=cpu.current_speed_mhz if populated else None,
        external_clock_mhz=cpu.external_clock_mhz,
        voltages_volts=tuple(filter(None, cpu.voltages_volts or ())) if populated else (),
        characteristics=cpu.characteristics or () if populated else (),
        caches=tuple(_cache(cache) for cache in found) if populated else (),
        package=package.package if package else None,
    )


def _from_kernel(package: CpuPackage) -> Cpu:
    name = f"CPU{package.package}"
    return Cpu(
        id=name,
        name=name,
        populated=True,
        vendor=package.vendor,
        model=package.model,
        firmware=" ".join(package.microcodes) or None,
        cpuid_family=package.cpuid_family,
        cpuid_model=package.cpuid_model,
        cpuid_stepping=package.cpuid_stepping,
        core_count=package.core_count,
        thread_count=package.thread_count,
        max_speed_mhz=package.max_speed_mhz,
        package=package.package,
    )


def _words(text: str | None) -> str | None:
    return " ".join(text.split()) if text else None


def _cache(cache: Cache) -> CpuCache:
    return CpuCache(
        level=cache.level or 0,
        name=genuine(cache.socket_designation),
        type=cache.system_type,
        size_bytes=cache.installed_size_bytes,
        maximum_size_bytes=cache.maximum_size_bytes,
        associativity=cache.associativity,
        error_correction=cache.error_correction_type,
        operational_mode=cache.operational_mode,
        enabled=cache.enabled,
    )


async def _vulnerabilities(machine: Machine) -> dict[str, str]:
    folder = f"{CPU}/vulnerabilities"
    names = await machine.list_folder(folder)
    files = await machine.read_files(f"{folder}/{name}" for name in names)
    return {path.rpartition("/")[2]: _text(content) or "" for path, content in sorted(files.items())}


def _text(raw: bytes | None) -> str | None:
    return (raw or b"").decode("utf-8", "replace").strip() or None
