"""The Hopper products, run on the CPU: every element of C is exact, whatever the shape of the work."""

from collections.abc import Iterator

import msgspec
import pytest

from bee_sat.gpu_stress.cuda import CudaError, DeviceMemory
from bee_sat.gpu_stress.kernels.hopper import Shape
from lab.hopper import SHIPPED, Gpu, running
from lab.products import Product

# Of each number that can be chosen another than what ships, and the smallest ring that there can be.
OTHERS = (
    Shape(cluster=1, columns=192, slots=2, band=2),
    Shape(cluster=4, columns=128, slots=6, band=1),
    Shape(consumers=1, slots=3, outputs=4),
)


@pytest.fixture(
    scope="module",
    params=[(SHIPPED, False), (SHIPPED, True), (OTHERS, False)],
    ids=["copies late", "products late", "other shapes"],
)
def h100(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpu]:
    shapes, early = request.param
    with running(tmp_path_factory.mktemp("kernels"), shapes, early=early) as gpu:
        yield gpu


SIZES = {
    "one cluster": (256, 256, 256),
    "one cluster, and a ring that goes round": (256, 256, 640),
    "one tile for each cluster": (512, 256, 256),
    "three tiles for each cluster, and a ring that goes round": (768, 512, 384),
    "more rows than a band has": (2304, 256, 128),
    "a cluster of which one block has no rows": (128, 256, 128),
    "no whole tile anywhere": (200, 264, 144),
    "more than whole tiles": (300, 520, 208),
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("element", ["bf16", "fp16", "fp8"])
def test_every_element_is_exact(h100: Gpu, element: str, size: tuple[int, int, int]) -> None:
    kernel = h100.kernels[element]
    with Product(element, *size) as product:
        h100.run(kernel, product)
        assert product.wrong(product.result()) == []


def test_a_wrong_bit_is_seen(h100: Gpu) -> None:
    """The comparison itself."""
    kernel = h100.kernels["bf16"]
    with Product("bf16", 512, 256, 128) as product:
        h100.run(kernel, product)
        found = bytearray(product.result())
        found[4 * (300 * 256 + 10)] ^= 1
        assert product.wrong(bytes(found)) == [(300, 10)]


@pytest.mark.usefixtures("h100")
def test_what_was_not_computed_is_seen() -> None:
    with Product("bf16", 64, 64, 64) as product:
        product.spoil()
        assert len(product.wrong(product.result())) == 64 * 64


def test_part_of_a_cluster_is_not_launched(h100: Gpu) -> None:
    as_if_alone = msgspec.structs.replace(h100.kernels["fp16"], cluster=1)
    with Product("fp16", 384, 128, 128) as product:
        assert h100.blocks(as_if_alone, *product.size) == 3
        with pytest.raises(CudaError):
            h100.run(as_if_alone, product)


@pytest.mark.parametrize("size", [(768, 512, 128), (128, 256, 128), (300, 520, 208)])
@pytest.mark.parametrize("element", ["bf16", "fp16", "fp8"])
def test_who_computed_each_tile_is_noted(h100: Gpu, element: str, size: tuple[int, int, int]) -> None:
    kernel = h100.kernels[element]
    assert kernel.tile is not None
    tiles = -(-size[0] // kernel.tile.m) * -(-size[1] // kernel.tile.n)
    with Product(element, *size) as product, DeviceMemory(4 * tiles + 4) as makers:
        makers.fill(0xFFFFFFFF)
        h100.run(kernel, product, makers.address)
        *noted, behind = memoryview(makers.read()).cast("I")
    assert len(noted) == tiles
    assert all(maker < 132 for maker in noted)
    assert behind == 0xFFFFFFFF
