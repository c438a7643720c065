"""The door to libcuda.so.1: the driver API, with nothing between it and us but ctypes.

    initialise()
    with Context(device(0)) as context, Module(image) as module, DeviceMemory(1 << 20) as memory:
        module.function("memory_fill").launch((132, 1, 1), (256, 1, 1), [memory, c_uint64(131072), ...])
        context.synchronise()

Everything works in the context that is current on the calling thread, raises a subclass of CudaError, and
frees what it owns when it is closed. After ContextDead nothing works any more: say so, and end the process.
Calls that wait for the GPU wait for ever if it hangs; ``Event.done`` and ``Stream.done`` never wait.
"""

from ctypes import c_uint32, c_uint64

from bee_sat.gpu_stress.cuda.context import Context
from bee_sat.gpu_stress.cuda.devices import (
    Attribute,
    Device,
    cuda_version,
    device,
    device_count,
    devices,
    initialise,
)
from bee_sat.gpu_stress.cuda.errors import (
    ContextDead,
    CudaError,
    DeviceUnavailable,
    DriverUnusable,
    ImageRejected,
    LaunchRefused,
    LibraryMissing,
    NoDevice,
    OutOfMemory,
    PeerImpossible,
)
from bee_sat.gpu_stress.cuda.library import dead, open_library
from bee_sat.gpu_stress.cuda.memory import (
    DeviceMemory,
    HostMemory,
    copy_on_device,
    copy_to_device,
    copy_to_host,
    copy_to_peer,
)
from bee_sat.gpu_stress.cuda.module import Argument, Dimensions, Function, FunctionAttribute, Module
from bee_sat.gpu_stress.cuda.stream import Event, Stream
from bee_sat.gpu_stress.cuda.tensor_map import ElementType, Promotion, Swizzle, TensorMap

__all__ = [
    "Argument",
    "Attribute",
    "Context",
    "ContextDead",
    "CudaError",
    "Device",
    "DeviceMemory",
    "DeviceUnavailable",
    "Dimensions",
    "DriverUnusable",
    "ElementType",
    "Event",
    "Function",
    "FunctionAttribute",
    "HostMemory",
    "ImageRejected",
    "LaunchRefused",
    "LibraryMissing",
    "Module",
    "NoDevice",
    "OutOfMemory",
    "PeerImpossible",
    "Promotion",
    "Stream",
    "Swizzle",
    "TensorMap",
    "c_uint32",
    "c_uint64",
    "copy_on_device",
    "copy_to_device",
    "copy_to_host",
    "copy_to_peer",
    "cuda_version",
    "dead",
    "device",
    "device_count",
    "devices",
    "initialise",
    "open_library",
]
