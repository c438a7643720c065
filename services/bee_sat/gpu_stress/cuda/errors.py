"""What can go wrong with the CUDA driver, in words that say what to do next.

Numbers are CUresult, as cuda.h has them: they are part of the driver's binary interface.
"""

from typing import NamedTuple

INVALID_VALUE = 1
NOT_READY = 600


class CudaError(Exception):
    """The driver refused.

    ``code`` is CUresult, ``name`` its name in cuda.h, ``call`` the function that was asked, ``meaning`` what
    it says in plain words and ``next_step`` what to do about it. ``log`` is what the driver's compiler said,
    where a module was loaded.
    """

    def __init__(self, code: int, call: str, log: str = "") -> None:
        self.code = code
        self.call = call
        self.log = log
        self.name, self.meaning, self.next_step = _WORDS.get(code, _Words(f"CUDA_ERROR_{code}"))
        super().__init__(f"{call}: {self.meaning} ({self.name}, {code})")


class DriverUnusable(CudaError):
    """CUDA as a whole is of no use in this process: no driver, no GPU, versions that do not fit."""


class LibraryMissing(DriverUnusable):
    """libcuda.so.1 is not installed, or is older than driver 525. ``code`` is 0: nothing was asked."""

    def __init__(self, call: str, meaning: str) -> None:
        super().__init__(0, call)
        self.name, self.meaning = "no libcuda.so.1", meaning
        self.next_step = "install the NVIDIA driver (525 or newer) with its CUDA library"
        self.args = (f"{call}: {meaning}",)


class NoDevice(DriverUnusable):
    """The driver is there and sees no GPU, or CUDA_VISIBLE_DEVICES hides all of them."""


class DeviceUnavailable(CudaError):
    """This GPU cannot be used at all: lost, or taken by another program. Others may be well."""


class ContextDead(CudaError):
    """The context is lost, and all memory in it: nothing more can be done with this GPU in this process.

    Once raised, each further call raises it again, and what is closed is only forgotten. The process must
    report it and end; a new process may have better luck, unless the GPU itself is lost.
    """


class OutOfMemory(CudaError):
    """There is no piece of memory of that size, on the GPU or (pinned) on the host."""


class ImageRejected(CudaError):
    """This object or PTX cannot run on this GPU or with this driver; another one may."""


class PeerImpossible(CudaError):
    """These two GPUs cannot reach each other's memory."""


class LaunchRefused(CudaError):
    """The kernel was not started: its grid, block, cluster or shared memory is not possible here."""


class _Words(NamedTuple):
    name: str
    meaning: str = "an error that this program does not know"
    next_step: str = "look in the kernel log for NVRM messages of this time"


_LOG = "look in the kernel log for an Xid of this GPU"
_PROGRAM = "this is a fault of this program or of memory it relies on: run again, and report it"
_OBJECT = "use the object that was built for this GPU, or update the driver"
_MPS = "end CUDA's MPS daemon (nvidia-cuda-mps-control) and run again"

_WORDS = {
    INVALID_VALUE: _Words("CUDA_ERROR_INVALID_VALUE", "a value that the driver does not take", _PROGRAM),
    2: _Words(
        "CUDA_ERROR_OUT_OF_MEMORY", "not enough memory", "end other programs on this GPU, or ask for less"
    ),
    3: _Words("CUDA_ERROR_NOT_INITIALIZED", "the driver was not initialised", _PROGRAM),
    4: _Words("CUDA_ERROR_DEINITIALIZED", "the driver is shutting down in this process", _PROGRAM),
    34: _Words(
        "CUDA_ERROR_STUB_LIBRARY",
        "this libcuda.so.1 is the stub for linking, not a driver",
        "take the stubs folder out of LD_LIBRARY_PATH",
    ),
    36: _Words(
        "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", "the driver is too old for this", "update the driver"
    ),
    46: _Words(
        "CUDA_ERROR_DEVICE_UNAVAILABLE",
        "the GPU is busy, in exclusive or prohibited mode, or cannot be reached",
        f"{_LOG}; nvidia-smi -q -d COMPUTE shows its compute mode",
    ),
    100: _Words(
        "CUDA_ERROR_NO_DEVICE",
        "the driver sees no GPU",
        "see that nvidia-smi lists the GPUs and divides none (MIG), that /dev/nvidia* may be opened, and "
        "CUDA_VISIBLE_DEVICES",
    ),
    101: _Words("CUDA_ERROR_INVALID_DEVICE", "there is no such GPU", "see the list of GPUs"),
    102: _Words("CUDA_ERROR_DEVICE_NOT_LICENSED", "the virtual GPU has no licence", "license the vGPU"),
    200: _Words("CUDA_ERROR_INVALID_IMAGE", "this is no kernel object", "build or install the kernels again"),
    201: _Words("CUDA_ERROR_INVALID_CONTEXT", "no context is current on this thread", _PROGRAM),
    209: _Words("CUDA_ERROR_NO_BINARY_FOR_GPU", "the object is for another kind of GPU", _OBJECT),
    214: _Words(
        "CUDA_ERROR_ECC_UNCORRECTABLE",
        "the GPU's memory had an error that ECC cannot correct",
        "reset the GPU, see its remapped rows, test again; replace it if it comes back",
    ),
    215: _Words("CUDA_ERROR_UNSUPPORTED_LIMIT", "this GPU has no such limit", _PROGRAM),
    217: _Words(
        "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED",
        "these GPUs cannot reach each other's memory",
        "see nvidia-smi topo -p2p r; an IOMMU or ACS setting may forbid it",
    ),
    218: _Words("CUDA_ERROR_INVALID_PTX", "the driver's compiler does not take this PTX", _OBJECT),
    220: _Words(
        "CUDA_ERROR_NVLINK_UNCORRECTABLE",
        "NVLink had an error that could not be corrected",
        "see nvidia-smi nvlink -e; reset the GPUs; have the link or baseboard looked at",
    ),
    221: _Words(
        "CUDA_ERROR_JIT_COMPILER_NOT_FOUND",
        "the driver's compiler libnvidia-ptxjitcompiler.so.1 is not installed",
        "install it (Debian: libnvidia-ptxjitcompiler1)",
    ),
    222: _Words(
        "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "this PTX is newer than the driver", "update the driver"
    ),
    223: _Words(
        "CUDA_ERROR_JIT_COMPILATION_DISABLED", "PTX may not be compiled", "unset CUDA_DISABLE_PTX_JIT"
    ),
    226: _Words("CUDA_ERROR_CONTAINED", "a memory error was contained: this program's memory is lost", _LOG),
    300: _Words("CUDA_ERROR_INVALID_SOURCE", "the kernel's source is not valid", _OBJECT),
    301: _Words("CUDA_ERROR_FILE_NOT_FOUND", "a file is missing", "install the driver again"),
    304: _Words(
        "CUDA_ERROR_OPERATING_SYSTEM", "the operating system refused something", "look in the kernel log"
    ),
    400: _Words("CUDA_ERROR_INVALID_HANDLE", "a thing that is not, or not any more", _PROGRAM),
    500: _Words(
        "CUDA_ERROR_NOT_FOUND", "there is nothing by this name", "build or install the kernels again"
    ),
    NOT_READY: _Words("CUDA_ERROR_NOT_READY", "not finished yet", "wait"),
    700: _Words(
        "CUDA_ERROR_ILLEGAL_ADDRESS",
        "a kernel touched memory that is not its own",
        f"{_LOG} (13, 31); on a healthy program this is corrupted memory or a faulty GPU",
    ),
    701: _Words(
        "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "the kernel needs more than this GPU can give it", _PROGRAM
    ),
    702: _Words(
        "CUDA_ERROR_LAUNCH_TIMEOUT",
        "a kernel ran longer than this GPU lets it",
        "take the display off this GPU",
    ),
    704: _Words("CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "peer access is on already", _PROGRAM),
    705: _Words("CUDA_ERROR_PEER_ACCESS_NOT_ENABLED", "peer access is not on", _PROGRAM),
    709: _Words("CUDA_ERROR_CONTEXT_IS_DESTROYED", "the context is gone", _PROGRAM),
    710: _Words("CUDA_ERROR_ASSERT", "an assertion in a kernel failed", _PROGRAM),
    711: _Words(
        "CUDA_ERROR_TOO_MANY_PEERS", "no more peers can be reached from this GPU", "test fewer at once"
    ),
    714: _Words("CUDA_ERROR_HARDWARE_STACK_ERROR", "a kernel's call stack was corrupted", _LOG),
    715: _Words("CUDA_ERROR_ILLEGAL_INSTRUCTION", "the GPU met an instruction it does not know", _LOG),
    716: _Words("CUDA_ERROR_MISALIGNED_ADDRESS", "a kernel used a misaligned address", _LOG),
    717: _Words("CUDA_ERROR_INVALID_ADDRESS_SPACE", "a kernel used an address of the wrong kind", _LOG),
    718: _Words("CUDA_ERROR_INVALID_PC", "a kernel ran off its code", _LOG),
    719: _Words(
        "CUDA_ERROR_LAUNCH_FAILED",
        "a kernel ended with a fault of the GPU",
        f"{_LOG} (79: fallen off the bus; 48, 63, 64, 94, 95: memory)",
    ),
    721: _Words("CUDA_ERROR_TENSOR_MEMORY_LEAK", "a kernel left tensor memory allocated", _PROGRAM),
    800: _Words("CUDA_ERROR_NOT_PERMITTED", "not permitted", "run as root, or ask who runs this machine"),
    801: _Words(
        "CUDA_ERROR_NOT_SUPPORTED", "this GPU or driver does not have it", "nothing: it is not there"
    ),
    802: _Words(
        "CUDA_ERROR_SYSTEM_NOT_READY",
        "the GPUs' fabric is not ready",
        "on an NVSwitch machine start nvidia-fabricmanager, of the driver's own version",
    ),
    803: _Words(
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "the kernel's NVIDIA driver and libcuda.so.1 are of different versions",
        "reload the kernel driver or restart the machine; see cat /proc/driver/nvidia/version",
    ),
    804: _Words(
        "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
        "this libcuda.so.1 is of the compatibility package, which these GPUs do not take",
        "take the cuda-compat folder out of the loader's path",
    ),
    805: _Words("CUDA_ERROR_MPS_CONNECTION_FAILED", "CUDA's MPS server does not answer", _MPS),
    806: _Words(
        "CUDA_ERROR_MPS_RPC_FAILURE", "CUDA's MPS server and this program do not understand each other", _MPS
    ),
    807: _Words("CUDA_ERROR_MPS_SERVER_NOT_READY", "CUDA's MPS server is not ready", _MPS),
    810: _Words("CUDA_ERROR_MPS_CLIENT_TERMINATED", "CUDA's MPS server ended this program's work", _MPS),
    908: _Words("CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "a stream was used on the wrong thread", _PROGRAM),
    909: _Words("CUDA_ERROR_TIMEOUT", "it took too long", _LOG),
    911: _Words("CUDA_ERROR_EXTERNAL_DEVICE", "a device outside the GPU failed", _LOG),
    912: _Words("CUDA_ERROR_INVALID_CLUSTER_SIZE", "this GPU cannot run clusters of that size", _PROGRAM),
    999: _Words(
        "CUDA_ERROR_UNKNOWN",
        "the driver does not say what it is",
        f"{_LOG}; where CUDA does not even start, see that the module nvidia-uvm is loaded",
    ),
}

# After these the driver answers every call in the context with the same error (cuda.h says of most of them
# that the process must be terminated and relaunched). 46 and 999 are here because they come from a GPU that
# left the bus.
_DEAD = frozenset({46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911, 999})
# Where there is no context yet, none is lost.
_BEFORE_A_CONTEXT: dict[str, type[CudaError]] = {
    "cuInit": DriverUnusable,
    "cuDeviceGet": DeviceUnavailable,
    "cuCtxCreate_v2": DeviceUnavailable,
}
_KINDS: dict[type[CudaError], frozenset[int]] = {
    NoDevice: frozenset({100}),
    DriverUnusable: frozenset({3, 4, 34, 36, 102, 802, 803, 804, 805, 806, 807}),
    ContextDead: _DEAD,
    OutOfMemory: frozenset({2}),
    ImageRejected: frozenset({200, 209, 218, 221, 222, 223, 300}),
    PeerImpossible: frozenset({217, 711}),
    LaunchRefused: frozenset({701, 912}),
}


def error_for(code: int, call: str, log: str = "") -> CudaError:
    """The exception for a CUresult that is not 0."""
    if code in _DEAD and call in _BEFORE_A_CONTEXT:
        return _BEFORE_A_CONTEXT[call](code, call, log)
    for kind, codes in _KINDS.items():
        if code in codes:
            return kind(code, call, log)
    return CudaError(code, call, log)
