"""The shapes of the Hopper products: one truth for the compiler, the manifest and the tensor maps.

Not yet measured: tests/bench/hopper_shapes.py does it, with cuBLAS beside it where there is PyTorch. What to
try on an H100, at 8192³ with random operands, in order of what it may bring:

- M = 8448: 33 × 32 tiles of 256 × 256 fill 132 multiprocessors 16 times; 8192 leaves the last half empty;
- ``outputs`` 4 with ``slots`` 3, if the time between tiles shows (compare K = 8192 with K = 32768);
- ``band`` 4, 16 and 32; a Hilbert order; ``cluster`` 1 and 4 (4 leaves some idle where a GPC has 18 or 14);
- an L2 policy for C (evict first), and for A and B (evict last).

If it is far below 90 % of cuBLAS: first the clocks (power), then whether SASS has a wait between HGMMAs.
"""

from dataclasses import dataclass
from typing import Literal

from bee_sat.gpu_stress.kernel_set import Kernel, TensorMap, Tile

SOURCE = "hopper.cu"
TARGET = "sm_90a"

_ROW_BYTES = 128  # what a slot holds of K: the widest that a 128-byte swizzle allows
_PIECE_ROWS = 16  # of C, as one warp stores them
_BARRIER_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The numbers of a Hopper product, as ``Shape`` in hopper_gemm.cuh takes and explains them."""

    consumers: int = 2
    columns: int = 256
    slots: int = 4
    outputs: int = 2
    cluster: int = 2
    band: int = 8
    producer_registers: int = 40
    consumer_registers: int = 232

    @property
    def rows(self) -> int:
        return 64 * self.consumers

    @property
    def threads(self) -> int:
        return 128 * (1 + self.consumers)

    @property
    def shared_bytes(self) -> int:
        ring = self.slots * (self.rows + self.columns) * _ROW_BYTES
        results = self.consumers * 4 * self.outputs * _PIECE_ROWS * _ROW_BYTES
        return ring + results + self.slots * 2 * _BARRIER_BYTES

    def arguments(self) -> str:
        """The template's arguments, in its order."""
        numbers = (self.consumers, self.columns, self.slots, self.outputs, self.cluster, self.band)
        return ",".join(map(str, (*numbers, self.producer_registers, self.consumer_registers)))

    def kernel(self, element: str, element_bytes: int) -> Kernel:
        """What the manifest says of the product of this shape."""
        k = _ROW_BYTES // element_bytes
        return Kernel(
            symbol=f"gemm_{element}_tma",
            element=element,
            threads=self.threads,
            shared_bytes=self.shared_bytes,
            tile=Tile(m=self.rows, n=self.columns, k=k),
            grid="persistent",
            cluster=self.cluster,
            tensor_maps=(
                _map("a", k, self.rows),
                _map("b", k, self.columns // self.cluster),
                _map("c", _ROW_BYTES // 4, _PIECE_ROWS),
            ),
        )


def _map(operand: Literal["a", "b", "c"], box_columns: int, box_rows: int) -> TensorMap:
    return TensorMap(operand=operand, box_columns=box_columns, box_rows=box_rows, swizzle_bytes=_ROW_BYTES)


BF16 = Shape()
FP16 = Shape()
FP8 = Shape()

KERNELS = (BF16.kernel("bf16", 2), FP16.kernel("fp16", 2), FP8.kernel("fp8", 1))


def defines(bf16: Shape = BF16, fp16: Shape = FP16, fp8: Shape = FP8) -> dict[str, str]:
    """The macros that hopper.cu is compiled with."""
    macros: dict[str, str] = {}
    for name, shape in (("BF16", bf16), ("FP16", fp16), ("FP8", fp8)):
        macros[f"HOPPER_{name}_SHAPE"] = shape.arguments()
        macros[f"HOPPER_{name}_SHARED"] = str(shape.shared_bytes)
    return macros
