"""Operands whose product is known: the same by slow, independent arithmetic, and no sum is ever rounded."""

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import pytest

from bee_sat.gpu_stress import operands
from bee_sat.gpu_stress.kernels.catalogue import PLANS
from bee_sat.gpu_stress.operands import ELEMENTS, Operands, OperandsError, make

K = 8192
NAMES = tuple(ELEMENTS)


def e4m3(content: bytes) -> float:
    """OCP 8-bit Floating Point Specification, E4M3: bias 7, no infinities, 0x7f is NaN."""
    sign, exponent, fraction = content[0] >> 7, content[0] >> 3 & 15, content[0] & 7
    assert content[0] & 0x7F != 0x7F, "NaN"
    size = (8 + fraction) * 2.0 ** (exponent - 10) if exponent else fraction * 2.0**-9
    return -size if sign else size


# Each type's bytes as a number, by other means than those that wrote them.
DECODE: Mapping[str, Callable[[bytes], float]] = {
    "bf16": lambda content: struct.unpack("<f", b"\0\0" + content)[0],
    "fp16": lambda content: struct.unpack("<e", content)[0],
    "tf32": lambda content: struct.unpack("<f", content)[0],
    "fp8": e4m3,
    "fp32": lambda content: struct.unpack("<f", content)[0],
    "fp64": lambda content: struct.unpack("<d", content)[0],
}


def table(known: Operands, content: bytes, columns: int) -> Sequence[Sequence[int]]:
    size = known.element.element_bytes
    values = [DECODE[known.element.name](content[at : at + size]) for at in range(0, len(content), size)]
    assert all(value == int(value) for value in values), "entries are integers"
    return [[int(value) for value in values[at : at + columns]] for at in range(0, len(values), columns)]


@pytest.mark.parametrize("element", NAMES)
@pytest.mark.parametrize("k", [1, 127, 300, 1024])
def test_the_expected_product_is_that_of_the_whole_matrices(element: str, k: int) -> None:
    """Every k added, one by one, of the matrices that the tables stand for."""
    known = make(element, k, seed=3)
    a, b = table(known, known.table_a, known.columns_a), table(known, known.table_b, known.columns_b)
    source = random.Random(1)
    for _ in range(300):
        i, j = source.randrange(1000), source.randrange(1000)
        exact = 0
        for step in range(k):
            exact += a[i % 61][step % 254] * b[j % 59][step % 127]
        assert Fraction(known.expected_at(i, j)) == exact


@pytest.mark.parametrize("element", NAMES)
def test_no_sum_on_the_way_is_rounded(element: str) -> None:
    """Every stretch of K, and within an instruction any of its products on top, by the plainest count."""
    known = make(element, K)
    a, b = table(known, known.table_a, known.columns_a), table(known, known.table_b, known.columns_b)
    source = random.Random(2)
    largest = 0
    for _ in range(20):
        row, column = source.choice(a), source.choice(b)
        products = [row[step % 254] * column[step % 127] for step in range(2 * 254 + 64)]
        for start in range(0, 254, 8):
            total = 0
            for end in range(start, len(products) - 32):
                largest = max(largest, abs(total))
                if (end - start) % 8 == 0:
                    burst = products[end : end + 32]
                    most = sum(product for product in burst if product > 0)
                    least = sum(product for product in burst if product < 0)
                    largest = max(largest, abs(total + most), abs(total + least))
                total += products[end]
    assert largest <= known.largest_sum < known.element.limit


@pytest.mark.parametrize(
    ("element", "significand_bits"),
    [("bf16", 8), ("fp16", 11), ("tf32", 11), ("fp8", 4), ("fp32", 24), ("fp64", 53)],
)
def test_entries_are_exact_in_their_type_and_fill_it_as_far_as_sums_allow(
    element: str, significand_bits: int
) -> None:
    known = make(element, K)
    entries = [entry for row in table(known, known.table_a, known.columns_a) for entry in row]
    entries += [entry for row in table(known, known.table_b, known.columns_b) for entry in row]
    largest = known.element.largest
    assert max(map(abs, entries)) <= largest < 2**significand_bits
    assert min(entries) < -largest * 0.9 and max(entries) > largest * 0.9
    assert len(set(entries)) > min(2 * largest, 20000) * 0.9, "random in every bit"


def test_limits_leave_a_bit_to_spare_of_what_each_accumulator_holds() -> None:
    """fp32 holds integers to 2²⁴, fp64 to 2⁵³; Hopper's fp8 keeps 13 bits behind the leading one, so 2¹⁴."""
    holds = {"bf16": 24, "fp16": 24, "tf32": 24, "fp32": 24, "fp8": 14, "fp64": 53}
    assert {name: element.limit for name, element in ELEMENTS.items()} == {
        name: 1 << bits - 1 for name, bits in holds.items()
    }


def test_a_sum_that_grows_too_large_is_seen() -> None:
    """A table without random signs: its sums grow with every step."""
    ones = [[255] * operands.PERIOD_K] * 2
    assert operands.largest_partial_sum(ones, ones) == (operands.PERIOD_K + 32) * 255 * 255


@pytest.mark.parametrize("element", NAMES)
def test_a_result_of_nothing_is_rare(element: str) -> None:
    """A kernel that writes only zeros, or nothing, must show everywhere."""
    known = make(element, K)
    zeros = sum(known.expected_at(i, j) == 0 for i in range(61) for j in range(59))
    assert zeros <= 61 * 59 // 200


def test_neighbouring_tiles_differ_in_what_they_hold() -> None:
    """No side of a tile is a multiple of a period, so that a tile in another's place is wrong."""
    tiles = [kernel.tile for plan in PLANS for kernel in plan.kernels if kernel.tile]
    assert tiles
    for tile in tiles:
        assert tile.m % operands.PERIOD_M and tile.n % operands.PERIOD_N
        assert tile.k % operands.PERIOD_K, "nor one step of K in another's place"


def test_a_shift_is_where_the_rows_begin() -> None:
    known = make("bf16", K)
    assert known.expected_at(3, 4, shift_m=60, shift_n=58) == known.expected_at(2, 3)
    assert known.expected_at(61, 59) == known.expected_at(0, 0)
    assert len({known.expected_at(0, 0, shift, 0) for shift in range(61)}) > 50


def test_seeds_make_different_operands_and_the_same_seed_the_same() -> None:
    assert make("fp16", K, seed=1) == make("fp16", K, seed=1)
    assert make("fp16", K, seed=1).table_a != make("fp16", K, seed=2).table_a
    assert make("fp16", K).table_a != make("fp16", K).table_b[: len(make("fp16", K).table_a)]


@pytest.mark.parametrize("k", [0, -64, 254, 254 * 32])
def test_a_k_that_proves_nothing_is_refused(k: int) -> None:
    with pytest.raises(OperandsError, match=f"K is {k}: it must be above 0 and no multiple of 254"):
        make("bf16", k)


def test_a_type_that_nobody_computes_is_refused_with_those_that_are() -> None:
    with pytest.raises(OperandsError, match="no operands of type int8: there are bf16, fp16, tf32, fp8"):
        make("int8", K)


@pytest.mark.parametrize("value", range(-15, 16))
def test_fp8_has_every_integer_up_to_15(value: int) -> None:
    assert e4m3(ELEMENTS["fp8"].encode(value)) == value
