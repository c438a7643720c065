"""Which GPUs CUDA sees, and what they are. Nothing here makes a context, so nothing here takes memory."""

import ctypes
import enum
from dataclasses import dataclass

from bee_sat.gpu_stress.cuda.library import call


class Attribute(enum.IntEnum):
    """CUdevice_attribute, those that are asked for."""

    MAX_THREADS_PER_BLOCK = 1
    MAX_SHARED_MEMORY_PER_BLOCK = 8
    CLOCK_RATE_KHZ = 13
    MULTIPROCESSOR_COUNT = 16
    KERNEL_EXEC_TIMEOUT = 17
    INTEGRATED = 18
    COMPUTE_MODE = 20
    ECC_ENABLED = 32
    MEMORY_CLOCK_RATE_KHZ = 36
    GLOBAL_MEMORY_BUS_WIDTH = 37
    L2_CACHE_SIZE = 38
    ASYNC_ENGINE_COUNT = 40
    COMPUTE_CAPABILITY_MAJOR = 75
    COMPUTE_CAPABILITY_MINOR = 76
    MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81
    MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97
    CLUSTER_LAUNCH = 120
    TENSOR_MAP_ACCESS_SUPPORTED = 127


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. ``ordinal`` counts the visible ones; CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER change it.

    ``uuid`` is as nvidia-smi writes it ("GPU-…"; "MIG-…" cannot be told apart here), ``pci_address`` as
    sysfs does ("0000:3b:00.0"). ``compute_capability`` is (9, 0). Clocks are the highest ones the board
    names, not what runs now.
    """

    ordinal: int
    handle: int
    name: str
    uuid: str
    pci_address: str
    compute_capability: tuple[int, int]
    total_memory_bytes: int
    multiprocessor_count: int
    clock_rate_khz: int

    def attribute(self, attribute: Attribute) -> int:
        value = ctypes.c_int()
        call("cuDeviceGetAttribute", ctypes.byref(value), attribute, self.handle)
        return value.value

    def can_reach(self, peer: "Device") -> bool:
        """Can a kernel on this GPU read and write the peer's memory?"""
        value = ctypes.c_int()
        call("cuDeviceCanAccessPeer", ctypes.byref(value), self.handle, peer.handle)
        return bool(value.value)


def initialise() -> None:
    """Start the driver in this process, once. Raises LibraryMissing, NoDevice, DriverUnusable.

    A child that is forked afterwards cannot use CUDA: start it as a program of its own.
    """
    call("cuInit", 0)


def cuda_version() -> tuple[int, int]:
    """The newest CUDA that the driver knows: (12, 9). It needs no ``initialise``, and no GPU."""
    value = ctypes.c_int()
    call("cuDriverGetVersion", ctypes.byref(value))
    return value.value // 1000, value.value % 1000 // 10


def device_count() -> int:
    """GPUs that this process may use."""
    value = ctypes.c_int()
    call("cuDeviceGetCount", ctypes.byref(value))
    return value.value


def device(ordinal: int) -> Device:
    """Raises CudaError (CUDA_ERROR_INVALID_DEVICE) past the last."""
    handle = ctypes.c_int()
    call("cuDeviceGet", ctypes.byref(handle), ordinal)

    def number(attribute: Attribute) -> int:
        value = ctypes.c_int()
        call("cuDeviceGetAttribute", ctypes.byref(value), attribute, handle)
        return value.value

    name, address = ctypes.create_string_buffer(256), ctypes.create_string_buffer(32)
    uuid = (ctypes.c_ubyte * 16)()
    total = ctypes.c_size_t()
    call("cuDeviceGetName", name, len(name), handle)
    call("cuDeviceGetPCIBusId", address, len(address), handle)
    call("cuDeviceGetUuid_v2", ctypes.byref(uuid), handle)
    call("cuDeviceTotalMem_v2", ctypes.byref(total), handle)
    return Device(
        ordinal=ordinal,
        handle=handle.value,
        name=name.value.decode("ascii", "replace"),
        uuid=_uuid_text(bytes(uuid)),
        pci_address=address.value.decode("ascii", "replace").lower(),
        compute_capability=(
            number(Attribute.COMPUTE_CAPABILITY_MAJOR),
            number(Attribute.COMPUTE_CAPABILITY_MINOR),
        ),
        total_memory_bytes=total.value,
        multiprocessor_count=number(Attribute.MULTIPROCESSOR_COUNT),
        clock_rate_khz=number(Attribute.CLOCK_RATE_KHZ),
    )


def devices() -> tuple[Device, ...]:
    return tuple(device(ordinal) for ordinal in range(device_count()))


def _uuid_text(raw: bytes) -> str:
    text = raw.hex()
    return "GPU-" + "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
