"""Forms that start acceptance runs: made of what the service says of its packs, ready to be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bee_bus.documents.gpus import GpuInventory, InventoryGpu
from bee_bus.documents.sat import SatOption, SatPack
from bee_bus.units import memory_size, words
from bee_bus.words import GPU_STATES, lasting

NVIDIA = "nvidia"
DURATION, GPUS, SIZE = "duration", "gpus", "size_mb"
PRESETS = (("600", "10 min"), ("3600", "1 h"), ("28800", "8 h"), ("86400", "24 h"))

_LABELS = {SIZE: "size in MiB", "self_test": "self-test"}

# "short or extended": words to choose from, and nothing else.
_CHOICE = re.compile(r"[a-z]+( or [a-z]+)+")


class GpuChoice(NamedTuple):
    """``trouble``: why it may not pass."""

    id: str
    name: str
    trouble: str


class Input(NamedTuple):
    """One option. ``choices``: value and words; ``gpus``: boxes, all of them ticked."""

    field: str
    label: str
    help: str
    allowed: str
    default: str
    choices: tuple[tuple[str, str], ...] = ()
    gpus: tuple[GpuChoice, ...] = ()


class Form(NamedTuple):
    """``trouble``: why it cannot be sent with good prospects; it can be sent all the same."""

    name: str
    title: str
    summary: str
    steps: str
    inputs: tuple[Input, ...]
    trouble: str


def forms(packs: Sequence[SatPack], gpus: GpuInventory | None) -> tuple[Form, ...]:
    """``gpus``: None when the GPU service does not answer."""
    return tuple(
        Form(
            name=pack.name,
            title=pack.title,
            summary=pack.summary,
            steps=", ".join(pack.steps),
            inputs=tuple(_inputs(pack, gpus)),
            trouble=_no_gpu(gpus) if pack.name == NVIDIA else "",
        )
        for pack in sorted(packs, key=lambda pack: pack.name != NVIDIA or not _nvidia(gpus))
    )


def _inputs(pack: SatPack, gpus: GpuInventory | None) -> Iterator[Input]:
    for option in pack.options:
        if pack.name == NVIDIA and option.name == SIZE:
            continue  # found by itself: the largest of the GPUs that are chosen
        boxes: tuple[GpuChoice, ...] = ()
        if pack.name == NVIDIA and option.name == GPUS:
            boxes = tuple(map(_choice, _nvidia(gpus)))
        choices = _choices(pack, option)
        chosen = option.default
        if choices and chosen not in dict(choices):
            chosen = choices[0][0]
        yield Input(
            field=f"option.{option.name}",
            label=_LABELS.get(option.name, option.name.replace("_", " ")),
            help=option.help,
            allowed=option.allowed,
            default=chosen,
            choices=choices,
            gpus=boxes,
        )


def _choices(pack: SatPack, option: SatOption) -> tuple[tuple[str, str], ...]:
    """What an option may be, when that is a choice among few."""
    if option.name == DURATION:
        given = option.default
        if pack.name != NVIDIA and given.isdigit() and given not in dict(PRESETS):
            return ((given, lasting(int(given))), *PRESETS)
        return PRESETS
    if _CHOICE.fullmatch(option.allowed):
        allowed = option.allowed.split(" or ")
        return tuple((word, word) for word in allowed) if option.default in allowed else ()
    return ()


def _nvidia(gpus: GpuInventory | None) -> list[InventoryGpu]:
    found = gpus.gpus if gpus else ()
    return sorted((gpu for gpu in found if gpu.vendor == "NVIDIA"), key=lambda gpu: gpu.id)


def _choice(gpu: InventoryGpu) -> GpuChoice:
    identity = gpu.identity
    number = f"GPU {identity.index}" if identity and identity.index is not None else "GPU"
    memory = memory_size(identity.memory_total_bytes) if identity else ""
    trouble = "" if gpu.condition == "ok" else gpu.trouble or gpu.condition.replace("-", " ")
    return GpuChoice(gpu.id, words(number, gpu.name or gpu.pci_id, memory), trouble)


def _no_gpu(gpus: GpuInventory | None) -> str:
    if gpus is None:
        return "The GPU service does not answer: which GPUs there are is not known."
    if _nvidia(gpus):
        return ""
    return f"No NVIDIA GPU can be tested: {GPU_STATES.get(gpus.state, 'the driver shows none')}."
