"""One GPU that is unlike the others of its kind, even when it is within every limit."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from bee_bus.documents.findings import Finding
from bee_bus.documents.gpus import InventoryGpu
from bee_bus.thresholds import Thresholds
from bee_gpu.health import Observation, Rule, finding, name, own_limit

Value = float | str | bool
Read = Callable[[InventoryGpu], Value | None]


def _identity(field: str) -> Read:
    return lambda gpu: getattr(gpu.identity, field) if gpu.identity else None


def _state(field: str) -> Read:
    return lambda gpu: getattr(gpu.state, field) if gpu.state else None


def _nvlinks_up(gpu: InventoryGpu) -> int | None:
    links = gpu.state.nvlinks if gpu.state else None
    if not links or any(link.active is None for link in links):
        return None
    return sum(link.active is True for link in links)


# What identical GPUs have in common: a name for people, the unit, and where it stands.
COMMON: tuple[tuple[str, str, Read], ...] = (
    ("VBIOS", "", _identity("firmware")),
    ("infoROM image", "", _identity("inforom_image")),
    ("memory", "bytes", _identity("memory_total_bytes")),
    ("highest graphics clock", "MHz", _identity("clock_graphics_max_mhz")),
    ("highest memory clock", "MHz", _identity("clock_memory_max_mhz")),
    ("graphics clock that was set", "MHz", _state("clock_application_graphics_mhz")),
    ("memory clock that was set", "MHz", _state("clock_application_memory_mhz")),
    ("ECC enabled", "", _state("ecc_enabled")),
    ("MIG enabled", "", _state("mig_enabled")),
    ("power limit", "W", _state("power_limit_enforced_watts")),
    ("PCIe lanes", "", lambda gpu: gpu.sample.pcie_width if gpu.sample else None),
    ("NVLinks up", "", _nvlinks_up),
)


def unlike_peers(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    groups: dict[tuple[str | None, ...], list[InventoryGpu]] = defaultdict(list)
    for gpu in observation.gpus:
        groups[gpu.vendor, gpu.pci_id, gpu.pci_subsystem_id].append(gpu)
    for group in groups.values():
        for what, unit, read in COMMON:
            yield from _odd_ones(group, what, unit, read)


def _odd_ones(group: list[InventoryGpu], what: str, unit: str, read: Read) -> Iterator[Finding]:
    values = {gpu.id: value for gpu in group if (value := read(gpu)) is not None}
    counts = Counter(values.values())
    if len(counts) < 2:
        return
    usual = max(counts, key=lambda value: (counts[value], value))
    for gpu in group:
        value = values.get(gpu.id, usual)
        if value == usual:
            continue
        message = (
            f"{name(gpu)} differs from the others of its kind: {what} {_shown(value, unit)}, "
            f"usual {_shown(usual, unit)}"
        )
        limit = own_limit(
            what.lower().replace(" ", "_"),
            usual,
            unit,
            f"the usual value of the {len(group)} identical GPUs of this machine",
        )
        next_step = (
            "Bring all GPUs of this kind to the same firmware and settings, and look at the odd one's slot."
        )
        yield finding(gpu, "unlike-peers", "Warning", message, next_step, value, limit)


def _shown(value: Value, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip()


RULES: tuple[Rule, ...] = (unlike_peers,)
