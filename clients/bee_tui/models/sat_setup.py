"""What a form for an acceptance test needs: the packs, the GPUs, and the way to start a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bee_bus.documents.sat import SatPack
from bee_tui.model import Model, Trouble

if TYPE_CHECKING:
    from bee_bus.client import Bus
    from bee_bus.documents.gpus import InventoryGpu

NVIDIA, STORAGE = "nvidia", "storage"


class Packs(Model):
    """``packs``: what can be run, None until it is known."""

    packs: tuple[SatPack, ...] | None = None

    async def start_run(self, pack: str, options: Mapping[str, str]) -> str:
        """Begin a run; its name. Raises BeeError: what the service does not take or allow."""
        from bee_bus.sat_client import SatClient

        async with self.bus() as bus:
            return (await SatClient(bus).start(pack, options)).run

    async def follow(self, bus: Bus) -> None:
        from bee_bus.sat_client import SatClient

        try:
            self.packs = msgspec.json.decode(await SatClient(bus).get_packs(), type=tuple[SatPack, ...])
        except msgspec.MsgspecError as error:
            raise Trouble("the acceptance service is of another version of bee") from error
        self.well()
        self.changed()
        await asyncio.Event().wait()  # they stay as they are while the service is of this version


class NvidiaGpu(NamedTuple):
    """``id``: PCI address. ``trouble``: why it may not pass; empty when it is well."""

    id: str
    number: int | None
    name: str
    memory_bytes: int | None
    trouble: str


class NvidiaGpus(Model):
    """``gpus``: those of the machine that a run could load, None until they are known.

    ``state``: of org.bee.Gpu1, "ready" when the driver answers.
    """

    gpus: tuple[NvidiaGpu, ...] | None = None
    state: str = ""

    async def follow(self, bus: Bus) -> None:
        from bee_bus.documents.gpus import GpuInventory
        from bee_bus.gpu_client import GpuClient
        from bee_bus.names import GPU

        client = GpuClient(bus)
        async with bus.connection.name_watch(GPU.bus_name) as watch:
            while True:
                try:
                    inventory = msgspec.json.decode(await client.get_inventory(), type=GpuInventory)
                except msgspec.MsgspecError as error:
                    raise Trouble("the GPU service is of another version of bee") from error
                self.state = inventory.state
                self.gpus = tuple(
                    _gpu(one)
                    for one in sorted(inventory.gpus, key=lambda one: one.id)
                    if one.vendor == "NVIDIA"
                )
                self.well()
                self.changed()
                await watch.lost(watch.owner)
                await watch.lost(None)


def _gpu(gpu: InventoryGpu) -> NvidiaGpu:
    identity = gpu.identity
    return NvidiaGpu(
        id=gpu.id,
        number=identity.index if identity else None,
        name=gpu.name or gpu.pci_id or "unknown model",
        memory_bytes=identity.memory_total_bytes if identity else None,
        trouble="" if gpu.condition == "ok" else gpu.trouble or gpu.condition.replace("-", " "),
    )
