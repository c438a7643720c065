"""Rules over GPUs: those of org.bee.Gpu1, which judges them for everybody, and what is left without it."""

from collections.abc import Iterator

from bee_audit.rules import Rule
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware
from bee_bus.documents.gpus import Gpu


def found_by_the_service(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Taken over as they are, with the place where hands find the GPU."""
    if hardware.gpus is None:
        return
    gpus = {f"gpus/{gpu.id}": gpu for gpu in hardware.gpus.gpus}
    for finding in hardware.gpus.findings:
        gpu = gpus.get(finding.component)
        yield Finding(
            rule=finding.rule,
            severity=finding.severity,
            component=finding.component,
            where=where(gpu) if gpu else finding.where,
            message=finding.message,
            next_step=finding.next_step,
            value=finding.value,
            threshold=finding.threshold,
        )


def driver_missing(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Without its driver a GPU's memory, errors and temperatures are not known.

    Severity Unknown: the live image may lack the driver of a healthy GPU, but what was not seen is not OK.
    """
    for gpu in hardware.gpus.gpus if hardware.gpus else ():
        if gpu.driver is None and gpu.condition is None:
            yield Finding(
                rule="gpus.driver-missing",
                severity="Unknown",
                component=f"gpus/{gpu.id}",
                where=where(gpu),
                message=f"{gpu.name} has no driver: its health was not read",
                next_step="Load the GPU's driver (journalctl -u bee-nvidia says why it is not), and audit "
                "again.",
            )


def where(gpu: Gpu) -> str:
    place = f"{gpu.id} in {gpu.location}" if gpu.location else gpu.id
    index = gpu.identity.index if gpu.identity else None
    number = f", GPU {index}" if index is not None else ""
    return f"{place}{number}, serial {gpu.serial}" if gpu.serial else f"{place}{number}"


RULES: tuple[Rule, ...] = (found_by_the_service, driver_missing)
