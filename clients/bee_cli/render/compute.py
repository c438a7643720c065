"""Board, processors, memory and GPUs."""

from collections.abc import Iterator

from bee_bus.documents.board import Bios, BoardSection
from bee_bus.documents.cpus import Cpu, CpuPackage, CpusSection
from bee_bus.documents.gpus import Gpu, GpusSection
from bee_bus.documents.memory import Dimm, MemoryController, MemorySection
from bee_bus.gpu_values import power
from bee_bus.units import celsius, joined, memory_size, quantity, ranges, several, tally, words
from bee_cli.render.page import Page

_PLACES_INDENT = 6


def put_board(page: Page, board: BoardSection) -> None:
    page.heading("board", "virtual machine" if board.virtual_machine else "")
    system = board.system
    page.facts(
        [
            ("system", joined(words(system.vendor, system.name or system.model), _serial(system.serial)))
            if system
            else ("system", ""),
            ("firmware", _bios(board.bios, board) if board.bios else board.boot_mode),
            *(
                ("board", joined(words(one.vendor, one.model or one.name), _serial(one.serial), one.location))
                for one in board.baseboards
            ),
            *(("chassis", joined(words(one.vendor, one.type), _serial(one.serial))) for one in board.chassis),
        ]
    )


def put_cpus(page: Page, cpus: CpusSection) -> None:
    models = tally(package.model or "" for package in cpus.packages)
    cores = several(cpus.core_count, "core") if cpus.core_count is not None else ""
    threads = several(cpus.thread_count, "thread") if cpus.thread_count is not None else ""
    page.heading("cpus", joined(models, cores, threads))
    packages = {package.package: package for package in cpus.packages}
    rows = [
        _socket(cpu, packages.pop(cpu.package, None) if cpu.package is not None else None)
        for cpu in cpus.sockets
    ]
    rows += [_package(package) for package in packages.values()]
    page.table(("=socket", "model", ">cores", ">threads", ">MHz", "microcode", "state"), rows)
    page.facts(
        [
            ("offline", cpus.offline_cpus),
            ("NUMA nodes", str(len(cpus.numa_nodes)) if len(cpus.numa_nodes) > 1 else ""),
        ]
    )


def put_memory(page: Page, memory: MemorySection) -> None:
    populated = [slot for slot in memory.slots if slot.populated]
    total = memory.installed_bytes or memory.kernel_present_bytes or memory.kernel_total_bytes
    slots = f"{len(populated)} of {several(len(memory.slots), 'slot')} populated" if memory.slots else ""
    page.heading("memory", joined(memory_size(total), slots))
    for kind, places in _modules(populated):
        page.line(kind)
        page.line(places, indent=_PLACES_INDENT)
    if empty := [slot.name or slot.id for slot in memory.slots if not slot.populated]:
        page.line("empty")
        page.line(ranges(empty), indent=_PLACES_INDENT)
    page.facts(
        [
            ("corrected errors", _errors(memory.controllers, "corrected_error_count")),
            ("uncorrected errors", _errors(memory.controllers, "uncorrected_error_count")),
        ]
    )


def put_gpus(page: Page, gpus: GpusSection) -> None:
    driver = f"driver {gpus.driver_version}" if gpus.driver_version else ""
    page.heading("gpus", joined(tally(gpu.name for gpu in gpus.gpus), driver))
    page.table(("=address", "gpu", "place", "=serial", "now"), map(_gpu, gpus.gpus))


def _serial(serial: str | None) -> str:
    return f"serial {serial}" if serial else ""


def _bios(bios: Bios, board: BoardSection) -> str:
    date = f"of {bios.release_date}" if bios.release_date else ""
    secure = {True: "secure boot", False: "secure boot off", None: ""}[board.secure_boot]
    return joined(words(bios.vendor, bios.firmware, date), board.boot_mode, secure)


def _socket(cpu: Cpu, package: CpuPackage | None) -> tuple[object, ...]:
    cores = cpu.core_enabled_count or cpu.core_count
    return (
        cpu.name or cpu.id,
        (cpu.model or (package.model if package else "")) if cpu.populated else "",
        package.core_count if package else cores,
        package.thread_count if package else cpu.thread_enabled_count or cpu.thread_count,
        cpu.max_speed_mhz,
        cpu.firmware,
        "" if cpu.populated and cpu.status in (None, "Enabled") else cpu.status if cpu.populated else "empty",
    )


def _package(package: CpuPackage) -> tuple[object, ...]:
    return (
        f"package {package.package}",
        package.model,
        package.core_count,
        package.thread_count,
        package.max_speed_mhz,
        joined(*package.microcodes),
        "",
    )


def _modules(populated: list[Dimm]) -> Iterator[tuple[str, str]]:
    """Equal modules together, with the slots that they are in."""
    groups: dict[str, list[str]] = {}
    for slot in populated:
        speed = quantity(slot.configured_speed_mts, "MT/s")
        rated = slot.rated_speed_mts
        slower = bool(rated and slot.configured_speed_mts and slot.configured_speed_mts < rated)
        size = memory_size(slot.size_bytes) or "of unknown size"
        kind = words(size, slot.type, speed, f"(rated {rated})" if slower else "")
        groups.setdefault(joined(kind, words(slot.vendor, slot.part_number)), []).append(slot.name or slot.id)
    for kind, slots in groups.items():
        yield f"{len(slots)} × {kind}", ranges(slots)


def _errors(controllers: tuple[MemoryController, ...], field: str) -> str:
    """What the kernel has counted; nothing where it counts none of them."""
    counts = [getattr(controller, field) for controller in controllers]
    known = [count for count in counts if count is not None]
    return str(sum(known)) if any(known) else ""


def _gpu(gpu: Gpu) -> tuple[str, ...]:
    sample = gpu.sample
    now = joined(celsius(sample.temperature_celsius), quantity(power(sample), "W")) if sample else ""
    if gpu.condition not in (None, "ok"):
        now = gpu.condition.replace("-", " ")
    return (
        gpu.id,
        gpu.name,
        gpu.location or "",
        gpu.serial or "",
        now or gpu.driver or "no driver",
    )
