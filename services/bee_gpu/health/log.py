"""What the kernel log tells of GPUs since the machine started."""

from collections.abc import Iterator

from bee_bus.documents.findings import Finding, Severity
from bee_bus.documents.gpus import XidRecord
from bee_bus.thresholds import Thresholds
from bee_gpu.health import Observation, Rule, where
from bee_machine.gpus import GPU_VENDORS, NVIDIA


def xids(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Each kind of Xid of each GPU; those that only follow from another are no finding of their own."""
    by_id = {gpu.id: gpu for gpu in observation.gpus}
    for record in observation.inventory.xids:
        if record.severity == "Info":
            continue
        severity: Severity = record.severity
        gpu = by_id.get(record.gpu)
        times = "once" if record.count == 1 else f"{record.count} times"
        yield Finding(
            rule="gpus.xid",
            severity=severity,
            component=f"gpus/{record.gpu}",
            where=where(gpu) if gpu else record.gpu,
            message=f"Xid {record.number} ({record.name}) is in the kernel log {times}, last "
            f"{_since_boot(record)} after the start: {record.meaning}",
            next_step=record.next_step,
            value=record.number,
        )


def log_unread(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Without the log nobody knows whether a GPU has reported errors."""
    if observation.log_trouble is None:
        return
    if any(gpu.vendor == GPU_VENDORS[NVIDIA] for gpu in observation.gpus):
        yield Finding(
            rule="gpus.log-unread",
            severity="Unknown",
            component="gpus",
            where="the kernel log",
            message=f"The kernel log could not be searched for Xid errors: {observation.log_trouble}",
            next_step="Look at it as root: dmesg | grep NVRM.",
        )


def _since_boot(record: XidRecord) -> str:
    seconds = record.last_seconds
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


RULES: tuple[Rule, ...] = (xids, log_unread)
