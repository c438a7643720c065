"""The tensor maps of a product: what the copy engine is told of A, B and C. Pure; ``encode`` asks the driver.

Limits are those of cuTensorMapEncodeTiled (CUDA Driver API, "Tensor Map Object Management"), checked here
because the driver says only that some value is invalid.
"""

from dataclasses import dataclass

from bee_sat.gpu_stress.cuda.tensor_map import ElementType, Promotion, Swizzle, TensorMap
from bee_sat.gpu_stress.kernel_set import Kernel

_ELEMENTS = {
    "bf16": (ElementType.BFLOAT16, 2),
    "fp16": (ElementType.FLOAT16, 2),
    "fp8": (ElementType.UINT8, 1),
}
_RESULT = (ElementType.FLOAT32, 4)
_SWIZZLES = {0: Swizzle.NONE, 32: Swizzle.B32, 64: Swizzle.B64, 128: Swizzle.B128}

_STRIDE_STEP_BYTES = 16
_BOX_STEP_BYTES = 16
_LONGEST_BOX = 256
_LARGEST_SIZE = 1 << 32


class MapError(ValueError):
    """What the copy engine cannot be told; says what it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapArguments:
    """One matrix and the box of it that one copy moves, in elements; row-major, rows without a gap.

    ``operand`` is "a", "b" or "c". The rest are the arguments of :class:`TensorMap`, by the same names.
    """

    operand: str
    element: ElementType
    rows: int
    columns: int
    row_bytes: int
    box_rows: int
    box_columns: int
    swizzle: Swizzle
    promotion: Promotion

    def encode(self, address: int) -> TensorMap:
        """The map of such a matrix at ``address`` in the GPU's memory (a multiple of 16)."""
        return TensorMap(
            address,
            self.element,
            rows=self.rows,
            columns=self.columns,
            row_bytes=self.row_bytes,
            box_rows=self.box_rows,
            box_columns=self.box_columns,
            swizzle=self.swizzle,
            promotion=self.promotion,
        )


def map_arguments(kernel: Kernel, m: int, n: int, k: int) -> tuple[MapArguments, ...]:
    """The maps that ``kernel`` takes for C[m × n] = A[m × k] · B[n × k]ᵀ, in the order of its arguments.

    C is fp32. :class:`MapError` for a size, a type or a box that no map can have.
    """
    if kernel.element not in _ELEMENTS:
        raise MapError(f"{kernel.symbol}: no tensor maps of {kernel.element}, only of {', '.join(_ELEMENTS)}")
    operand = _ELEMENTS[kernel.element]
    matrices = {"a": (m, k, operand), "b": (n, k, operand), "c": (m, n, _RESULT)}
    found = []
    for wanted in kernel.tensor_maps:
        rows, columns, (element, element_bytes) = matrices[wanted.operand]
        if wanted.swizzle_bytes not in _SWIZZLES:
            raise MapError(
                f"{kernel.symbol}: a swizzle of {wanted.swizzle_bytes} bytes; there are 32, 64, 128 or none"
            )
        found.append(
            MapArguments(
                operand=wanted.operand,
                element=element,
                rows=rows,
                columns=columns,
                row_bytes=columns * element_bytes,
                box_rows=wanted.box_rows,
                box_columns=wanted.box_columns,
                swizzle=_SWIZZLES[wanted.swizzle_bytes],
                # A row of A or B goes on with what the next step needs; C is only written.
                promotion=Promotion.NONE if wanted.operand == "c" else Promotion.B256,
            )
        )
        _check(kernel, found[-1], element_bytes, wanted.swizzle_bytes)
    return tuple(found)


def _check(kernel: Kernel, arguments: MapArguments, element_bytes: int, swizzle_bytes: int) -> None:
    where = f"{kernel.symbol}: {arguments.operand.upper()}"
    for name, size in (("rows", arguments.rows), ("columns", arguments.columns)):
        if not 0 < size <= _LARGEST_SIZE:
            raise MapError(f"{where} has {size} {name}, but must have 1 to {_LARGEST_SIZE}")
    if arguments.row_bytes % _STRIDE_STEP_BYTES:
        raise MapError(
            f"{where} has rows of {arguments.row_bytes} bytes, not a multiple of {_STRIDE_STEP_BYTES}"
        )
    for name, size in (("rows", arguments.box_rows), ("columns", arguments.box_columns)):
        if not 0 < size <= _LONGEST_BOX:
            raise MapError(f"{where} is moved {size} {name} at a time, but 1 to {_LONGEST_BOX} are possible")
    box_bytes = arguments.box_columns * element_bytes
    if box_bytes % _BOX_STEP_BYTES:
        raise MapError(
            f"{where} is moved {box_bytes} bytes of a row at a time, not a multiple of {_BOX_STEP_BYTES}"
        )
    if swizzle_bytes and box_bytes > swizzle_bytes:
        raise MapError(
            f"{where} is moved {box_bytes} bytes of a row at a time, more than its swizzle of {swizzle_bytes}"
        )
