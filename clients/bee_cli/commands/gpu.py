"""bee gpu: a table of the GPUs, everything about one, or what they do from second to second."""

import sys
from argparse import Namespace

from bee_bus.client import Bus
from bee_bus.documents.gpus import GpuInventory, InventoryGpu
from bee_bus.gpu_client import GpuClient
from bee_cli import exits
from bee_cli.documents import read_gpus, readable_json
from bee_cli.errors import CliError
from bee_cli.session import on_bus
from bee_cli.terminal import of_stream, show


def run(asked: Namespace) -> int:
    if asked.action == "watch":
        from bee_cli.gpu_watch import watch

        return watch(asked)

    async def ask(bus: Bus) -> int:
        text = await GpuClient(bus).get_inventory()
        inventory = read_gpus(text)
        return _one(inventory, asked) if asked.action == "show" else _all(text, inventory, asked)

    return on_bus(ask, private=asked.private)


def _all(text: str, inventory: GpuInventory, asked: Namespace) -> int:
    terminal = of_stream(sys.stdout, no_color=asked.no_color)
    if asked.json:
        show(readable_json(text, terminal))
    else:
        from bee_cli.render.gpus import all_gpus

        show(all_gpus(inventory, terminal))
    return exits.of_verdict(inventory.verdict)


def _one(inventory: GpuInventory, asked: Namespace) -> int:
    from bee_cli.render.gpus import findings_of, one_gpu, verdict_of

    terminal = of_stream(sys.stdout, no_color=asked.no_color)
    gpu = find(inventory, asked.gpu)
    if asked.json:
        import msgspec

        document = {"gpu": gpu, "findings": findings_of(inventory, gpu)}
        show(readable_json(msgspec.json.encode(document).decode(), terminal))
    else:
        show(one_gpu(inventory, gpu, terminal))
    return exits.of_verdict(verdict_of(findings_of(inventory, gpu)))


def find(inventory: GpuInventory, name: str) -> InventoryGpu:
    """The GPU of that number, UUID or PCI address. Raises CliError."""
    for gpu in inventory.gpus:
        identity = gpu.identity
        index = identity.index if identity else None
        uuid = identity.uuid if identity else None
        names = {gpu.id, gpu.id.removeprefix("0000:"), str(index) if index is not None else None, uuid}
        if name in names or name.lower() in names:
            return gpu
    known = ", ".join(gpu.id for gpu in inventory.gpus) or "none"
    raise CliError(f"there is no GPU {name}", f"GPUs: {known}")
