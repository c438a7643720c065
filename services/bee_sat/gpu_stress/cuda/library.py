"""libcuda.so.1, loaded when it is first needed: every function that is used, with its exact prototype.

Functions by the names that the library exports (cuMemAlloc_v2, not cuMemAlloc, which is 32 bits wide): all of
them are in every driver from 525 on. ctypes lets other Python threads run during a call.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_void_p
from typing import Any

from bee_sat.gpu_stress.cuda.errors import NOT_READY, ContextDead, LibraryMissing, error_for

LIBRARY = "libcuda.so.1"

Pointer = ctypes.c_uint64  # CUdeviceptr: 64 bits on every machine that has these GPUs
_out_int = POINTER(c_int)
_out_size = POINTER(c_size_t)
_out_handle = POINTER(c_void_p)
_out_pointer = POINTER(Pointer)
_dims = (c_uint, c_uint, c_uint)

_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (_out_int,),
    "cuDeviceGetCount": (_out_int,),
    "cuDeviceGet": (_out_int, c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetUuid_v2": (POINTER(c_ubyte * 16), c_int),
    "cuDeviceGetPCIBusId": (c_char_p, c_int, c_int),
    "cuDeviceTotalMem_v2": (_out_size, c_int),
    "cuDeviceGetAttribute": (_out_int, c_int, c_int),
    "cuDeviceCanAccessPeer": (_out_int, c_int, c_int),
    "cuCtxCreate_v2": (_out_handle, c_uint, c_int),
    "cuCtxDestroy_v2": (c_void_p,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxGetCurrent": (_out_handle,),
    "cuCtxSynchronize": (),
    "cuCtxEnablePeerAccess": (c_void_p, c_uint),
    "cuCtxDisablePeerAccess": (c_void_p,),
    "cuMemGetInfo_v2": (_out_size, _out_size),
    "cuMemAlloc_v2": (_out_pointer, c_size_t),
    "cuMemFree_v2": (Pointer,),
    "cuMemHostAlloc": (_out_handle, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemHostGetDevicePointer_v2": (_out_pointer, c_void_p, c_uint),
    "cuMemcpyHtoD_v2": (Pointer, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, Pointer, c_size_t),
    "cuMemcpyHtoDAsync_v2": (Pointer, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, Pointer, c_size_t, c_void_p),
    "cuMemcpyDtoDAsync_v2": (Pointer, Pointer, c_size_t, c_void_p),
    "cuMemcpyPeerAsync": (Pointer, c_void_p, Pointer, c_void_p, c_size_t, c_void_p),
    "cuMemsetD8Async": (Pointer, c_ubyte, c_size_t, c_void_p),
    "cuMemsetD32Async": (Pointer, c_uint, c_size_t, c_void_p),
    "cuStreamCreate": (_out_handle, c_uint),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamQuery": (c_void_p,),
    "cuStreamWaitEvent": (c_void_p, c_void_p, c_uint),
    "cuEventCreate": (_out_handle, c_uint),
    "cuEventDestroy_v2": (c_void_p,),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventQuery": (c_void_p,),
    "cuEventSynchronize": (c_void_p,),
    "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cuModuleLoadDataEx": (_out_handle, c_void_p, c_uint, POINTER(c_int), POINTER(c_void_p)),
    "cuModuleUnload": (c_void_p,),
    "cuModuleGetFunction": (_out_handle, c_void_p, c_char_p),
    "cuFuncGetAttribute": (_out_int, c_int, c_void_p),
    "cuFuncSetAttribute": (c_void_p, c_int, c_int),
    "cuLaunchKernelEx": (c_void_p, c_void_p, _out_handle, c_void_p),
    "cuOccupancyMaxActiveBlocksPerMultiprocessor": (_out_int, c_void_p, c_int, c_size_t),
    "cuOccupancyMaxActiveClusters": (_out_int, c_void_p, c_void_p),
    "cuTensorMapEncodeTiled": (
        *(c_void_p, c_int, c_uint, Pointer, POINTER(ctypes.c_uint64), POINTER(ctypes.c_uint64)),
        *(POINTER(c_uint), POINTER(c_uint), c_int, c_int, c_int, c_int),
    ),
}
# Younger than driver 525; what they are for is left out where they are not.
_OPTIONAL: dict[str, tuple[Any, ...]] = {
    "cuFuncGetParamInfo": (c_void_p, c_size_t, _out_size, _out_size),  # 550
}

_functions: dict[str, Any] = {}
_dead: ContextDead | None = None


def open_library() -> None:
    """Load the library, without asking anything of the driver. Raises LibraryMissing."""
    if _functions:
        return
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        why = str(error).removeprefix(f"{LIBRARY}: ")  # the loader begins with the name, as we do
        raise LibraryMissing(LIBRARY, f"it cannot be loaded: {why}") from None
    found = {}
    for name, arguments in (_PROTOTYPES | _OPTIONAL).items():
        try:
            function = getattr(library, name)
        except AttributeError:
            if name in _OPTIONAL:
                continue
            raise LibraryMissing(name, f"{LIBRARY} has no such function: its driver is too old") from None
        function.argtypes = arguments
        function.restype = c_int
        found[name] = function
    _functions.update(found)


def call(name: str, *arguments: Any) -> None:
    """One function by its exported name. Raises a subclass of CudaError; ContextDead again once it was."""
    code = _asked(name, *arguments)
    if code:
        raise _noted(code, name)


def ready(name: str, *arguments: Any) -> bool:
    """The same for cuStreamQuery and cuEventQuery: False while the work is not finished."""
    code = _asked(name, *arguments)
    if code not in (0, NOT_READY):
        raise _noted(code, name)
    return code == 0


def has(name: str) -> bool:
    """Has this driver the function? All have those that are not optional."""
    open_library()
    return name in _functions


def code_of(name: str, *arguments: Any) -> int:
    """The same; the CUresult itself, for callers that have more to say about it (``raise_for``)."""
    return _asked(name, *arguments)


def raise_for(code: int, name: str, log: str = "") -> None:
    raise _noted(code, name, log)


def release(name: str, *arguments: Any) -> None:
    """Give something back. After the context died there is nothing to give back, and nothing happens."""
    if _dead is None:
        call(name, *arguments)


def dead() -> ContextDead | None:
    """What killed this process's work on the GPU, if anything did."""
    return _dead


def _asked(name: str, *arguments: Any) -> int:
    if _dead is not None:
        raise _dead
    open_library()
    return int(_functions[name](*arguments))


def _noted(code: int, name: str, log: str = "") -> Exception:
    global _dead
    error = error_for(code, name, log)
    if isinstance(error, ContextDead):
        _dead = error
    return error
