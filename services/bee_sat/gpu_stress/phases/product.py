"""Products of matrices whose exact result is known: the load of the GEMM phases and of the load steps."""

import math
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bee_sat.gpu_stress import operands
from bee_sat.gpu_stress.bench import LAUNCH_SECONDS, Bench, CannotRun, Progress
from bee_sat.gpu_stress.cuda import Argument, DeviceMemory, HostMemory, c_uint32, c_uint64, copy_to_host
from bee_sat.gpu_stress.cuda.context import Owned
from bee_sat.gpu_stress.errors import ErrorBuffer, Record, Shown, bits, number
from bee_sat.gpu_stress.events import PlannedPhase, Wrong
from bee_sat.gpu_stress.kernel_set import Kernel
from bee_sat.gpu_stress.tensor_maps import map_arguments

# Sides that are tried, the smallest first: each that the GPU is fast enough for. The last is large enough for
# the largest GPUs to be busy with, and what others measure with.
_SIDES = (128, 256, 512, 1024, 2048, 4096, 8192)
_ROOM_SHARE = 0.9
_SIDE_ENOUGH = 8192  # the first that may be left out without harm
# How much of a phase's time trials may take, but always so many seconds: too small a size is too slow a rate.
_TRIALS_SHARE, _TRIALS_SECONDS = 0.2, 1.0
# fp8 is so fast that comparing C would cost too much: more work for each result.
_DEPTH = {"fp8": 2}
_LAUNCHES = 8  # the next size has so many times the work
_MAKER_BYTES = 4
_NAN = {4: 0x7FC00000, 8: 0x7FF8000000000000}


class Product(Owned):
    """C = A·Bᵀ of one size on one GPU, again and again.

    ``shifts``: the rows of the tables with which A and B begin. ``lacking``: of what there was too
    little ("memory", "time") for it to be large enough to show what the GPU can do; empty when it is.
    """

    def __init__(
        self, bench: Bench, kernel: Kernel, tables: operands.Operands, m: int, n: int, k: int
    ) -> None:
        self.m, self.n, self.k = m, n, k
        self.shifts = (0, 0)
        self.lacking = ""
        self.result_bytes = tables.element.result_bytes
        self._bench = bench
        self._kernel = kernel
        self._tables = tables
        self._stack = ExitStack()
        size = tables.element.element_bytes
        try:
            self._a = self._allocate(m * k * size)
            self._b = self._allocate(n * k * size)
            self._c = self._allocate(m * n * self.result_bytes)
            self._table_a = self._load(tables.table_a)
            self._table_b = self._load(tables.table_b)
            self._expected = self._load(tables.expected)
            self._arguments = self._launch_arguments()
        except BaseException:
            self._stack.close()
            raise

    @property
    def operations(self) -> int:
        """Of one product: a multiplication and an addition each."""
        return 2 * self.m * self.n * self.k

    @property
    def size(self) -> str:
        return f"{self.m} × {self.n} × {self.k}"

    @property
    def kernel(self) -> str:
        return self._kernel.symbol

    def fill(self, shift_m: int, shift_n: int) -> None:
        """Write the operands anew, their rows shifted, so that every place gets other data."""
        self.shifts = (shift_m, shift_n)
        tables = self._tables
        self._fill(self._a, self.m, self._table_a, tables.period_m, tables.columns_a, shift_m)
        self._fill(self._b, self.n, self._table_b, tables.period_n, tables.columns_b, shift_n)

    @property
    def results(self) -> int:
        """Elements of C."""
        return self.m * self.n

    def new_makers(self, products: int) -> "Makers":
        """Room to note who computed what of so many products; it goes with this one."""
        return self._stack.enter_context(Makers(self._bench, self._kernel.tiles(self.m, self.n), products))

    def multiply(self, makers: int = 0) -> None:
        """``makers``: where to note which multiprocessor computed each tile; 0 for nowhere."""
        arguments = (*self._arguments, c_uint64(makers))
        shape = (self.m, self.n, self.k)
        self._bench.kernels.launch(self._kernel.symbol, arguments, self._bench.stream, shape=shape)

    def check(self, buffer: ErrorBuffer) -> None:
        """Have every element compared."""
        tables = self._tables
        arguments: list[Argument] = [
            *(self._c, c_uint64(self.m), c_uint64(self.n), self._expected),
            *map(c_uint64, (tables.period_m, tables.period_n, *self.shifts)),
            buffer.argument,
        ]
        self._bench.kernels.launch(f"check_result_{self.result_bytes}", arguments, self._bench.stream)

    def shown(self, buffer: ErrorBuffer, planned: PlannedPhase) -> Shown:
        """An element in the midst of C, for the proof of the check."""
        index = self.m // 2 * self.n + self.n // 3
        return Shown(
            check=lambda: self.check(buffer),
            describe=self.describer(planned),
            compared=self.results,
            address=self._c.address + index * self.result_bytes,
            index=index,
            width_bytes=self.result_bytes,
        )

    def describer(
        self, planned: PlannedPhase, makers: Callable[[], Sequence[int]] | None = None
    ) -> Callable[[Record], Wrong]:
        """How a wrong element is told. ``makers`` tells who computed each tile, where that was noted."""
        width = self.result_bytes

        def describe(record: Record) -> Wrong:
            row, column = divmod(record.index, self.n)
            return Wrong(
                gpu=planned.gpu,
                phase=planned.phase,
                round=planned.round,
                what="result",
                index=record.index,
                row=row,
                column=column,
                address=hex(self._c.address + record.index * width),
                expected=bits(record.expected, width),
                got=bits(record.got, width),
                expected_value=float(number(record.expected, width)),
                got_value=number(record.got, width),
                # The record's own multiprocessor only looked at it.
                sm=None if makers is None else makers()[self._kernel.tile_index(row, column, self.n)],
            )

        return describe

    def break_operand(self) -> None:
        """Flip the sign of one element of A that is not 0."""
        row, tables = self.m // 2, self._tables
        size = tables.element.element_bytes
        line = (row + self.shifts[0]) % tables.period_m * tables.columns_a
        column = next(
            column
            for column in range(min(self.k, tables.columns_a))
            if any(tables.table_a[(line + column) * size : (line + column + 1) * size])
        )
        address = self._a.address + (row * self.k + column) * size
        self._bench.flip(address, 1 << (8 * size - 1), size)

    def break_result(self, *, nan: bool) -> None:
        """Flip one bit of C, or as many as make it NaN."""
        row, column, width = self.m // 3, self.n // 2, self.result_bytes
        mask = 1 << 5
        if nan:
            tables = self._tables
            at = (row + self.shifts[0]) % tables.period_m * tables.period_n
            at += (column + self.shifts[1]) % tables.period_n
            expected = int.from_bytes(tables.expected[at * width : (at + 1) * width], "little")
            mask = expected ^ _NAN[width]
        self._bench.flip(self._c.address + (row * self.n + column) * width, mask, width)

    def close(self) -> None:
        self._stack.close()

    def _fill(
        self,
        to: DeviceMemory,
        rows: int,
        table: DeviceMemory,
        table_rows: int,
        table_columns: int,
        shift: int,
    ) -> None:
        arguments: list[Argument] = [
            *(to, c_uint64(rows), c_uint64(self.k), table),
            *map(c_uint64, (table_rows, table_columns, shift)),
        ]
        symbol = f"operand_fill_{self._tables.element.element_bytes}"
        self._bench.kernels.launch(symbol, arguments, self._bench.stream)

    def _launch_arguments(self) -> tuple[Argument, ...]:
        sizes = tuple(map(c_uint32, (self.m, self.n, self.k)))
        if not self._kernel.tensor_maps:
            return (self._a, self._b, self._c, *sizes)
        matrices = {"a": self._a, "b": self._b, "c": self._c}
        maps = map_arguments(self._kernel, self.m, self.n, self.k)
        return (*(each.encode(matrices[each.operand].address) for each in maps), *sizes)

    def _allocate(self, size_bytes: int) -> DeviceMemory:
        return self._stack.enter_context(DeviceMemory(size_bytes))

    def _load(self, table: bytes) -> DeviceMemory:
        memory = self._allocate(len(table))
        memory.write(table)
        return memory


class Makers(Owned):
    """Which multiprocessor computed each tile, product after product; copied to the host when asked for."""

    def __init__(self, bench: Bench, tiles: int, products: int) -> None:
        self._bench = bench
        self._tiles = tiles
        self._there = DeviceMemory(_MAKER_BYTES * tiles * products)
        self._here = HostMemory(_MAKER_BYTES * tiles * products)

    def address(self, product: int) -> int:
        """Where a product notes its makers."""
        return self._there.address + product * self._tiles * _MAKER_BYTES

    def fetch(self) -> None:
        """Have a copy made once the work so far is done."""
        copy_to_host(self._here, self._there, self._here.size_bytes, self._bench.stream)

    def of(self, product: int) -> Sequence[int]:
        """By tile, when the copy has arrived."""
        size = self._tiles * _MAKER_BYTES
        return struct.unpack(f"<{self._tiles}I", self._here.view[product * size : (product + 1) * size])

    def close(self) -> None:
        self._there.close()
        self._here.close()


def find_kernel(bench: Bench, element: str) -> Kernel:
    """The best kernel of the set. Raises CannotRun."""
    kernel = bench.kernels.find(f"gemm_{element}_tma", f"gemm_{element}")
    if kernel is None or kernel.tile is None:
        target = bench.kernels.choice.target
        raise CannotRun(f"the kernel set for {target} has no product of {element}", fault=False)
    return kernel


def largest_fitting(bench: Bench, element: str, progress: Progress, seconds: float) -> Product:
    """The largest product that this GPU does in good time, found by trying; ``seconds`` is the phase's.

    Raises CannotRun when not even the smallest fits in its memory.
    """
    kernel = find_kernel(bench, element)
    assert kernel.tile is not None
    tile = kernel.tile
    lacking = ""
    chosen: tuple[int, int, int] | None = None
    tables: operands.Operands | None = None
    left = max(seconds * _TRIALS_SHARE, _TRIALS_SECONDS)
    for side in _SIDES:
        wanted = ((side, tile.m), (side, tile.n), (side * _DEPTH.get(element, 1), tile.k))
        m, n, k = (math.ceil(size / step) * step for size, step in wanted)
        if not _fits(bench, element, m, n, k):
            lacking = "memory" if side < _SIDE_ENOUGH else ""
            break
        # Which k they are for matters to what is expected, which no trial looks at.
        tables = tables or operands.make(element, k)
        began = time.monotonic()
        with Product(bench, kernel, tables, m, n, k) as product:
            product.fill(0, 0)
            product.multiply()  # the first launch of a kernel loads it
            taken = bench.timed(product.multiply, limit_seconds=LAUNCH_SECONDS / _LAUNCHES)
        chosen = (m, n, k)
        left -= time.monotonic() - began
        progress.tell(0, 0)
        if taken * _LAUNCHES > LAUNCH_SECONDS:
            break  # the GPU is busy enough with it, however slow it is
        if left < 0:
            lacking = "time" if side < _SIDE_ENOUGH else ""
            break
    if chosen is None or tables is None:
        raise CannotRun(f"there is not enough free memory for a product of {element}", fault=False)
    if tables.k != chosen[2]:
        tables = operands.make(element, chosen[2])
    product = Product(bench, kernel, tables, *chosen)
    product.lacking = lacking
    return product


def _fits(bench: Bench, element: str, m: int, n: int, k: int) -> bool:
    kind = operands.ELEMENTS[element]
    needed = (m + n) * k * kind.element_bytes + m * n * kind.result_bytes
    return needed <= bench.room_bytes() * _ROOM_SHARE
