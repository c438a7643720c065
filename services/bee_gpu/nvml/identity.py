"""The reading that is done once: who the GPU is and what it can do."""

import ctypes
from typing import Any

from bee_bus.documents.gpu.identity import GpuIdentity, TemperatureLimits
from bee_gpu.nvml import fields
from bee_gpu.nvml.errors import CORRUPTED_INFOROM, NvmlError, Unsupported
from bee_gpu.nvml.fields import FieldQuery, scaled, signed
from bee_gpu.nvml.handles import Handle, Reader
from bee_gpu.nvml.library import ask as ask_library
from bee_gpu.nvml.words import ARCHITECTURES, BRANDS, VIRTUALIZATION, word

_MARGINS = FieldQuery(
    (fields.TLIMIT_SHUTDOWN, fields.TLIMIT_SLOWDOWN, fields.TLIMIT_GPU_MAX, fields.TLIMIT_MEMORY_MAX)
)
_OEM, _ECC, _POWER = 0, 1, 2  # nvmlInforomObject_t
_GRAPHICS, _SM, _MEMORY, _VIDEO = 0, 1, 2, 3  # nvmlClockType_t
_SHUTDOWN, _SLOWDOWN, _MEMORY_MAX, _GPU_MAX = 0, 1, 2, 3  # nvmlTemperatureThresholds_t
_MILLI = 1e-3


class _Number(ctypes.Structure):
    _fields_ = (("value", ctypes.c_uint),)


class _Text64(ctypes.Structure):
    _fields_ = (("text", ctypes.c_char * 64),)


def read_identity(handle: Handle) -> GpuIdentity:
    """Raises GpuLost and the other GpuErrors, and LibraryUnusable."""
    ask = Reader(handle)
    limits = _temperature_limits(handle, ask)
    pci = ask_library("nvmlDeviceGetPciInfo", handle.pointer)
    capability = ask("nvmlDeviceGetCudaComputeCapability")
    memory = ask("nvmlDeviceGetMemoryInfo")
    bar1 = ask("nvmlDeviceGetBAR1MemoryInfo")
    power = ask("nvmlDeviceGetPowerManagementLimitConstraints") or (None, None)
    boost = ask.number("nvmlDeviceGetMaxCustomerBoostClock", _GRAPHICS)
    architecture = ask.number("nvmlDeviceGetArchitecture")
    return GpuIdentity(
        id=pci_address(pci),
        index=handle.index,
        uuid=ask.text("nvmlDeviceGetUUID"),
        name=ask.text("nvmlDeviceGetName"),
        brand=word(BRANDS, ask.number("nvmlDeviceGetBrand")),
        architecture=word(ARCHITECTURES, architecture),
        compute_capability=None if capability is None else f"{capability[0]}.{capability[1]}",
        serial=ask.text("nvmlDeviceGetSerial"),
        part_number=ask.text("nvmlDeviceGetBoardPartNumber"),
        firmware=ask.text("nvmlDeviceGetVbiosVersion"),
        inforom_image=ask.text("nvmlDeviceGetInforomImageVersion"),
        inforom_oem=ask.text("nvmlDeviceGetInforomVersion", _OEM),
        inforom_ecc=ask.text("nvmlDeviceGetInforomVersion", _ECC),
        inforom_power=ask.text("nvmlDeviceGetInforomVersion", _POWER),
        inforom_valid=_inforom_valid(ask),
        gsp_firmware=_gsp_firmware(ask),
        minor=ask.number("nvmlDeviceGetMinorNumber"),
        module_id=_module_id(ask),
        board_id=ask.number("nvmlDeviceGetBoardId"),
        multi_gpu_board=ask.flag("nvmlDeviceGetMultiGpuBoard"),
        pci_id=_pci_id(pci.pciDeviceId),
        pci_subsystem_id=_pci_id(pci.pciSubSystemId),
        numa_node=ask.number("nvmlDeviceGetNumaNodeId"),
        cuda_cores=ask.number("nvmlDeviceGetNumGpuCores"),
        memory_bus_bits=ask.number("nvmlDeviceGetMemoryBusWidth"),
        memory_total_bytes=None if memory is None else memory.total,
        bar1_total_bytes=None if bar1 is None else bar1.bar1Total,
        virtualization=word(VIRTUALIZATION, ask.number("nvmlDeviceGetVirtualizationMode")),
        clock_graphics_max_mhz=ask.number("nvmlDeviceGetMaxClockInfo", _GRAPHICS),
        clock_sm_max_mhz=ask.number("nvmlDeviceGetMaxClockInfo", _SM),
        clock_memory_max_mhz=ask.number("nvmlDeviceGetMaxClockInfo", _MEMORY),
        clock_video_max_mhz=ask.number("nvmlDeviceGetMaxClockInfo", _VIDEO),
        clock_boost_max_mhz=boost,
        pcie_generation_max=ask.number("nvmlDeviceGetMaxPcieLinkGeneration"),
        pcie_generation_gpu_max=ask.number("nvmlDeviceGetGpuMaxPcieLinkGeneration"),
        pcie_width_max=ask.number("nvmlDeviceGetMaxPcieLinkWidth"),
        power_limit_default_watts=scaled(ask.number("nvmlDeviceGetPowerManagementDefaultLimit"), _MILLI),
        power_limit_min_watts=scaled(power[0], _MILLI),
        power_limit_max_watts=scaled(power[1], _MILLI),
        temperature_limits=limits,
        clock_event_reasons_supported=_supported_reasons(ask),
        event_types_supported=ask("nvmlDeviceGetSupportedEventTypes"),
        problems=tuple(ask.problems),
    )


def read_pci_address(handle: Handle) -> str:
    """Where a GPU is that was found by its number."""
    return pci_address(ask_library("nvmlDeviceGetPciInfo", handle.pointer))


def pci_address(pci: Any) -> str:
    """As sysfs writes it."""
    return f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"


def _pci_id(packed: int) -> str:
    """NVML has the device in the upper half and the vendor in the lower."""
    return f"{packed & 0xFFFF:04x}:{packed >> 16:04x}"


def _module_id(ask: Reader) -> int | None:
    """By the C function: pynvml's own takes its arguments differently from version to version."""
    found = ask.fill("nvmlDeviceGetModuleId", _Number())
    return None if found is None else found.value


def _temperature_limits(handle: Handle, ask: Reader) -> TemperatureLimits | None:
    margins = _MARGINS.read(handle, ask)
    limits = TemperatureLimits(
        shutdown_celsius=ask.number("nvmlDeviceGetTemperatureThreshold", _SHUTDOWN),
        slowdown_celsius=ask.number("nvmlDeviceGetTemperatureThreshold", _SLOWDOWN),
        gpu_max_celsius=ask.number("nvmlDeviceGetTemperatureThreshold", _GPU_MAX),
        memory_max_celsius=ask.number("nvmlDeviceGetTemperatureThreshold", _MEMORY_MAX),
        shutdown_margin_celsius=signed(margins[fields.TLIMIT_SHUTDOWN]),
        slowdown_margin_celsius=signed(margins[fields.TLIMIT_SLOWDOWN]),
        gpu_max_margin_celsius=signed(margins[fields.TLIMIT_GPU_MAX]),
        memory_max_margin_celsius=signed(margins[fields.TLIMIT_MEMORY_MAX]),
    )
    return None if limits == TemperatureLimits() else limits


def _supported_reasons(ask: Reader) -> int | None:
    found = ask("nvmlDeviceGetSupportedClocksEventReasons")
    return ask("nvmlDeviceGetSupportedClocksThrottleReasons") if found is None else found


def _inforom_valid(ask: Reader) -> bool | None:
    """The infoROM's checksums: NVML answers with success or with CORRUPTED_INFOROM."""
    try:
        ask_library("nvmlDeviceValidateInforom", ask.pointer)
    except Unsupported:
        return None
    except NvmlError as error:
        if error.code == CORRUPTED_INFOROM:
            return False
        ask.note(error)
        return None
    return True


def _gsp_firmware(ask: Reader) -> str | None:
    """The buffer is 64 bytes by contract: the call takes no length."""
    found = ask.fill("nvmlDeviceGetGspFirmwareVersion", _Text64())
    return None if found is None else found.text.decode("ascii", "replace").strip() or None
