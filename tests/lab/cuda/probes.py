"""Kernels of single instructions (probes.cu), compiled for the device and the host, and run on the CPU."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bee_sat.gpu_stress.cuda import (
    Argument,
    Context,
    DeviceMemory,
    Dimensions,
    Module,
    c_uint32,
    device,
    initialise,
)
from bee_sat.gpu_stress.kernels.nvrtc import Compiler
from lab.cuda.faults import FakeCuda
from lab.cuda.here import seen_from_here
from lab.cuda.machine import KERNELS

SOURCE = Path(__file__).with_name("probes.cu")
TARGET = "sm_90a"


@cache
def probes_object(target: str = TARGET) -> bytes:
    """The real object: so the sources are known to be right for a real GPU too."""
    options = (f"--gpu-architecture={target}", "--std=c++17", f"--include-path={KERNELS}")
    return Compiler.load().compile(SOURCE.read_text(), SOURCE.name, "object", options).content


class Probe:
    """A machine with an H100, the probes loaded, and its current context."""

    def __init__(self, module: Module, context: Context, *, early: bool) -> None:
        self.early = early
        self.module = module
        self.context = context
        self._kept: list[DeviceMemory] = []

    def memory(self, content: bytes | int) -> DeviceMemory:
        """Device memory with this content, or of this size."""
        found = DeviceMemory(content if isinstance(content, int) else len(content))
        if not isinstance(content, int):
            found.write(content)
        self._kept.append(found)
        return found

    def run(
        self,
        name: str,
        arguments: Sequence[Argument],
        *,
        threads: int = 32,
        shared_bytes: int = 1024,
        grid: Dimensions = (1, 1, 1),
    ) -> None:
        function = self.module.function(name)
        function.allow_shared(shared_bytes)
        function.launch(grid, (threads, 1, 1), arguments, shared_bytes=shared_bytes)
        self.context.synchronise()

    def close(self) -> None:
        for memory in self._kept:
            memory.close()


@contextmanager
def probing(*, early: bool = False) -> Iterator[Probe]:
    with FakeCuda("h100", early=early, targets=()) as fake:
        fake.add_kernels(TARGET, [SOURCE])
        with seen_from_here(fake):
            initialise()
            with Context(device(0)) as context, Module(probes_object()) as module:
                probe = Probe(module, context, early=early)
                yield probe
                probe.close()


def words(*values: int) -> list[Argument]:
    """Kernel arguments of 32 bits."""
    return [c_uint32(value) for value in values]


def mixed(content: bytes, span: int, start: int = 0) -> bytes:
    """What a swizzle makes of rows of ``span`` bytes: each 128 bytes have an order of 16-byte pieces."""
    pieces = span // 16
    found = bytearray(len(content))
    for i in range(len(content) // 16):
        row128 = (start + i * 16) // 128
        to = i - i % pieces + (i % pieces ^ row128 % pieces)
        found[to * 16 : to * 16 + 16] = content[i * 16 : i * 16 + 16]
    return bytes(found)
