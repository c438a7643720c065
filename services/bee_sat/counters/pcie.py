"""PCIe errors as the kernel counts them (AER), and devices that left the bus."""

from collections.abc import Iterator

from bee_bus.documents.pcie import PcieDevice, PcieErrors, PcieSection
from bee_sat.counters.reading import Counting, Kind, Part, Reading, shown

# What drivers cause on healthy devices by asking for what is not there.
_HARMLESS = ("UnsupReq", "ACSViol")
# Reported as correctable, and about a transaction rather than the link.
_ADVISORY = ("AdvNonFatalErr", "NonFatalErr")
_LEAST = 20.0  # fewer say nothing: a link that trains anew makes some
_KEEP_LOG = "Keep the kernel log (the lines with AER) for the vendor."
_RESEAT = f"Reseat the card with its riser and cables and run again. {_KEEP_LOG}"

FATAL = Kind(
    "pcie.fatal_errors", "fatal PCIe errors", _RESEAT, told_by=("pcie.fatal-errors", "pcie.error-status")
)
NONFATAL = Kind(
    "pcie.nonfatal_errors",
    "nonfatal PCIe errors",
    _RESEAT,
    told_by=("pcie.nonfatal-errors", "pcie.error-status"),
)
CORRECTABLE = Kind(
    "pcie.correctable_errors",
    "correctable errors of its PCIe link",
    _RESEAT,
    severity="Warning",
    per_minute=True,
    told_by=("pcie.correctable-errors",),
)
HARMLESS = shown("pcie.unsupported_requests", "PCIe requests for what is not there")
ADVISORY = shown("pcie.advisory_errors", "advisory PCIe errors")


def readings(section: PcieSection) -> Iterator[Reading]:
    for device in section.devices:
        if device.errors is not None and device.answers:
            yield from _errors(device, device.errors)


def _errors(device: PcieDevice, errors: PcieErrors) -> Counting:
    counting = Counting(f"pcie/{device.id}", _where(device))
    counting.add(FATAL, errors.fatal_count)
    harmless = sum(errors.nonfatal.get(kind, 0) for kind in _HARMLESS)
    advisory = sum(errors.correctable.get(kind, 0) for kind in _ADVISORY)
    if errors.nonfatal_count is not None:
        counting.add(NONFATAL, max(0, errors.nonfatal_count - harmless))
        counting.add(HARMLESS, harmless)
    if errors.correctable_count is not None:
        speed = (device.link.current_speed_gtps if device.link else None) or 0.0
        generation = "8gt" if speed <= 8 else "16gt" if speed <= 16 else "32gt"
        counting.add(
            CORRECTABLE,
            max(0, errors.correctable_count - advisory),
            limit=f"{CORRECTABLE.limit}_{generation}",
            units=float((device.link.current_width if device.link else None) or 1),
            allowed=_LEAST,
        )
        counting.add(ADVISORY, advisory)
    return counting


def parts(section: PcieSection) -> Iterator[Part]:
    for device in section.devices:
        if device.physical_function is None:
            yield Part(f"pcie/{device.id}", _where(device), device.name, f"pcie/{device.id}", _RESEAT)


def _where(device: PcieDevice) -> str:
    place = f"{device.id} in {device.location}" if device.location else device.id
    return f"{place}, serial {device.serial}" if device.serial else place
