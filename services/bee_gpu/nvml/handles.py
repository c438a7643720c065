"""Which GPUs there are, and what to call them by."""

import ctypes
from typing import Any, TypeVar

import msgspec

from bee_gpu.nvml.errors import GpuNotFound, NvmlError, Unsupported
from bee_gpu.nvml.library import ask, call

S = TypeVar("S", bound="ctypes.Structure | ctypes._SimpleCData[int]")


class Handle(msgspec.Struct, frozen=True):
    """One GPU, until the library is closed. ``index`` is NVML's number, which the next open can change."""

    index: int
    pointer: Any

    @property
    def address(self) -> int:
        """The same for two handles of one GPU; event data carries a pointer and nothing else."""
        return address_of(self.pointer)


def address_of(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def gpu_count() -> int:
    """GPUs that NVML knows, lost ones too. PCI may know more."""
    return int(ask("nvmlDeviceGetCount"))


def handle_by_index(index: int) -> Handle:
    """Raises GpuLost, NoExternalPower ... for a GPU that cannot be used; GpuNotFound past the last."""
    return Handle(index, _found("nvmlDeviceGetHandleByIndex", index, f"GPU {index}"))


def handle_by_pci(address: str) -> Handle:
    """By PCI address ("0000:3b:00.0")."""
    pointer = _found("nvmlDeviceGetHandleByPciBusId", address, f"a GPU at {address}")
    return Handle(int(ask("nvmlDeviceGetIndex", pointer)), pointer)


def _found(function: str, key: int | str, what: str) -> Any:
    try:
        return ask(function, key)
    except Unsupported as error:
        raise GpuNotFound(error.code, function, f"NVML does not know {what}") from None


class Reader:
    """Asks one GPU for many things. What is not supported is None; what fails is None and a problem."""

    __slots__ = ("pointer", "problems")

    def __init__(self, handle: Handle) -> None:
        self.pointer = handle.pointer
        self.problems: list[str] = []

    def __call__(self, function: str, *arguments: Any) -> Any | None:
        try:
            return ask(function, self.pointer, *arguments)
        except Unsupported:
            return None
        except NvmlError as error:
            self.note(error)
            return None

    def fill(self, function: str, result: S, *arguments: int) -> S | None:
        """A number or one of our own structures, by the C function itself, which takes it last."""
        try:
            call(function, self.pointer, *arguments, ctypes.byref(result))
        except Unsupported:
            return None
        except NvmlError as error:
            self.note(error)
            return None
        return result

    def direct(self, function: str, *arguments: int) -> int | None:
        """An unsigned int by the C function itself, for what is asked at every tick."""
        found = self.fill(function, ctypes.c_uint(), *arguments)
        return None if found is None or found.value == 0xFFFFFFFF else found.value

    def note(self, error: NvmlError) -> None:
        """A problem, unless the GPU or the library as a whole is unusable: that ends the reading."""
        if type(error) is not NvmlError:
            raise error
        self.problems.append(str(error))

    def number(self, function: str, *arguments: Any) -> int | None:
        value = self(function, *arguments)
        return None if value is None or value == 0xFFFFFFFF else int(value)

    def text(self, function: str, *arguments: Any) -> str | None:
        value = self(function, *arguments)
        return str(value).strip() or None if value is not None else None

    def flag(self, function: str, *arguments: Any) -> bool | None:
        value = self.number(function, *arguments)
        return None if value is None else bool(value)
