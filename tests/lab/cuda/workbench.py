"""A pretended GPU with the product's own kernels loaded, for tests of the kernels one by one."""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bee_sat.gpu_stress.cuda import Argument, Context, DeviceMemory, Module, c_uint32, c_uint64
from bee_sat.gpu_stress.kernel_set import Choice, Kernel, KernelSet
from bee_sat.gpu_stress.operands import Operands
from lab.cuda.faults import FakeCuda
from lab.cuda.here import opened

ERROR_BYTES = 32 + 64 * 32


@dataclass(frozen=True)
class Found:
    """An error buffer. ``records``: index, expected bits, got bits, kind."""

    compared: int
    wrong: int
    not_finite: int
    wanted_records: int
    records: Sequence[tuple[int, int, int, int]]

    @classmethod
    def read(cls, memory: DeviceMemory) -> "Found":
        content = memory.read(ERROR_BYTES)
        compared, wrong, not_finite, wanted = struct.unpack_from("<4Q", content)
        records = [struct.unpack_from("<3Q2I", content, 32 + 32 * slot) for slot in range(min(wanted, 64))]
        return cls(compared, wrong, not_finite, wanted, [(*record[:3], record[4]) for record in records])


@dataclass(frozen=True)
class Workbench:
    """Kernels of one target; launches with ``blocks`` blocks where their number is free."""

    module: Module
    choice: Choice
    blocks: int = 3

    def kernel(self, symbol: str) -> Kernel:
        return self.choice.kernels[symbol]

    def run(self, symbol: str, *arguments: Argument, blocks: int | None = None) -> None:
        """Start a kernel, and wait for it by the next read."""
        kernel = self.kernel(symbol)
        function = self.module.function(symbol)
        function.allow_shared(kernel.shared_bytes)
        function.launch(
            (blocks or self.blocks, 1, 1), (kernel.threads, 1, 1), arguments, shared_bytes=kernel.shared_bytes
        )

    def check(self, symbol: str, *arguments: Argument) -> Found:
        """Run a checking kernel, whose last argument is the error buffer."""
        with DeviceMemory(ERROR_BYTES) as errors:
            errors.write(bytes(ERROR_BYTES))
            self.run(symbol, *arguments, errors)
            return Found.read(errors)

    def fill(self, known: Operands, operand: str, rows: int, shift: int = 0) -> DeviceMemory:
        """Operand "a" or "b" as the product's own kernel writes it. The caller closes it."""
        table = known.table_a if operand == "a" else known.table_b
        period, columns = (
            (known.period_m, known.columns_a) if operand == "a" else (known.period_n, known.columns_b)
        )
        size = known.element.element_bytes
        out = DeviceMemory(rows * known.k * size)
        with holding(table) as held:
            sizes = map(c_uint64, (rows, known.k))
            of_table = map(c_uint64, (period, columns, shift))
            self.run(f"operand_fill_{size}", out, *sizes, held, *of_table)
            out.read(1)
        return out

    def product(
        self, kernel: Kernel, a: DeviceMemory, b: DeviceMemory, c: DeviceMemory, m: int, n: int, k: int
    ) -> Sequence[int]:
        """Multiply; returns which multiprocessor made each tile of C."""
        with holding(b"\xff" * (4 * kernel.tiles(m, n))) as makers:
            sizes = (c_uint32(m), c_uint32(n), c_uint32(k))
            self.run(kernel.symbol, a, b, c, *sizes, makers, blocks=kernel.blocks(1, m, n, k))
            return struct.unpack(f"<{kernel.tiles(m, n)}I", makers.read())


def holding(content: bytes) -> DeviceMemory:
    """Device memory with a content."""
    memory = DeviceMemory(len(content))
    memory.write(content)
    return memory


@contextlib.contextmanager
def workbench(model: str, *, early: bool = False, cuda: int = 12090) -> Iterator[Workbench]:
    """The kernels that a GPU of this model would be given."""
    with FakeCuda(model, memory_mib=128, early=early, cuda=cuda) as fake, opened(fake) as (device,):
        choice = KernelSet.load().choose(device.compute_capability, cuda)
        with Context(device), Module(choice.object_bytes) as module:
            yield Workbench(module, choice)
