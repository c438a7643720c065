"""What can go wrong with NVML, as few exceptions that say what to do about it."""

# nvmlReturn_t (nvml.h). Numbers, because pynvml's names differ from version to version.
SUCCESS = 0
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
INSUFFICIENT_POWER = 8
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
CORRUPTED_INFOROM = 14
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
NO_DATA = 21
VGPU_ECC_NOT_SUPPORTED = 22
FREQUENCY_NOT_SUPPORTED = 24
ARGUMENT_VERSION_MISMATCH = 25
DEPRECATED = 26
NOT_READY = 27
GPU_NOT_FOUND = 28

_WORDS = {
    INVALID_ARGUMENT: "invalid argument",
    NO_PERMISSION: "no permission",
    7: "insufficient size",
    TIMEOUT: "timeout",
    11: "the kernel has trouble with the GPU's interrupt",
    CORRUPTED_INFOROM: "the infoROM is corrupted",
    17: "blocked by the operating system",
    19: "in use by another client",
    20: "insufficient memory",
    23: "insufficient resources",
    29: "invalid state",
    999: "unknown error",
}


class NvmlError(Exception):
    """NVML refused. ``code`` is nvmlReturn_t; ``call`` is what was asked."""

    def __init__(self, code: int, call: str, message: str | None = None) -> None:
        super().__init__(message or f"{call}: {_WORDS.get(code, f'NVML error {code}')}")
        self.code = code
        self.call = call


class Unsupported(NvmlError):
    """This GPU, driver or pynvml does not have it. Never leaves the door: it becomes None."""


class LibraryUnusable(NvmlError):
    """NVML as a whole is of no use now; each subclass says why."""


class LibraryMissing(LibraryUnusable):
    """libnvidia-ml.so.1, or the pynvml module, is not installed."""


class DriverNotLoaded(LibraryUnusable):
    """The kernel has no NVIDIA driver; also when it went away under an open library."""


class DriverMismatch(LibraryUnusable):
    """The kernel's driver is of another version than the library.

    The library stays in memory once loaded, so only a new process can get the one that fits.
    """


class NotOpen(LibraryUnusable):
    """open_library was not called, or close_library was."""


class GpuError(NvmlError):
    """One GPU does not take part; the others are not touched."""


class GpuLost(GpuError):
    """It has fallen off the bus, or is inaccessible in another way."""


class ResetRequired(GpuError):
    """It must be reset before it can be used again."""


class NoExternalPower(GpuError):
    """Its power cables are not attached, or not all."""


class GpuNotFound(GpuError):
    """NVML does not know a GPU by this number or address."""


_SENTENCES: dict[int, tuple[type[NvmlError], str]] = {
    UNINITIALIZED: (NotOpen, "NVML is not initialised"),
    DRIVER_NOT_LOADED: (DriverNotLoaded, "the NVIDIA driver is not loaded"),
    LIBRARY_NOT_FOUND: (LibraryMissing, "libnvidia-ml.so.1 is not installed"),
    LIB_RM_VERSION_MISMATCH: (
        DriverMismatch,
        "the NVIDIA driver and libnvidia-ml.so.1 are of different versions",
    ),
    GPU_IS_LOST: (GpuLost, "the GPU is lost: it does not answer on the bus"),
    RESET_REQUIRED: (ResetRequired, "the GPU must be reset before it can be used again"),
    INSUFFICIENT_POWER: (NoExternalPower, "the GPU's power cables are not properly attached"),
    GPU_NOT_FOUND: (GpuNotFound, "there is no such GPU"),
}

# Answers that mean "not here", for a question whose arguments are right: an old driver knows fewer numbers
# (INVALID_ARGUMENT, ARGUMENT_VERSION_MISMATCH) and a new one gives up old questions (DEPRECATED).
ABSENT = frozenset(
    {
        INVALID_ARGUMENT,
        NOT_SUPPORTED,
        NOT_FOUND,
        FUNCTION_NOT_FOUND,
        NO_DATA,
        VGPU_ECC_NOT_SUPPORTED,
        FREQUENCY_NOT_SUPPORTED,
        ARGUMENT_VERSION_MISMATCH,
        DEPRECATED,
        NOT_READY,
    }
)


def error_for(code: int, call: str) -> NvmlError:
    if code in ABSENT:
        return Unsupported(code, call)
    if code in _SENTENCES:
        kind, sentence = _SENTENCES[code]
        return kind(code, call, sentence)
    return NvmlError(code, call)
