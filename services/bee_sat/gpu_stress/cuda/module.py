"""Kernels: objects or PTX loaded, functions in them, and how they are started."""

import ctypes
import enum
from collections.abc import Sequence

from bee_sat.gpu_stress.cuda.context import Owned
from bee_sat.gpu_stress.cuda.errors import INVALID_VALUE
from bee_sat.gpu_stress.cuda.library import call, code_of, has, raise_for, release
from bee_sat.gpu_stress.cuda.memory import DeviceMemory
from bee_sat.gpu_stress.cuda.stream import Stream
from bee_sat.gpu_stress.cuda.tensor_map import TensorMap

Argument = ctypes.c_uint32 | ctypes.c_uint64 | DeviceMemory | TensorMap
Dimensions = tuple[int, int, int]

_INFO_LOG, _INFO_LOG_SIZE, _ERROR_LOG, _ERROR_LOG_SIZE = 3, 4, 5, 6
_LOG_BYTES = 8192
_CLUSTER_DIMENSION = 4


class FunctionAttribute(enum.IntEnum):
    """CUfunction_attribute, those that are asked for."""

    MAX_THREADS_PER_BLOCK = 0
    SHARED_SIZE_BYTES = 1
    LOCAL_SIZE_BYTES = 3
    NUM_REGS = 4
    PTX_VERSION = 5
    BINARY_VERSION = 6
    MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
    NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14


class Module(Owned):
    """An object (ELF) or PTX text, loaded in the current context; ``log`` is what the driver's compiler said.

    Raises ImageRejected (with that log) where it is not for this GPU or driver: then another may be.
    """

    def __init__(self, image: bytes) -> None:
        handle = ctypes.c_void_p()
        info, errors = (ctypes.create_string_buffer(_LOG_BYTES) for _ in range(2))
        options = (ctypes.c_int * 4)(_INFO_LOG, _INFO_LOG_SIZE, _ERROR_LOG, _ERROR_LOG_SIZE)
        values = (ctypes.c_void_p * 4)(
            ctypes.addressof(info), _LOG_BYTES, ctypes.addressof(errors), _LOG_BYTES
        )
        text = ctypes.create_string_buffer(image)  # with the zero at the end that PTX needs
        code = code_of("cuModuleLoadDataEx", ctypes.byref(handle), text, len(options), options, values)
        if code:
            raise_for(code, "cuModuleLoadDataEx", _text(errors))
        self.log = _text(info)
        self.handle: int | None = handle.value

    def function(self, name: str) -> "Function":
        """Raises CudaError (CUDA_ERROR_NOT_FOUND) where the module has no such kernel."""
        handle = ctypes.c_void_p()
        call("cuModuleGetFunction", ctypes.byref(handle), self.handle, name.encode())
        return Function(name, handle.value or 0)

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            release("cuModuleUnload", handle)


class Function:
    """A kernel; as long as its module is loaded."""

    def __init__(self, name: str, handle: int) -> None:
        self.name = name
        self.handle = handle
        self._sizes = _parameter_sizes(handle)

    def attribute(self, attribute: FunctionAttribute) -> int:
        value = ctypes.c_int()
        call("cuFuncGetAttribute", ctypes.byref(value), attribute, self.handle)
        return value.value

    def allow_shared(self, size_bytes: int) -> None:
        """Needed once before a launch with more than 48 KiB of dynamic shared memory."""
        call("cuFuncSetAttribute", self.handle, FunctionAttribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, size_bytes)

    def blocks_per_multiprocessor(self, threads: int, shared_bytes: int = 0) -> int:
        """How many blocks of that size fit on one multiprocessor at once."""
        count = ctypes.c_int()
        name = "cuOccupancyMaxActiveBlocksPerMultiprocessor"
        call(name, ctypes.byref(count), self.handle, threads, shared_bytes)
        return count.value

    def launch(
        self,
        grid: Dimensions,
        block: Dimensions,
        arguments: Sequence[Argument],
        *,
        shared_bytes: int = 0,
        stream: Stream | None = None,
        cluster: Dimensions | None = None,
    ) -> None:
        """Start the kernel; asynchronous. A fault in the kernel shows at a later call, as ContextDead.

        Each argument has the kernel's own type, in its order: ``c_uint32``, ``c_uint64``, a DeviceMemory for
        its address, or a TensorMap by value. ``cluster`` only for a kernel that does not fix its own.
        Raises LaunchRefused or CudaError where it cannot be started at all, and ValueError for arguments that
        are not the kernel's, where the driver knows those (550 and later).
        """
        config, _kept = _config(grid, block, shared_bytes, stream, cluster)
        values = [_value(argument) for argument in arguments]
        sizes = tuple(ctypes.sizeof(value) for value in values)
        if self._sizes is not None and sizes != self._sizes:
            raise ValueError(f"{self.name} takes arguments of {self._sizes} bytes, not of {sizes}")
        pointers = (ctypes.c_void_p * max(len(values), 1))(*(ctypes.addressof(value) for value in values))
        call("cuLaunchKernelEx", ctypes.byref(config), self.handle, pointers, None)

    def active_clusters(
        self, grid: Dimensions, block: Dimensions, cluster: Dimensions, *, shared_bytes: int = 0
    ) -> int:
        """How many clusters of that shape run at once; it depends on which parts of the GPU are fused off."""
        config, _kept = _config(grid, block, shared_bytes, None, cluster)
        count = ctypes.c_int()
        call("cuOccupancyMaxActiveClusters", ctypes.byref(count), self.handle, ctypes.byref(config))
        return count.value


class _LaunchAttribute(ctypes.Structure):
    """CUlaunchAttribute, for a cluster's dimensions; its value is a union of 64 bytes, 8-aligned."""

    _fields_ = (
        ("id", ctypes.c_int),
        ("padding", ctypes.c_char * 4),
        ("cluster", ctypes.c_uint * 3),
        ("rest", ctypes.c_char * 52),
    )


class _LaunchConfig(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_LaunchAttribute)),
        ("attribute_count", ctypes.c_uint),
    )


def _config(
    grid: Dimensions, block: Dimensions, shared_bytes: int, stream: Stream | None, cluster: Dimensions | None
) -> tuple[_LaunchConfig, _LaunchAttribute | None]:
    """The second is what the first points to."""
    config = _LaunchConfig(grid, block, shared_bytes, None if stream is None else stream.handle)
    if cluster is None:
        return config, None
    attribute = _LaunchAttribute(_CLUSTER_DIMENSION, b"", cluster)
    config.attributes = ctypes.pointer(attribute)
    config.attribute_count = 1
    return config, attribute


def _parameter_sizes(handle: int) -> tuple[int, ...] | None:
    """In bytes, of each; None where the driver does not say."""
    name = "cuFuncGetParamInfo"
    if not has(name):
        return None
    sizes: list[int] = []
    offset, size = ctypes.c_size_t(), ctypes.c_size_t()
    while (code := code_of(name, handle, len(sizes), ctypes.byref(offset), ctypes.byref(size))) == 0:
        sizes.append(size.value)
    if code != INVALID_VALUE:  # which is what it says past the last one
        raise_for(code, name)
    return tuple(sizes)


def _value(argument: Argument) -> ctypes.c_uint32 | ctypes.c_uint64 | ctypes.Array[ctypes.c_ubyte]:
    if isinstance(argument, DeviceMemory):
        return ctypes.c_uint64(argument.address)
    if isinstance(argument, TensorMap):
        return argument.words
    return argument


def _text(buffer: ctypes.Array[ctypes.c_char]) -> str:
    return buffer.value.decode("utf-8", "replace").strip()
