"""Products whose results are known: whole operands, what must come out, and what of it did not."""

from collections.abc import Sequence

from bee_sat.gpu_stress import operands
from bee_sat.gpu_stress.cuda import DeviceMemory, TensorMap
from bee_sat.gpu_stress.kernel_set import Kernel
from bee_sat.gpu_stress.tensor_maps import map_arguments

NOT_A_NUMBER = 0xFFFFFFFF


class Product:
    """Operands and result of C[m × n] = A[m × k] · B[n × k]ᵀ in the memory of a GPU; a context manager."""

    def __init__(self, element: str, m: int, n: int, k: int) -> None:
        known = operands.make(element, k)
        element_bytes = known.element.element_bytes
        a = _rows(known.table_a, known.columns_a * element_bytes, m, k * element_bytes)
        b = _rows(known.table_b, known.columns_b * element_bytes, n, k * element_bytes)
        self.size = (m, n, k)
        self._expected = _lines(known.expected, 4 * known.period_n, 4 * n)
        self._memories = [DeviceMemory(size_bytes) for size_bytes in (len(a), len(b), 4 * m * n)]
        self._memories[0].write(a)
        self._memories[1].write(b)

    def maps(self, kernel: Kernel) -> Sequence[TensorMap]:
        """Of A, B and C, for a kernel that takes them."""
        return [
            arguments.encode(memory.address)
            for arguments, memory in zip(map_arguments(kernel, *self.size), self._memories, strict=True)
        ]

    def spoil(self) -> None:
        """No element of C is a number any more."""
        self._memories[2].fill(NOT_A_NUMBER)

    def result(self) -> bytes:
        """C as it is, row by row."""
        return self._memories[2].read()

    def wrong(self, c: bytes) -> Sequence[tuple[int, int]]:
        """Row and column of the elements of ``c`` that are not what they must be, bit for bit."""
        m, n, _ = self.size
        found = []
        for row in range(m):
            got, must = c[row * 4 * n : (row + 1) * 4 * n], self._expected[row % len(self._expected)]
            if got != must:
                found += [
                    (row, at // 4) for at in range(0, 4 * n, 4) if got[at : at + 4] != must[at : at + 4]
                ]
        return found

    def __enter__(self) -> "Product":
        return self

    def __exit__(self, *_: object) -> None:
        for memory in self._memories:
            memory.close()


def _rows(table: bytes, table_row_bytes: int, rows: int, row_bytes: int) -> bytes:
    """A matrix from a table that repeats in both directions."""
    lines = _lines(table, table_row_bytes, row_bytes)
    return b"".join(lines[row % len(lines)] for row in range(rows))


def _lines(table: bytes, table_row_bytes: int, row_bytes: int) -> Sequence[bytes]:
    """The rows of a table, each repeated up to that many bytes."""
    times = -(-row_bytes // table_row_bytes)
    rows = (table[at : at + table_row_bytes] for at in range(0, len(table), table_row_bytes))
    return [(row * times)[:row_bytes] for row in rows]
