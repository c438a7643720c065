"""NVIDIA's run-time compiler through ctypes: CUDA C++ in, an object or PTX out. It needs no GPU."""

import ctypes
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

PACKAGE = "nvidia-cuda-nvrtc-cu12==12.9.86"
_LIBRARY = "libnvrtc.so.12"


class CompilerError(Exception):
    """The compiler is missing, of another version, or does not accept a source; says which."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """``log`` is what the compiler and its assembler said."""

    content: bytes
    log: str


class Compiler:
    """A loaded NVRTC 12.9: the last that compiles for sm_70; its objects load on all drivers for CUDA 12."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        if self.version != (12, 9):
            raise CompilerError(
                f"NVRTC is {self.version[0]}.{self.version[1]}, but must be 12.9: {_advice()}"
            )

    @classmethod
    def load(cls) -> Self:
        """The one that the Python package brings; :class:`CompilerError` without it."""
        spec = importlib.util.find_spec("nvidia")
        folders = spec.submodule_search_locations if spec else None
        for folder in folders or ():
            path = Path(folder) / "cuda_nvrtc" / "lib" / _LIBRARY
            if path.exists():
                try:
                    return cls(ctypes.CDLL(str(path)))
                except OSError as error:
                    raise CompilerError(f"{path} cannot be loaded: {error}") from error
        raise CompilerError(f"NVRTC is not installed: {_advice()}")

    @cached_property
    def version(self) -> tuple[int, int]:
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    def compile(
        self, source: str, name: str, kind: Literal["object", "ptx"], options: Sequence[str]
    ) -> Compiled:
        """Compile one translation unit. ``name`` is what messages call it. Threads may compile at once."""
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
        try:
            words = [option.encode() for option in options]
            array = (ctypes.c_char_p * len(words))(*words)
            code = self._library.nvrtcCompileProgram(program, len(words), array)
            log = self._text(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
            if code:
                raise CompilerError(f"{name}: {self._error(code)}\n{log}")
            if kind == "object":
                return Compiled(self._text(program, "CUBIN"), log)
            return Compiled(self._text(program, "PTX").rstrip(b"\0"), log)
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._library, function)(*arguments)
        if code:
            raise CompilerError(f"{function}: {self._error(code)}")

    def _error(self, code: int) -> str:
        function = self._library.nvrtcGetErrorString
        function.restype = ctypes.c_char_p
        text: bytes = function(code)
        return text.decode()


def _advice() -> str:
    return f"pip install {PACKAGE}"
