"""pynvml, loaded when it is first needed, and asked by name.

By name, because pynvml versions differ in what they have: what is missing in this one is Unsupported, like
what is missing in the driver. What pynvml declares wrongly or not yet goes to the C function directly, and so
does what every tick asks.
"""

import ctypes
from typing import Any

from bee_bus.documents.base import Document
from bee_gpu.nvml.errors import FUNCTION_NOT_FOUND, LIBRARY_NOT_FOUND, LibraryMissing, Unsupported, error_for

_pynvml: Any = None
_driver: tuple[int, ...] = ()


class NvmlVersions(Document):
    driver: str | None = None
    nvml: str | None = None
    cuda: str | None = None


def open_library() -> None:
    """Load and initialise NVML. Raises LibraryMissing, DriverNotLoaded, DriverMismatch.

    NVML counts: each open needs its close.
    """
    global _pynvml, _driver
    if _pynvml is None:
        try:
            import pynvml
        except ImportError as error:
            sentence = "the Python module pynvml is not installed"
            raise LibraryMissing(LIBRARY_NOT_FOUND, "import pynvml", sentence) from error
        _pynvml = pynvml
    ask("nvmlInit")
    _driver = _numbers(optional("nvmlSystemGetDriverVersion") or "")


def close_library() -> None:
    """Give NVML back, so that the driver can be unloaded. Handles and event sets end here."""
    ask("nvmlShutdown")


def read_versions() -> NvmlVersions:
    cuda = _cuda_version()
    return NvmlVersions(
        driver=optional("nvmlSystemGetDriverVersion"),
        nvml=optional("nvmlSystemGetNVMLVersion"),
        cuda=None if not cuda else f"{cuda // 1000}.{cuda % 1000 // 10}",
    )


def _cuda_version() -> int | None:
    """NVML asks libcuda.so.1. Without that it says LIBRARY_NOT_FOUND, and is itself as good as before."""
    try:
        return int(ask("nvmlSystemGetCudaDriverVersion_v2"))
    except (LibraryMissing, Unsupported):
        return None


def driver_version() -> tuple[int, ...]:
    """Of the driver when the library was opened: (580, 126, 9). Empty where it does not say."""
    return _driver


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def ask(name: str, *arguments: Any) -> Any:
    """One pynvml function by its name. Raises a subclass of NvmlError."""
    function = getattr(_pynvml, name, None)
    if function is None:
        raise _no_function(name)
    try:
        return function(*arguments)
    except _pynvml.NVMLError as error:
        raise error_for(error.value, name) from None
    except _pynvml.NVMLLibraryMismatchError:
        raise Unsupported(FUNCTION_NOT_FOUND, name) from None
    except UnicodeDecodeError:
        raise Unsupported(FUNCTION_NOT_FOUND, name, f"{name}: the text is not UTF-8") from None


def optional(name: str, *arguments: Any) -> Any | None:
    """The same; None for what is not supported here."""
    try:
        return ask(name, *arguments)
    except Unsupported:
        return None


def call(name: str, *arguments: Any) -> None:
    """One function of the C library by its name, with ctypes arguments. Raises a subclass of NvmlError."""
    library = getattr(_pynvml, "nvmlLib", None)
    function = getattr(library, name, None)
    if function is None:
        raise _no_function(name)
    code = function(*arguments)
    if code:
        raise error_for(ctypes.c_uint(code).value, name)


def _no_function(name: str) -> Exception:
    if _pynvml is None:
        return error_for(1, name)
    return Unsupported(FUNCTION_NOT_FOUND, name)
