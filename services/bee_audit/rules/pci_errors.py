"""Errors that PCI devices report, as the kernel has counted them and as their own registers keep them."""

from collections.abc import Iterator

from bee_audit.rules.pci_places import component, devices_of, is_suspended, where
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.pcie import PcieDevice, PcieErrors

# What enumeration and drivers cause on healthy devices by asking for what is not there.
HARMLESS = ("UnsupReq", "ACSViol")
# Reported as correctable, and about a transaction rather than the link.
ADVISORY = "AdvNonFatalErr"
KERNEL_ADVISORY = "NonFatalErr"  # the same in the kernel's counters
KEEP_LOG = "Keep the kernel log (journalctl -k, the lines with AER) for the vendor."
RESEAT = f"Reseat the card with its riser and cables and audit again after a day of load. {KEEP_LOG}"


def fatal_errors(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    limit = thresholds["pcie.fatal_errors"]
    for device, errors in _errors(hardware):
        count = errors.fatal_count or 0
        if count > thresholds.number(limit.name):
            yield Finding(
                rule="pcie.fatal-errors",
                severity="Critical",
                component=component(device),
                where=where(device),
                message=f"{device.name} had {count} fatal PCIe errors since boot ({_kinds(errors.fatal)})",
                next_step=f"Reseat the card; if the errors come back, replace it. {KEEP_LOG}",
                value=count,
                threshold=limit,
            )


def nonfatal_errors(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Lost transactions, and apart from them requests for what is not there, of which few are normal."""
    for device, errors in _errors(hardware):
        harmless = _harmless(errors)
        for count, name in (
            ((errors.nonfatal_count or 0) - harmless, "pcie.nonfatal_errors"),
            (harmless, "pcie.unsupported_requests"),
        ):
            limit = thresholds[name]
            if count <= thresholds.number(name):
                continue
            yield Finding(
                rule="pcie.nonfatal-errors",
                severity="Warning",
                component=component(device),
                where=where(device),
                message=f"{device.name} had {count} nonfatal PCIe errors since boot "
                f"({_kinds(errors.nonfatal)})",
                next_step=RESEAT,
                value=count,
                threshold=limit,
            )


def correctable_errors(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Errors that the link repaired by sending again, more often than a good link does."""
    minimum = thresholds.number("pcie.correctable_errors_minimum")
    uptime = hardware.pcie.uptime_seconds if hardware.pcie else None
    found = {}
    for device, errors in _errors(hardware):
        advisory = errors.correctable.get(KERNEL_ADVISORY, 0) + errors.correctable.get(ADVISORY, 0)
        count = (errors.correctable_count or 0) - advisory
        limit = thresholds[_rate_name(device)]
        lanes = (device.link.current_width if device.link else None) or 1
        rate = count / lanes / max(uptime / 60 if uptime else 1.0, 1.0)
        if count <= minimum or rate <= thresholds.number(limit.name):
            continue
        found[device.id] = Finding(
            rule="pcie.correctable-errors",
            severity="Warning",
            component=component(device),
            where=where(device),
            message=f"{device.name} had {count} correctable errors on its link since boot "
            f"({_kinds(errors.correctable)}), {rate:.1f} per lane and minute",
            next_step=RESEAT,
            value=round(rate, 2),
            threshold=limit,
        )
    # Both ends of a bad link count errors; the one for hands is the lower.
    upper = {device.parent for device in devices_of(hardware) if device.id in found}
    yield from (finding for address, finding in found.items() if address not in upper)


def error_status(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Errors in a device's own registers that the kernel did not count, as when the firmware handles them."""
    for device, errors in _errors(hardware):
        if errors.fatal_count or (errors.nonfatal_count or 0) > _harmless(errors):
            continue
        kinds = [kind for kind in errors.status if kind not in HARMLESS]
        # Masked and harmless errors set that flag too (PCIe 6.0 §7.5.3.5): alone it says something only
        # where no error of this rank explains it.
        if not kinds and "FatalErr" in errors.device_status and not errors.fatal_status:
            kinds = ["a fatal error was detected"]
        if kinds:
            yield Finding(
                rule="pcie.error-status",
                severity="Warning",
                component=component(device),
                where=where(device),
                message=f"The registers of {device.name} keep uncorrectable errors: {', '.join(kinds)}",
                next_step="Switch the machine off and on, which clears them, and audit again after load; "
                f"if they come back: {RESEAT[0].lower()}{RESEAT[1:]}",
                value=" ".join(kinds),
            )


def _errors(hardware: Hardware) -> Iterator[tuple[PcieDevice, PcieErrors]]:
    for device in devices_of(hardware):
        if device.errors is not None and device.answers and not is_suspended(device):
            yield device, device.errors


def _harmless(errors: PcieErrors) -> int:
    """How many of the nonfatal errors are requests for what is not there."""
    return sum(errors.nonfatal.get(kind, 0) for kind in HARMLESS)


def _rate_name(device: PcieDevice) -> str:
    speed = (device.link.current_speed_gtps if device.link else None) or 0.0
    generation = "8gt" if speed <= 8 else "16gt" if speed <= 16 else "32gt"
    return f"pcie.correctable_errors_{generation}"


def _kinds(counts: dict[str, int]) -> str:
    named = sorted(counts.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {count}" for name, count in named) or "of a kind that is not told"
