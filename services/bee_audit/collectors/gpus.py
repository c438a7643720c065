"""The gpus section: GPUs as PCI shows them, with what their drivers say."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bee_audit.collectors.pcie import DEVICES, read_pcie
from bee_bus.documents.gpus import Gpu, GpuInventory, GpuReadings, GpusSection, InventoryGpu
from bee_bus.documents.pcie import PcieDevice
from bee_machine import Entry, Machine

SERVICE = "org.bee.Gpu1"
NVIDIA, AMD, INTEL = "10de", "1002", "8086"
# Makers of GPUs. Other display controllers are the BMC's (ASPEED, Matrox) or a hypervisor's.
GPU_VENDORS = (NVIDIA, AMD, INTEL, "1ed5")  # the last: Moore Threads
DISPLAY, ACCELERATOR = "03", "1200"
NVIDIA_MODULE = "/sys/module/nvidia"
NVIDIA_PROC = "/proc/driver/nvidia/gpus"
# amdgpu's own files (Linux, Documentation/gpu/amdgpu/driver-misc.rst).
DRIVER_FILES = ("vbios_version", "serial_number", "product_number", "mem_info_vram_total")
SENSOR_FILES = ("temp1_input", "power1_average", "power1_input")


async def collect(machine: Machine) -> GpusSection | None:
    pcie = await read_pcie(machine)
    devices = [device for device in pcie.devices if is_gpu(device)] if pcie else []
    if not devices:
        return None
    problems: list[str] = []
    gpus = list(await asyncio.gather(*(_from_driver(machine, _from_pci(device)) for device in devices)))
    inventory = await _read_inventory(machine, gpus, problems)
    if inventory is None:
        return GpusSection(problems=tuple(problems), gpus=tuple(gpus))
    answered = {pci_address(one.pci_address): one for one in inventory.gpus}
    known = {gpu.id for gpu in gpus}
    return GpusSection(
        problems=tuple(problems),
        gpus=tuple(_enriched(gpu, answered) if gpu.vendor_id == NVIDIA else gpu for gpu in gpus),
        driver_version=inventory.driver_version,
        cuda_version=inventory.cuda_version,
        unplaced=tuple(sorted(set(answered) - known)),
    )


def is_gpu(device: PcieDevice) -> bool:
    """Whether a PCI function is a GPU or an accelerator, and not a part of a processor or a BMC."""
    if device.physical_function is not None:
        return False
    # Intel's integrated graphics and accelerators sit in the root complex itself, without a link.
    if device.vendor_id == INTEL and device.link is None and device.parent is None:
        return False
    if device.class_id == ACCELERATOR:
        return True
    return device.class_id.startswith(DISPLAY) and device.vendor_id in GPU_VENDORS


def pci_address(address: str) -> str:
    """An address as the kernel writes it: NVML's has a domain of eight digits."""
    domain, _, rest = address.lower().partition(":")
    return f"{domain[-4:] if domain[:-4].strip('0') == '' else domain}:{rest}"


def _from_pci(device: PcieDevice) -> Gpu:
    return Gpu(
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


async def _from_driver(machine: Machine, gpu: Gpu) -> Gpu:
    """What the kernel shows of a GPU in files, without any service."""
    if gpu.driver is None:
        return gpu
    if gpu.vendor_id == NVIDIA:
        information = await machine.read_text(f"{NVIDIA_PROC}/{gpu.id}/information")
        return msgspec.structs.replace(gpu, **_nvidia_information(information or ""))
    folder = f"{DEVICES}/{gpu.id}"
    files, sensors = await asyncio.gather(
        machine.read_files(f"{folder}/{name}" for name in DRIVER_FILES),
        machine.read_entries(f"{folder}/hwmon", files=SENSOR_FILES),
    )
    texts = {
        path.rpartition("/")[2]: content.decode("utf-8", "replace").strip() for path, content in files.items()
    }
    memory = texts.get("mem_info_vram_total", "")
    return msgspec.structs.replace(
        gpu,
        firmware=texts.get("vbios_version") or gpu.firmware,
        serial=texts.get("serial_number") or gpu.serial,
        part_number=texts.get("product_number") or gpu.part_number,
        readings=_readings(sensors, int(memory) if memory.isdecimal() else None),
    )


def _nvidia_information(text: str) -> dict[str, Any]:
    """Of /proc/driver/nvidia/gpus/*/information; question marks stand for what is not known yet."""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if value.strip() and "?" not in value:
            fields[name.strip()] = value.strip()
    uuid = fields.get("GPU UUID")
    return {"firmware": fields.get("Video BIOS"), "readings": GpuReadings(uuid=uuid) if uuid else None}


def _readings(sensors: Sequence[Entry], memory_bytes: int | None) -> GpuReadings | None:
    temperature = next((raw for one in sensors if (raw := one.integer("temp1_input")) is not None), None)
    power = next(
        (
            raw
            for one in sensors
            for name in ("power1_average", "power1_input")
            if (raw := one.integer(name)) is not None
        ),
        None,
    )
    if temperature is None and power is None and memory_bytes is None:
        return None
    return GpuReadings(
        memory_bytes=memory_bytes,
        temperature_celsius=temperature / 1000 if temperature is not None else None,
        power_watts=power / 1_000_000 if power is not None else None,
    )


async def _read_inventory(machine: Machine, gpus: Sequence[Gpu], problems: list[str]) -> GpuInventory | None:
    """The service's answer. Without the NVIDIA driver nobody is asked; a failure to answer is told."""
    if not any(gpu.vendor_id == NVIDIA for gpu in gpus):
        return None
    loaded = any(gpu.driver == "nvidia" for gpu in gpus) or await machine.exists(NVIDIA_MODULE)
    if not loaded:
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
        return msgspec.structs.replace(gpu, in_inventory=False)
    return msgspec.structs.replace(
        gpu,
        in_inventory=True,
        name=one.name or gpu.name,
        serial=one.serial or gpu.serial,
        firmware=one.vbios_version or gpu.firmware,
        readings=one.readings or gpu.readings,
    )
