"""The nvidia pack: what nvidia-smi knows, bee-gpu-stress on the selected GPUs, and NVIDIA's own bug report.

The GPUs come from org.bee.Gpu1, which also watches them: its telemetry is kept beside the load.
"""

from collections.abc import Iterable, Sequence

import msgspec

from bee_bus.client import Bus
from bee_bus.documents.gpus import GpuInventory, InventoryGpu
from bee_bus.errors import InvalidOption, NotSupported
from bee_bus.gpu_client import GpuClient
from bee_machine import Machine
from bee_sat.options import Option, integer
from bee_sat.packs.complete import complete_step
from bee_sat.packs.gpu_load import gpu_load_step
from bee_sat.packs.nvidia_tools import bug_report_step, smi_step
from bee_sat.packs.pack import Claim, Options, Pack
from bee_sat.steps import Looks, Plan

GPU = "gpu/"


class NvidiaPack(Pack):
    name = "nvidia"
    title = "NVIDIA GPUs"
    summary = "bee-gpu-stress on the selected GPUs, its arithmetic checked, with telemetry once a second"
    step_names = ("nvidia-smi", "gpu-stress", "nvidia-bug-report")
    options = (
        Option(
            "duration",
            "how long the load lasts",
            "seconds, from 10 to 604800",
            integer(10, 604_800),
            default="600",
            environment="BEE_GPU_STRESS_SECONDS",
        ),
        Option(
            "gpus",
            "which GPUs: their numbers, UUIDs or PCI addresses",
            "names joined by commas (by default all NVIDIA GPUs)",
            str.strip,
        ),
        Option(
            "size_mb",
            "how much memory of each GPU is used, in MiB",
            "MiB, from 64 (by default all that is free)",
            integer(64, 1 << 24),
            environment="BEE_GPU_STRESS_SIZE_MB",
        ),
    )
    sections = ("board", "pcie", "network", "bmc", "gpus")
    gpus = True

    async def claim(self, options: Options, machine: Machine, bus: Bus) -> Claim:
        inventory = await read_inventory(bus)
        chosen = choose(inventory, options["gpus"])
        size_mb = int(options["size_mb"] or 0)
        for gpu in chosen:
            total_mib = memory_mib(gpu)
            if total_mib is not None and size_mb > total_mib:
                raise InvalidOption(f"size_mb={size_mb}: it takes MiB up to {total_mib}, all of GPU {gpu.id}")
        return Claim(tuple(f"{GPU}{gpu.id}" for gpu in chosen), options)

    async def plan(self, claim: Claim, machine: Machine, before: Looks) -> Plan:
        ids = [resource.removeprefix(GPU) for resource in claim.resources]
        inventory = before.gpus
        seconds, size_mb = int(claim.options["duration"]), int(claim.options["size_mb"] or 0)
        everywhere = {gpu.id for gpu in inventory.gpus if gpu.vendor == "NVIDIA"} if inventory else set()
        complete = complete_step(before, "gpus") if everywhere <= set(ids) else None
        return (
            (smi_step(inventory), complete) if complete is not None else (smi_step(inventory),),
            (gpu_load_step(selected(inventory, ids), seconds=seconds, size_mb=size_mb),),
            (bug_report_step(),),
        )


async def read_inventory(bus: Bus) -> GpuInventory:
    """Every GPU, by org.bee.Gpu1. Raises BeeError when it does not answer."""
    return msgspec.json.decode(await GpuClient(bus).get_inventory(), type=GpuInventory)


def choose(inventory: GpuInventory, names: str) -> tuple[InventoryGpu, ...]:
    """The NVIDIA GPUs of these names, or all of them, in the order of their addresses.

    Raises InvalidOption for one that is not there, NotSupported when there is none or no driver runs them.
    """
    known = sorted((gpu for gpu in inventory.gpus if gpu.vendor == "NVIDIA"), key=lambda gpu: gpu.id)
    if not known:
        raise NotSupported("this machine has no NVIDIA GPU")
    if inventory.state != "ready":
        raise NotSupported(
            f"the NVIDIA driver does not answer ({inventory.state}), so its GPUs cannot be loaded"
        )
    if not names:
        return tuple(known)
    wanted = [name.strip() for name in names.split(",")]
    missing = [name for name in wanted if not any(name in names_of(gpu) for gpu in known)]
    if missing:
        there = ", ".join(_shown(known))
        raise InvalidOption(
            f"gpus: there is no NVIDIA GPU {', '.join(map(repr, missing))}; it takes: {there}"
        )
    return tuple(gpu for gpu in known if any(name in names_of(gpu) for name in wanted))


def names_of(gpu: InventoryGpu) -> set[str]:
    """What a person may call it: the PCI address with and without its domain, the number, the UUID."""
    names = {gpu.id, gpu.id.removeprefix("0000:")}
    if gpu.identity is not None:
        names |= {gpu.identity.uuid or gpu.id}
        if gpu.identity.index is not None:
            names |= {str(gpu.identity.index)}
    return names


def selected(inventory: GpuInventory | None, ids: Iterable[str]) -> tuple[InventoryGpu, ...]:
    """The GPUs of these addresses; one that has gone since it was chosen stands there as lost.

    ``inventory``: None where org.bee.Gpu1 could not be asked, which says nothing of the GPUs.
    """
    if inventory is None:
        return tuple(InventoryGpu(id=gpu_id, vendor="NVIDIA", condition="ok") for gpu_id in ids)
    known = {gpu.id: gpu for gpu in inventory.gpus}
    gone = "it was there when the run was started, and is there no more"
    return tuple(
        known.get(gpu_id) or InventoryGpu(id=gpu_id, vendor="NVIDIA", condition="lost", trouble=gone)
        for gpu_id in ids
    )


def memory_mib(gpu: InventoryGpu) -> int | None:
    total = gpu.identity.memory_total_bytes if gpu.identity else None
    return total >> 20 if total else None


def _shown(gpus: Sequence[InventoryGpu]) -> list[str]:
    numbers = [gpu.identity.index if gpu.identity else None for gpu in gpus]
    return [
        gpu.id if number is None else f"{number} ({gpu.id})"
        for gpu, number in zip(gpus, numbers, strict=True)
    ]


PACK = NvidiaPack()
