"""Rules over GPUs: what PCI shows against what the driver sees, and GPUs unlike their peers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from bee_audit.rules import Rule
from bee_audit.rules.thresholds import Thresholds
from bee_bus.documents.audit import Finding, Hardware, Threshold
from bee_bus.documents.gpus import Gpu

Read = Callable[[Gpu], float | str | bool | None]

# What identical GPUs have in common, and what a person calls it.
COMMON: dict[str, tuple[str, Read]] = {
    "VBIOS": ("", lambda gpu: gpu.firmware),
    "memory": ("bytes", lambda gpu: gpu.readings.memory_bytes if gpu.readings else None),
    "ECC enabled": ("", lambda gpu: gpu.readings.ecc_enabled if gpu.readings else None),
    "MIG enabled": ("", lambda gpu: gpu.readings.mig_enabled if gpu.readings else None),
    "power limit": ("W", lambda gpu: gpu.readings.power_limit_watts if gpu.readings else None),
}


def driver_missing(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """Without its driver a GPU's memory, errors and temperatures are not known.

    Severity Unknown: the live image may lack the driver of a healthy GPU, but what was not seen is not OK.
    """
    for gpu in _gpus(hardware):
        if gpu.driver is None:
            yield Finding(
                rule="gpus.driver-missing",
                severity="Unknown",
                component=f"gpus/{gpu.id}",
                where=where(gpu),
                message=f"{gpu.name} has no driver: its health was not read",
                next_step="Load the GPU's driver (journalctl -u bee-nvidia says why it is not), and audit "
                "again.",
            )


def not_in_driver(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """A GPU that PCI shows and the driver does not list has failed to start."""
    for gpu in _gpus(hardware):
        if gpu.in_inventory is False and gpu.driver is not None:
            yield Finding(
                rule="gpus.not-in-driver",
                severity="Critical",
                component=f"gpus/{gpu.id}",
                where=where(gpu),
                message=f"PCI shows {gpu.name}, and its driver does not list it",
                next_step="Read the kernel log for Xid and NVRM lines; switch the machine off and on; if it "
                "is still missing, reseat or replace the GPU.",
                value=False,
            )
    for address in hardware.gpus.unplaced if hardware.gpus else ():
        yield Finding(
            rule="gpus.not-on-pci",
            severity="Critical",
            component=f"gpus/{address}",
            where=address,
            message=f"The driver lists a GPU at {address}, where PCI shows none",
            next_step="Audit again; if it stays, the GPU has fallen off the bus: switch the machine off "
            "and on.",
            value=address,
        )


def unlike_peers(hardware: Hardware, thresholds: Thresholds) -> Iterator[Finding]:
    """One of several identical GPUs that differs in what all of them should have in common."""
    peers: dict[tuple[str | None, ...], list[Gpu]] = defaultdict(list)
    for gpu in _gpus(hardware):
        kind = (gpu.vendor_id, gpu.device_id, gpu.subsystem_vendor_id, gpu.subsystem_device_id)
        peers[kind].append(gpu)
    for group in peers.values():
        for name, (unit, read) in COMMON.items():
            values = {gpu.id: value for gpu in group if (value := read(gpu)) is not None}
            counts = Counter(values.values())
            if len(counts) < 2:
                continue
            usual = max(counts, key=lambda value: (counts[value], value))
            for gpu in group:
                value = values.get(gpu.id, usual)
                if value == usual:
                    continue
                yield Finding(
                    rule="gpus.unlike-peers",
                    severity="Warning",
                    component=f"gpus/{gpu.id}",
                    where=where(gpu),
                    message=f"{gpu.name} differs from the others of its kind: {name} {_shown(value, unit)}, "
                    f"usual {_shown(usual, unit)}",
                    next_step="Bring all GPUs of this kind to the same firmware and settings.",
                    value=value,
                    threshold=Threshold(
                        name=f"gpus.{name.lower().replace(' ', '_')}",
                        value=usual,
                        unit=unit,
                        source=f"the usual value of the {len(group)} identical GPUs of this machine",
                        layer="device",
                    ),
                )


def where(gpu: Gpu) -> str:
    place = f"{gpu.id} in {gpu.location}" if gpu.location else gpu.id
    return f"{place}, serial {gpu.serial}" if gpu.serial else place


def _gpus(hardware: Hardware) -> tuple[Gpu, ...]:
    return hardware.gpus.gpus if hardware.gpus else ()


def _shown(value: float | str | bool, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip()


RULES: tuple[Rule, ...] = (driver_missing, not_in_driver, unlike_peers)
