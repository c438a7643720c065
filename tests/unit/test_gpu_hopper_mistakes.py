"""What the emulation of a Hopper GPU is good for: a mistake in the kernel's source is noticed."""

from pathlib import Path

import pytest

from bee_sat.gpu_stress.cuda import CudaError
from lab.hopper import FOLDER, running
from lab.products import Product

MISTAKES = {
    "a slot is given back before it was read": ("if (step > 0) release(previous);", "release(ring.slot);"),
    "half of B is not waited for": (
        "mbarrier_arrive_expect(full, Shape::SLOT_BYTES)",
        "mbarrier_arrive_expect(full, Shape::A_BYTES)",
    ),
    "the wrong phase is waited for": ("ring.parity ^ 1", "ring.parity"),
    "not all readers of a slot count": ("Shape::CLUSTER * Shape::CONSUMERS * 4", "Shape::CONSUMERS * 4"),
    "a slot is given back to one block only": ("barriers.empty(slot), lane)", "barriers.empty(slot), rank)"),
    "no fence before the first product": ("wgmma_fence();", ""),
    "sums are stored before they are complete": ("wgmma_wait<0>();", ""),
    "results are overwritten before they left": (
        "if (lane == 0) tma_store_wait_read<Shape::OUTPUTS - 1>();",
        "",
    ),
    "the last results are not waited for": ("if (lane == 0) tma_store_wait_read<0>();", ""),
    "rows are stored where others belong": (
        "swizzled(lane / 4 + 8, byte)",
        "swizzled(lane / 4 + 8, byte ^ 16)",
    ),
    "every other band has its columns twice": ("number % 2 ? columns - 1 - column : column", "number % 2"),
}


@pytest.mark.parametrize(("old", "new"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_kernel_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    """At one of the two extremes of what the hardware may do first, at least."""
    sources = "".join(path.read_text() for path in FOLDER.glob("hopper*.cu*"))
    assert sources.count(old) == 1
    assert any(wrong(tmp_path, early, old, new) for early in (False, True))


def wrong(folder: Path, early: bool, old: str, new: str) -> bool:
    with running(folder, early=early, old=old, new=new) as gpu, Product("bf16", 2304, 256, 384) as product:
        try:
            gpu.run(gpu.kernels["bf16"], product)
            return bool(product.wrong(product.result()))
        except CudaError:
            return True
