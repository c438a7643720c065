"""Processors that got too hot, that reported errors, and that went away."""

from collections.abc import Iterator

from bee_bus.documents.cpus import CpuPackage, CpusSection
from bee_sat.counters.reading import Counting, Kind, Part, Reading

THROTTLES = Kind(
    "cpus.thermal_throttles",
    "times that the processor slowed down for heat",
    "Check its heat sink, the fans, the air flow and the temperature of the air that comes in.",
    severity="Warning",
)
_CHECK = (
    "Look at the kernel log and the BMC's event log for the part; if nothing is named, test with one "
    "processor, or the DIMMs of one processor, at a time."
)
MACHINE_CHECKS = Kind(
    "cpus.machine_check_exceptions", "machine check exceptions, of all its CPUs together,", _CHECK
)
DEFERRED = Kind("cpus.deferred_error_interrupts", "errors that were not corrected and hit nobody yet", _CHECK)
CORRECTED = Kind(
    "cpus.corrected_error_interrupts",
    "interrupts for errors that the processor or its memory controller corrected",
    "See the counters of the DIMMs and the kernel log; test again.",
    severity="Warning",
)
THREADS = Kind(
    "cpus.threads",
    "threads of the processor went off line",
    "Read the kernel log for machine checks; reseat the processor, and replace it if they go again.",
    is_stock=True,
)


def readings(section: CpusSection) -> Iterator[Reading]:
    for package in section.packages:
        counting = Counting(_component(section, package), _where(package), f"cpus/package {package.package}")
        counting.add(THROTTLES, package.thermal_throttle_count)
        counting.add(MACHINE_CHECKS, package.machine_check_exception_count)
        counting.add(DEFERRED, package.deferred_error_interrupt_count)
        counting.add(CORRECTED, package.corrected_error_interrupt_count)
        counting.add(THREADS, package.thread_count)
        yield from counting


def parts(section: CpusSection) -> Iterator[Part]:
    for package in section.packages:
        yield Part(
            _component(section, package),
            _where(package),
            f"Processor {package.package}",
            f"cpus/package {package.package}",
            THREADS.next_step,
        )


def _component(section: CpusSection, package: CpuPackage) -> str:
    socket = next((one for one in section.sockets if one.package == package.package), None)
    return f"cpus/{socket.id}" if socket is not None else f"cpus/package-{package.package}"


def _where(package: CpuPackage) -> str:
    return f"processor {package.package}" + (f", {package.model}" if package.model else "")
