"""Tensor maps: what Hopper's copy engine (TMA) needs to know of a matrix in the GPU's memory."""

import ctypes
import enum

from bee_sat.gpu_stress.cuda.library import call

_SIZE, _ALIGNMENT = 128, 64


class ElementType(enum.IntEnum):
    """CUtensorMapDataType, those that are used."""

    UINT8 = 0  # fp8 goes as bytes
    FLOAT16 = 6
    FLOAT32 = 7
    BFLOAT16 = 9


class Swizzle(enum.IntEnum):
    """CUtensorMapSwizzle: how 16-byte pieces are mixed within a row of that many bytes in shared memory."""

    NONE = 0
    B32 = 1
    B64 = 2
    B128 = 3


class Promotion(enum.IntEnum):
    """CUtensorMapL2promotion: how much a read brings into the L2 cache."""

    NONE = 0
    B64 = 1
    B128 = 2
    B256 = 3


class TensorMap:
    """A row-major matrix at ``address``, and the box of it that one copy moves. Elements outside read as 0.

    ``rows`` × ``columns`` elements, ``row_bytes`` from one row to the next (a multiple of 16); the box is
    ``box_rows`` × ``box_columns`` (each at most 256; with a swizzle its rows are no longer than the
    swizzle's). Raises CudaError (CUDA_ERROR_INVALID_VALUE) for what the hardware cannot do.
    """

    def __init__(
        self,
        address: int,
        element: ElementType,
        *,
        rows: int,
        columns: int,
        row_bytes: int,
        box_rows: int,
        box_columns: int,
        swizzle: Swizzle = Swizzle.NONE,
        promotion: Promotion = Promotion.B256,
    ) -> None:
        self._room = (ctypes.c_ubyte * (_SIZE + _ALIGNMENT))()
        skip = -ctypes.addressof(self._room) % _ALIGNMENT
        self.words = (ctypes.c_ubyte * _SIZE).from_buffer(self._room, skip)
        call(
            "cuTensorMapEncodeTiled",
            *(self.words, element, 2, address),
            (ctypes.c_uint64 * 2)(columns, rows),
            (ctypes.c_uint64 * 1)(row_bytes),
            (ctypes.c_uint32 * 2)(box_columns, box_rows),
            (ctypes.c_uint32 * 2)(1, 1),
            *(0, swizzle, promotion, 0),
        )
