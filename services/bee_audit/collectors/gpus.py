"""The gpus section: GPUs as PCI shows them, with what org.bee.Gpu1 knows of them and finds wrong.

The service reads the drivers and judges; what it says is taken over as it is. Only what PCI and one file of
the NVIDIA driver tell is known without it.
"""

from collections.abc import Mapping, Sequence

import msgspec

from bee_audit.collectors.pcie import read_pcie
from bee_bus.documents.gpus import Gpu, GpuInventory, GpusSection, InventoryGpu
from bee_bus.documents.pcie import PcieDevice
from bee_machine import Machine
from bee_machine.gpus import NVIDIA
from bee_machine.gpus import is_gpu as is_gpu_function

SERVICE = "org.bee.Gpu1"
NVIDIA_MODULE = "/sys/module/nvidia"
NVIDIA_PROC = "/proc/driver/nvidia/gpus"


async def collect(machine: Machine) -> GpusSection | None:
    pcie = await read_pcie(machine)
    devices = [device for device in pcie.devices if is_gpu(device)] if pcie else []
    if not devices:
        return None
    gpus = [await _from_pci(machine, device) for device in devices]
    problems: list[str] = []
    inventory = await _read_inventory(machine, gpus, problems)
    if inventory is None:
        return GpusSection(problems=tuple(problems), gpus=tuple(gpus))
    answered = {one.id: one for one in inventory.gpus}
    problems += [
        f"The health of {gpu.name} at {gpu.id} was not read: {SERVICE} does not list it"
        for gpu in gpus
        if gpu.id not in answered
    ]
    return GpusSection(
        problems=tuple(problems),
        gpus=tuple(_enriched(gpu, answered) for gpu in gpus),
        driver_version=inventory.driver_version,
        nvml_version=inventory.nvml_version,
        cuda_version=inventory.cuda_version,
        xids=inventory.xids,
        findings=inventory.findings,
    )


def is_gpu(device: PcieDevice) -> bool:
    """Whether a PCI function is a GPU or an accelerator, and not a part of a processor or a BMC."""
    return is_gpu_function(
        device.vendor_id,
        device.class_id,
        virtual_function=device.physical_function is not None,
        in_root_complex=device.link is None and device.parent is None,
    )


async def _from_pci(machine: Machine, device: PcieDevice) -> Gpu:
    gpu = Gpu(
        id=device.id,
        name=device.name,
        vendor_id=device.vendor_id,
        device_id=device.device_id,
        location=device.location,
        vendor=device.vendor,
        model=device.model,
        part_number=device.part_number,
        serial=device.serial,
        subsystem_vendor_id=device.subsystem_vendor_id,
        subsystem_device_id=device.subsystem_device_id,
        numa_node=device.numa_node,
        driver=device.driver,
    )
    if gpu.vendor_id != NVIDIA or gpu.driver is None:
        return gpu
    written = _information(await machine.read_text(f"{NVIDIA_PROC}/{gpu.id}/information") or "")
    return msgspec.structs.replace(gpu, firmware=written.get("Video BIOS"), uuid=written.get("GPU UUID"))


def _information(text: str) -> Mapping[str, str]:
    """Of /proc/driver/nvidia/gpus/*/information; question marks stand for what is not known yet."""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if value.strip() and "?" not in value:
            fields[name.strip()] = value.strip()
    return fields


async def _read_inventory(machine: Machine, gpus: Sequence[Gpu], problems: list[str]) -> GpuInventory | None:
    """The service's answer. Without any driver nobody is asked; a failure to answer is told."""
    if not any(gpu.driver for gpu in gpus) and not await machine.exists(NVIDIA_MODULE):
        return None
    try:
        return msgspec.json.decode(await machine.ask(SERVICE), type=GpuInventory)
    except OSError as error:  # TimeoutError is one
        problems.append(f"The health of the GPUs was not read: {SERVICE}: {error or 'no answer in time'}")
    except msgspec.MsgspecError as error:
        problems.append(f"The health of the GPUs was not read: {SERVICE} answered no inventory: {error}")
    return None


def _enriched(gpu: Gpu, answered: Mapping[str, InventoryGpu]) -> Gpu:
    one = answered.get(gpu.id)
    if one is None:
        return gpu
    identity = one.identity
    return msgspec.structs.replace(
        gpu,
        condition=one.condition,
        name=one.name or gpu.name,
        serial=(identity.serial if identity else None) or gpu.serial,
        firmware=(identity.firmware if identity else None) or gpu.firmware,
        part_number=(identity.part_number if identity else None) or gpu.part_number,
        uuid=(identity.uuid if identity else None) or gpu.uuid,
        identity=identity,
        state=one.state,
        sample=one.sample,
    )
