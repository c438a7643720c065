"""Operands whose product is known exactly, in pure integers on the CPU, however large the matrices are.

C = A·Bᵀ, with A[i, k] = TA[i mod 61][k mod 254] and B[j, k] = TB[j mod 59][k mod 127], both small tables of
random integers. So C[i, j] = E[i mod 61][j mod 59], and E is a table too. The periods are prime and share
no factor with a tile's sides: every tile of C differs from its neighbours, and a tile that lands in the
wrong place shows.

**Every sum on the way is exact, in whatever order it is added.** TA's second half is the negative of its
first, so a whole period of K adds up to exactly nothing, and sums do not grow with K. Let w be the largest
absolute sum of products over any contiguous stretch of K, for any i and j, and let a be the largest sum of
*absolute* products over 32 in a row, which is the most that one instruction adds (fp8; 16 for bf16 and
fp16, 8 for tf32 and fp64). Whatever a kernel holds on the way is a sum over a stretch, and within an
instruction some of the next products more, so it is an integer of at most w + a. :func:`make` computes w +
a and keeps only tables where it is below the type's limit:

- fp32 accumulators (bf16, fp16, tf32, and fp32 itself) hold integers up to 2²⁴; tensor cores line up a
  sum's addends at the largest one's exponent and keep at least 24 bits of each (Fasi, Higham, Mikaitis and
  Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021). Limit 2²³: one bit to spare.
- fp8 on Hopper keeps 13 bits behind the point of the largest addend (DeepSeek-V3 technical report, 2024,
  §3.3.2), so integers up to 2¹⁴. Limit 2¹³: one bit to spare.
- fp64 holds integers up to 2⁵³. Limit 2⁵².

Entries fill as many bits of their type's mantissa as that allows: all of bf16's and fp8's, 9 bits of fp16's
and tf32's 11, 23 of fp64's 53. Random mantissas draw the most power.
"""

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from types import MappingProxyType

PERIOD_M = 61
PERIOD_N = 59
PERIOD_K = 127
SIGN_PERIOD_K = 2 * PERIOD_K
INSTRUCTION_K = 32

Rows = Sequence[Sequence[int]]


class OperandsError(ValueError):
    """A product that cannot be proven; says what can."""


@dataclass(frozen=True, slots=True)
class Element:
    """A type of operand: ``largest`` is its entries' largest absolute value, ``limit`` that of sums."""

    name: str
    element_bytes: int
    result_bytes: int
    largest: int
    limit: int
    encode: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Operands:
    """Tables as the GPU takes them: row-major, little endian, in the element's and the result's type.

    ``table_a`` is ``period_m`` × ``columns_a``, ``table_b`` is ``period_n`` × ``columns_b``, ``expected`` is
    ``period_m`` × ``period_n``. The largest sum on the way is ``largest_sum``.
    """

    element: Element
    k: int
    table_a: bytes
    table_b: bytes
    expected: bytes
    largest_sum: int
    period_m: int = PERIOD_M
    period_n: int = PERIOD_N
    columns_a: int = SIGN_PERIOD_K
    columns_b: int = PERIOD_K

    def expected_at(self, row: int, column: int, shift_m: int = 0, shift_n: int = 0) -> float:
        """What one element of C must be."""
        at = (row + shift_m) % self.period_m * self.period_n + (column + shift_n) % self.period_n
        size = self.element.result_bytes
        return number(self.expected[at * size : (at + 1) * size])


def make(element: str, k: int, seed: int = 0) -> Operands:
    """Tables for a product over ``k``, the same for the same seed; takes about 0.2 s.

    :class:`OperandsError` for a type not in :data:`ELEMENTS`, and for a ``k`` whose every result is 0.
    """
    if element not in ELEMENTS:
        raise OperandsError(f"no operands of type {element}: there are {', '.join(ELEMENTS)}")
    if k <= 0 or k % SIGN_PERIOD_K == 0:
        raise OperandsError(
            f"K is {k}: it must be above 0 and no multiple of {SIGN_PERIOD_K}, where every result is 0"
        )
    kind = ELEMENTS[element]
    source = random.Random(f"{element} {seed}")
    while True:
        half_a = _table(source, PERIOD_M, kind.largest)
        b = _table(source, PERIOD_N, kind.largest)
        largest_sum = largest_partial_sum(half_a, b)
        if largest_sum < kind.limit:
            break
    a = [[*row, *(-entry for entry in row)] for row in half_a]
    return Operands(
        element=kind,
        k=k,
        table_a=b"".join(kind.encode(entry) for row in a for entry in row),
        table_b=b"".join(kind.encode(entry) for row in b for entry in row),
        expected=_expected(a, b, k, kind.result_bytes),
        largest_sum=largest_sum,
    )


def number(bits: bytes) -> float:
    """The number that a result's bytes stand for: 4 bytes are fp32, 8 are fp64."""
    value: float = struct.unpack("<f" if len(bits) == 4 else "<d", bits)[0]
    return value


def largest_partial_sum(half_a: Rows, b: Rows) -> int:
    """w + a of the module's text, for a table A that ``half_a`` and its negative make up."""
    return max(_stretch(products) + _burst(products) for products in _all_products(half_a, b))


def _all_products(half_a: Rows, b: Rows) -> Sequence[Sequence[int]]:
    return [list(map(mul, row_a, row_b)) for row_a in half_a for row_b in b]


def _stretch(products: Sequence[int]) -> int:
    """The largest absolute sum over a stretch: how far apart the running sum's extremes are.

    In the second half of a period it is the first half's total less what it was at the same place.
    """
    running = list(accumulate(products, initial=0))
    low, high, total = min(running), max(running), running[-1]
    return max(high, total - low) - min(low, total - high)


def _burst(products: Sequence[int]) -> int:
    """The largest sum of absolute products over one instruction's depth."""
    sizes = [abs(product) for product in (*products, *products[:INSTRUCTION_K])]
    running = list(accumulate(sizes, initial=0))
    return max(end - start for start, end in zip(running, running[INSTRUCTION_K:], strict=False))


def _table(source: random.Random, rows: int, largest: int) -> Rows:
    return [[source.randint(-largest, largest) for _ in range(PERIOD_K)] for _ in range(rows)]


def _expected(a: Rows, b: Rows, k: int, result_bytes: int) -> bytes:
    """E: whole periods of K add nothing, so only the rest is added up."""
    rest = k % SIGN_PERIOD_K
    twice_b = [[*row, *row] for row in b]
    sums = [sum(map(mul, row_a[:rest], row_b)) for row_a in a for row_b in twice_b]
    return struct.pack(f"<{len(sums)}{'f' if result_bytes == 4 else 'd'}", *sums)


def _bf16(value: int) -> bytes:
    """The upper half of fp32: eight bits of mantissa with the hidden one, so integers up to 255 are exact."""
    return struct.pack("<f", value)[2:]


def _fp16(value: int) -> bytes:
    return struct.pack("<e", value)


def _fp32(value: int) -> bytes:
    """Also tf32, which is fp32 with the lower 13 bits of the mantissa not looked at: zero below 2048."""
    return struct.pack("<f", value)


def _fp64(value: int) -> bytes:
    return struct.pack("<d", value)


def _e4m3(value: int) -> bytes:
    """One sign, four bits of exponent with bias 7, three of mantissa: integers up to 15 are exact."""
    size = abs(value)
    if size == 0:
        return b"\0"
    exponent = size.bit_length() - 1
    mantissa = (size << 3 >> exponent) & 7
    return bytes([(value < 0) << 7 | (exponent + 7) << 3 | mantissa])


def _elements(*elements: Element) -> Mapping[str, Element]:
    return MappingProxyType({element.name: element for element in elements})


ELEMENTS = _elements(
    Element("bf16", element_bytes=2, result_bytes=4, largest=255, limit=1 << 23, encode=_bf16),
    Element("fp16", element_bytes=2, result_bytes=4, largest=511, limit=1 << 23, encode=_fp16),
    Element("tf32", element_bytes=4, result_bytes=4, largest=511, limit=1 << 23, encode=_fp32),
    Element("fp8", element_bytes=1, result_bytes=4, largest=15, limit=1 << 13, encode=_e4m3),
    Element("fp32", element_bytes=4, result_bytes=4, largest=511, limit=1 << 23, encode=_fp32),
    Element("fp64", element_bytes=8, result_bytes=8, largest=(1 << 23) - 1, limit=1 << 52, encode=_fp64),
)
