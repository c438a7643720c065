"""Everything that a look at the machine counts, and the components that it lists."""

from collections.abc import Iterable, Iterator
from typing import Any

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.gpus import GpuInventory
from bee_sat.counters import ata, bmc, cpus, gpus, memory, network, pcie, storage
from bee_sat.counters.reading import Kind, Part, Reading, Seen

__all__ = ["KINDS", "Kind", "Part", "Reading", "Seen", "of_gpus", "of_snapshot"]


def of_snapshot(snapshot: Snapshot, sections: Iterable[str]) -> Seen:
    """What these sections of the audit say; one that the machine does not have says nothing."""
    hardware = snapshot.hardware
    readings: list[Reading] = []
    parts: list[Part] = []
    listers: frozenset[str] = frozenset()
    for name in sections:
        section: Any = getattr(hardware, name, None)
        if section is None:
            continue
        if name == "gpus":
            readings += gpus.readings(section.gpus, section.xids)
            parts += gpus.parts(section.gpus)
        elif name == "bmc":
            readings += bmc.readings(section)
        elif name in _COUNTED:
            readings += _COUNTED[name].readings(section)
            parts += _COUNTED[name].parts(section)
        if name == "storage":
            listers = storage.listers(section)
    return Seen(tuple(readings), tuple(parts), listers)


def of_gpus(inventory: GpuInventory) -> Seen:
    """What org.bee.Gpu1 says."""
    return Seen(tuple(gpus.readings(inventory.gpus, inventory.xids)), tuple(gpus.parts(inventory.gpus)))


_COUNTED: dict[str, Any] = {
    "memory": memory,
    "cpus": cpus,
    "storage": storage,
    "pcie": pcie,
    "network": network,
}


def _kinds() -> Iterator[Kind]:
    for module in (memory, cpus, ata, storage, pcie, network, bmc, gpus):
        yield from (value for value in vars(module).values() if isinstance(value, Kind))
    yield from ata.KINDS


KINDS: tuple[Kind, ...] = tuple(dict.fromkeys(_kinds()))
