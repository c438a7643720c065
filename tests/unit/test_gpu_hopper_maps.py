"""What the copy engine of a Hopper GPU is told of the operands and the result of a product."""

import msgspec
import pytest

from bee_sat.gpu_stress.cuda.tensor_map import ElementType, Promotion, Swizzle
from bee_sat.gpu_stress.kernel_set import Kernel, TensorMap
from bee_sat.gpu_stress.kernels.hopper import KERNELS
from bee_sat.gpu_stress.tensor_maps import MapError, map_arguments

BF16, FP16, FP8 = KERNELS


def with_map(**changes: object) -> Kernel:
    """The bf16 product with another map of A."""
    a, b, c = BF16.tensor_maps
    return msgspec.structs.replace(BF16, tensor_maps=(msgspec.structs.replace(a, **changes), b, c))


def test_operands_lie_along_k_and_the_result_along_n() -> None:
    a, b, c = map_arguments(BF16, 8192, 4096, 2048)
    assert (a.operand, b.operand, c.operand) == ("a", "b", "c")
    assert (a.rows, a.columns, a.row_bytes) == (8192, 2048, 4096)
    assert (b.rows, b.columns, b.row_bytes) == (4096, 2048, 4096)
    assert (c.rows, c.columns, c.row_bytes) == (8192, 4096, 16384)


@pytest.mark.parametrize(
    ("kernel", "element", "k"),
    [(BF16, ElementType.BFLOAT16, 64), (FP16, ElementType.FLOAT16, 64), (FP8, ElementType.UINT8, 128)],
)
def test_a_box_row_is_the_128_bytes_of_the_swizzle_in_every_type(
    kernel: Kernel, element: ElementType, k: int
) -> None:
    a, b, c = map_arguments(kernel, 1024, 1024, 1024)
    assert a.element == b.element == element
    assert c.element == ElementType.FLOAT32
    assert a.box_columns == b.box_columns == k
    assert c.box_columns * 4 == 128
    assert {a.swizzle, b.swizzle, c.swizzle} == {Swizzle.B128}


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.symbol)
def test_the_boxes_of_one_step_fill_what_the_block_multiplies(kernel: Kernel) -> None:
    assert kernel.tile is not None
    a, b, _ = map_arguments(kernel, 1024, 1024, 1024)
    assert a.box_rows == kernel.tile.m
    assert b.box_rows * kernel.cluster == kernel.tile.n, (
        "each block of the cluster fetches its share of B for all"
    )
    assert a.box_columns == b.box_columns == kernel.tile.k


def test_only_what_is_read_is_brought_into_the_cache() -> None:
    a, b, c = map_arguments(BF16, 256, 256, 256)
    assert (a.promotion, b.promotion, c.promotion) == (Promotion.B256, Promotion.B256, Promotion.NONE)


@pytest.mark.parametrize(
    ("kernel", "size", "says"),
    [
        (BF16, (0, 256, 64), "A has 0 rows"),
        (BF16, (256, 2**32 + 8, 64), "B has 4294967304 rows"),
        (BF16, (256, 256, 60), "rows of 120 bytes, not a multiple of 16"),
        (FP8, (256, 256, 72), "rows of 72 bytes, not a multiple of 16"),
        (BF16, (256, 250, 64), "C has rows of 1000 bytes"),
        (with_map(box_rows=320), (640, 256, 64), "moved 320 rows at a time, but 1 to 256"),
        (
            with_map(box_columns=128),
            (256, 256, 128),
            "256 bytes of a row at a time, more than its swizzle of 128",
        ),
        (with_map(box_columns=4), (256, 256, 64), "8 bytes of a row at a time, not a multiple of 16"),
        (with_map(swizzle_bytes=96), (256, 256, 64), "a swizzle of 96 bytes"),
        (
            msgspec.structs.replace(BF16, element="tf32"),
            (256, 256, 64),
            "no tensor maps of tf32, only of bf16",
        ),
    ],
)
def test_what_the_engine_cannot_do_is_refused_and_named(
    kernel: Kernel, size: tuple[int, int, int], says: str
) -> None:
    with pytest.raises(MapError, match=says):
        map_arguments(kernel, *size)


def test_a_kernel_without_maps_needs_none() -> None:
    assert map_arguments(msgspec.structs.replace(BF16, tensor_maps=()), 256, 256, 64) == ()


def test_a_cluster_is_never_launched_in_part() -> None:
    assert BF16.cluster == 2
    assert BF16.blocks(132, 8192, 8192, 8192) == 132
    assert BF16.blocks(131, 8192, 8192, 8192) == 130
    assert BF16.blocks(132, 128, 256, 64) == 2
    assert BF16.blocks(132, 384, 256, 64) == 4


def test_maps_are_written_into_the_manifest_as_they_are() -> None:
    assert msgspec.json.decode(msgspec.json.encode(BF16), type=Kernel) == BF16
    assert TensorMap(operand="a", box_columns=64, box_rows=128, swizzle_bytes=128) == BF16.tensor_maps[0]
