"""The generic products, from the sources that ship, run on the CPU: every element exact, on every target."""

import struct
from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from bee_sat.gpu_stress import operands
from bee_sat.gpu_stress.cuda import DeviceMemory, c_uint32, c_uint64
from bee_sat.gpu_stress.kernel_set import Kernel, ShapeError
from bee_sat.gpu_stress.kernels.catalogue import PLANS, Plan
from bee_sat.gpu_stress.tensor_maps import map_arguments
from lab.cuda.workbench import Workbench, holding, workbench

# One GPU for each target, the last for the PTX of what comes later.
GPUS = {
    "v100": "sm_70",
    "t4": "sm_75",
    "a100": "sm_80",
    "a40": "sm_86",
    "l40s": "sm_89",
    "h100": "sm_90a",
    "b200": "sm_100a",
    "rtx6000b": "sm_120",
    "next": "compute_80",
}
# In tiles: rows, columns, steps along K.
SIZES = {
    "one tile, one step": (1, 1, 1),
    "a ring that goes round": (1, 1, 7),
    "four tiles": (2, 2, 2),
}


@pytest.fixture(params=GPUS)
def gpu(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    with workbench(request.param) as bench:
        assert bench.choice.target == GPUS[request.param]
        yield bench


@cache
def tables(element: str, k: int) -> operands.Operands:
    return operands.make(element, k)


def generic(bench: Workbench) -> Sequence[Kernel]:
    return [kernel for kernel in bench.choice.kernels.values() if kernel.element and not kernel.tensor_maps]


def in_elements(kernel: Kernel, tiles: tuple[int, int, int]) -> tuple[int, int, int]:
    assert kernel.tile is not None
    return tiles[0] * kernel.tile.m, tiles[1] * kernel.tile.n, tiles[2] * kernel.tile.k


def expected(known: operands.Operands, m: int, n: int, shift_m: int, shift_n: int) -> bytes:
    """C, from the table that the checking kernel is given."""
    size = known.element.result_bytes
    width = size * known.period_n
    lines = [known.expected[at : at + width] for at in range(0, len(known.expected), width)]
    start = size * shift_n
    rows = [(line * (2 + n // known.period_n))[start : start + size * n] for line in lines]
    return b"".join(rows[(row + shift_m) % known.period_m] for row in range(m))


def differences(got: bytes, want: bytes, size: int) -> Sequence[int]:
    """The first places where elements differ."""
    if got == want:
        return []
    return [at // size for at in range(0, len(want), size) if got[at : at + size] != want[at : at + size]][
        :10
    ]


def check_all(bench: Workbench, tiles: tuple[int, int, int]) -> None:
    """Every product of the set; before a kernel runs, C's elements are not numbers."""
    for kernel in generic(bench):
        m, n, k = in_elements(kernel, tiles)
        known = tables(kernel.element or "", k)
        size = known.element.result_bytes
        with (
            bench.fill(known, "a", m, shift=5) as a,
            bench.fill(known, "b", n, shift=58) as b,
            holding(b"\xff" * (m * n * size)) as c,
        ):
            makers = bench.product(kernel, a, b, c, m, n, k)
            assert differences(c.read(), expected(known, m, n, 5, 58), size) == [], kernel.symbol
        assert 0xFFFFFFFF not in makers, f"{kernel.symbol} does not say who made each tile"


@pytest.mark.parametrize("tiles", SIZES.values(), ids=SIZES)
def test_every_element_of_every_type_is_exact(gpu: Workbench, tiles: tuple[int, int, int]) -> None:
    """What is asynchronous happens as late as it may."""
    check_all(gpu, tiles)


@pytest.mark.parametrize("model", ["a100", "l40s", "h100"])
def test_copies_that_arrive_at_once_spoil_nothing(model: str) -> None:
    with workbench(model, early=True) as bench:
        check_all(bench, (1, 1, 7))


def test_more_rows_of_tiles_than_a_band_has_come_once_each() -> None:
    with workbench("lab") as bench:
        check_all(bench, (9, 2, 1))


def test_the_tiles_of_a_product_say_which_multiprocessor_made_them() -> None:
    with workbench("lab") as bench:
        kernel = bench.kernel("gemm_fp32")
        m, n, k = in_elements(kernel, (2, 3, 1))
        known = tables("fp32", k)
        with (
            bench.fill(known, "a", m) as a,
            bench.fill(known, "b", n) as b,
            DeviceMemory(m * n * 4) as c,
        ):
            assert set(bench.product(kernel, a, b, c, m, n, k)) <= {0, 1}
            # Nobody has to ask.
            bench.run(kernel.symbol, a, b, c, *map(c_uint32, (m, n, k)), c_uint64(0), blocks=6)
            assert differences(c.read(), expected(known, m, n, 0, 0), 4) == []
    assert kernel.tiles(m, n) == 6
    assert kernel.tile_index(m - 1, 0, n) == 3
    assert kernel.tile_index(0, n - 1, n) == 2


@pytest.mark.parametrize("symbol", ["gemm_bf16_tma", "gemm_fp8_tma"])
def test_a_hopper_product_says_who_made_each_tile_and_no_more(symbol: str) -> None:
    """Of 3 × 2 tiles in clusters of two: the last cluster has one tile without rows."""
    with workbench("h100") as bench:
        kernel = bench.kernel(symbol)
        m, n, k = in_elements(kernel, (3, 2, 2))
        known = tables(kernel.element or "", k)
        size = 4 * m * n
        with (
            bench.fill(known, "a", m) as a,
            bench.fill(known, "b", n) as b,
            holding(b"\xff" * size) as c,
            holding(b"\xff" * 32) as makers,
        ):
            matrices = {"a": a, "b": b, "c": c}
            maps = [each.encode(matrices[each.operand].address) for each in map_arguments(kernel, m, n, k)]
            bench.run(symbol, *maps, *map(c_uint32, (m, n, k)), makers, blocks=4)
            assert differences(c.read(), expected(known, m, n, 0, 0), 4) == []
            noted = struct.unpack("<8I", makers.read())
    assert kernel.tiles(m, n) == 6
    assert all(maker < 132 for maker in noted[:6])
    assert noted[6:] == (0xFFFFFFFF, 0xFFFFFFFF)


@pytest.mark.parametrize("flipped", ["a", "b"])
def test_one_wrong_bit_of_an_operand_spoils_its_row_or_column_and_no_other(flipped: str) -> None:
    with workbench("a100") as bench:
        kernel = bench.kernel("gemm_bf16")
        m, n, k = in_elements(kernel, (1, 1, 2))
        known = tables("bf16", k)
        with (
            bench.fill(known, "a", m) as a,
            bench.fill(known, "b", n) as b,
            DeviceMemory(m * n * 4) as c,
        ):
            victim = a if flipped == "a" else b
            at = (7 * k + 3) * 2
            victim.write(bytes([victim.read(1, offset=at)[0] ^ 1]), offset=at)
            bench.product(kernel, a, b, c, m, n, k)
            got, want = c.read(), expected(known, m, n, 0, 0)
    wrong = [at // 4 for at in range(0, len(want), 4) if got[at : at + 4] != want[at : at + 4]]
    assert wrong
    assert {index // n if flipped == "a" else index % n for index in wrong} == {7}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_sizes_that_are_not_whole_tiles_are_refused_by_name(plan: Plan) -> None:
    for kernel in plan.kernels:
        if kernel.tile is None or kernel.tensor_maps:
            continue
        m, n, k = in_elements(kernel, (2, 2, 2))
        assert kernel.blocks(80, m, n, k) == 4
        for sizes, name in ((m + 1, n, k), "M"), ((m, n - 8, k), "N"), ((m, n, k + 1), "K"), ((0, n, k), "M"):
            with pytest.raises(ShapeError, match=f"{kernel.symbol}: {name} is"):
                kernel.blocks(80, *sizes)


def test_what_is_no_product_has_no_size() -> None:
    spin = next(kernel for kernel in PLANS[0].kernels if kernel.symbol == "spin")
    with pytest.raises(ShapeError, match="spin computes no product"):
        spin.check_shape(128, 128, 128)
