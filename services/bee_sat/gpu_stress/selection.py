"""Which GPUs are loaded: those that CUDA shows or that were asked for, and none missing silently."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bee_sat.gpu_stress.events import StressGpu
from bee_sat.gpu_stress.inject import Fault, Injection

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"


class BadSelection(ValueError):
    """GPUs that are not there; the message says which are."""


@dataclass(frozen=True)
class Selection:
    """``whole_machine``: nobody chose among the GPUs. ``faults``: by GPU."""

    gpus: tuple[StressGpu, ...]
    whole_machine: bool
    faults: Mapping[str, tuple[Fault, ...]]
    lost: tuple[str, ...] = ()


def select(
    shown: Sequence[StressGpu],
    names: Sequence[str],
    injections: Sequence[Injection],
    environment: Mapping[str, str] = os.environ,
    *,
    lost: Sequence[str] = (),
) -> Selection:
    """The GPUs of these names among those that CUDA shows; all without names. Raises BadSelection.

    ``lost``: those that CUDA counts and cannot give; without names they were meant too.
    """
    _check_visible(shown, len(shown) + len(lost), environment)
    gpus = tuple(_find(shown, name) for name in names) or tuple(shown)
    if len({gpu.id for gpu in gpus}) != len(gpus):
        raise BadSelection(f"the same GPU is named twice: {','.join(names)}")
    faults: dict[str, tuple[Fault, ...]] = {}
    for injection in injections:
        hit = gpus if injection.gpu is None else (_find(gpus, injection.gpu),)
        for gpu in hit:
            faults[gpu.id] = (*faults.get(gpu.id, ()), injection.fault)
    return Selection(
        gpus,
        whole_machine=not names and VISIBLE not in environment,
        faults=faults,
        lost=() if names else tuple(lost),
    )


def worker_environment(gpus: Sequence[StressGpu], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables with which a worker sees these GPUs and no others: it has no business with a neighbour.

    Parts of a divided GPU (MIG) keep the name by which they were made visible, for the driver tells no other.
    """
    listed = _listed(environment)
    names = [
        listed[gpu.index] if gpu.index < len(listed) and listed[gpu.index].startswith("MIG-") else gpu.uuid
        for gpu in gpus
    ]
    return {VISIBLE: ",".join(names)}


def in_pci_order(environment: Mapping[str, str]) -> dict[str, str]:
    """CUDA numbers GPUs by speed unless it is told otherwise; people number them as nvidia-smi does."""
    return {} if environment.get(ORDER) else {ORDER: "PCI_BUS_ID"}


def _listed(environment: Mapping[str, str]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES names, up to the -1 that ends it."""
    names: list[str] = []
    for word in environment.get(VISIBLE, "").split(","):
        if word.strip() in ("", "-1"):
            break
        names.append(word.strip())
    return names


def _check_visible(shown: Sequence[StressGpu], counted: int, environment: Mapping[str, str]) -> None:
    """CUDA stops reading the list at the first name that it does not know, and says nothing of it."""
    wanted = _listed(environment)
    if VISIBLE in environment and len(wanted) != counted:
        stops = f"; it stops at {wanted[counted]}" if counted < len(wanted) else ""
        raise BadSelection(
            f"{VISIBLE}={environment[VISIBLE]} names {len(wanted)} GPUs, and CUDA shows {counted}: "
            f"{_names(shown)}{stops}; each name must be an index or a UUID of a GPU that works, and that is "
            "not divided (MIG)"
        )


def _find(gpus: Sequence[StressGpu], name: str) -> StressGpu:
    for gpu in gpus:
        if name.lower() in (str(gpu.index), gpu.uuid.lower(), gpu.id, gpu.id.removeprefix("0000:")):
            return gpu
    raise BadSelection(
        f"there is no GPU {name}; allowed is an index, a UUID or a PCI address of {_names(gpus)}"
    )


def _names(gpus: Sequence[StressGpu]) -> str:
    return ", ".join(f"{gpu.index} ({gpu.id})" for gpu in gpus) or "none"
