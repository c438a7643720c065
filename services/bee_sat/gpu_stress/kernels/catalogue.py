"""Which kernels are compiled for which target, and how the products' work is cut.

Shapes are chosen from what a multiprocessor has: registers for 64 × 64 sums of a warp (128 of each thread's
255), and as many stages of operands as its shared memory holds (CUDA C++ Programming Guide, "Technical
Specifications per Compute Capability": 64 KiB on 7.5, 96 on 7.0, 99 on 8.6, 8.9 and 12.0, 163 on 8.0, 227 on
9.0 and 10.0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bee_sat.gpu_stress.kernel_set import Kernel, Tile
from bee_sat.gpu_stress.kernels import hopper

GENERIC_SOURCES = (
    "gemm_tensor.cu",
    "gemm_volta.cu",
    "gemm_fp64.cu",
    "gemm_fma.cu",
    "operands.cu",
    "check.cu",
    "memory.cu",
    "load.cu",
)

# What the driver must be for, as cuDriverGetVersion counts. Objects of one major version of CUDA load on all
# drivers of that version, from 525 for CUDA 12 ("CUDA Compatibility", minor version compatibility). PTX must
# not be newer than the driver: NVRTC 12.9 writes PTX 8.8, which is CUDA 12.9's.
OBJECTS_NEED_DRIVER = 12000
PTX_NEEDS_DRIVER = 12090

_STREAM_THREADS = 256
_SUM_BYTES = _STREAM_THREADS * 8  # BLOCK_SUM_BYTES in sums.cuh

_ELEMENT_BYTES = {"bf16": 2, "fp16": 2, "tf32": 4, "fp8": 1, "fp32": 4, "fp64": 8}


@dataclass(frozen=True, slots=True)
class Shape:
    """A generic product's work: ``Shape`` in tile.cuh. A block has m × n results, a warp warp_m × warp_n."""

    m: int
    n: int
    k_bytes: int
    warp_m: int
    warp_n: int
    stages: int

    @property
    def threads(self) -> int:
        return (self.m // self.warp_m) * (self.n // self.warp_n) * 32

    @property
    def shared_bytes(self) -> int:
        return (self.m + self.n) * self.k_bytes * self.stages

    def arguments(self) -> str:
        """The template's arguments, in its order."""
        return ",".join(map(str, (self.m, self.n, self.k_bytes, self.warp_m, self.warp_n, self.stages)))

    def kernel(self, element: str) -> Kernel:
        """What the manifest says of the product of this shape."""
        return Kernel(
            symbol=f"gemm_{element}",
            element=element,
            threads=self.threads,
            shared_bytes=self.shared_bytes,
            tile=Tile(m=self.m, n=self.n, k=self.k_bytes // _ELEMENT_BYTES[element]),
            grid="tiles",
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """One target. ``shapes``: by the macro that names it, SHAPE_… as the sources know it."""

    name: str
    compute_capability: tuple[int, int]
    shapes: Mapping[str, Shape]
    shared_limit_bytes: int
    resident_threads: int  # of a multiprocessor
    kind: Literal["object", "ptx"] = "object"
    exact: bool = False

    @property
    def file(self) -> str:
        return f"{self.name}.{'cubin' if self.kind == 'object' else 'ptx'}"

    @property
    def needs_driver(self) -> int:
        return OBJECTS_NEED_DRIVER if self.kind == "object" else PTX_NEEDS_DRIVER

    @property
    def sources(self) -> tuple[str, ...]:
        return (*GENERIC_SOURCES, hopper.SOURCE) if self.name == hopper.TARGET else GENERIC_SOURCES

    @property
    def defines(self) -> dict[str, str]:
        macros = {name: shape.arguments() for name, shape in self.shapes.items()}
        return {**macros, **hopper.defines()} if self.name == hopper.TARGET else macros

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """As planned; the compiler adds registers, and from these how many blocks are best."""
        products = tuple(shape.kernel(_element(macro)) for macro, shape in self.shapes.items())
        return (*products, *(hopper.KERNELS if self.name == hopper.TARGET else ()), *_STREAMING)


def _element(macro: str) -> str:
    return macro.removeprefix("SHAPE_").removesuffix("_FMA").lower()


def _stream(symbol: str, shared_bytes: int = 0) -> Kernel:
    return Kernel(symbol=symbol, threads=_STREAM_THREADS, shared_bytes=shared_bytes)


_STREAMING = (
    *(_stream(f"operand_fill_{size}") for size in (1, 2, 4, 8)),
    *(_stream(f"check_result_{size}", _SUM_BYTES) for size in (4, 8)),
    _stream("memory_fill"),
    _stream("memory_check", _SUM_BYTES),
    _stream("memory_check_fill", _SUM_BYTES),
    _stream("bandwidth_read", _SUM_BYTES),
    _stream("bandwidth_write"),
    _stream("bandwidth_copy"),
    Kernel(symbol="spin", threads=1),
    Kernel(symbol="flip", threads=1),
)


def _wide(k_bytes: int, stages: int) -> Shape:
    """128 × 256 results: the largest block whose sums fit in registers, eight warps of 64 × 64."""
    return Shape(128, 256, k_bytes, 64, 64, stages)


def _tensor(shape: Shape, *elements: str) -> dict[str, Shape]:
    return {f"SHAPE_{element.upper()}": shape for element in elements}


def _fma(stages: int) -> dict[str, Shape]:
    return {"SHAPE_FP32": Shape(256, 128, 64, 64, 64, stages)}


def _fma_fp64(stages: int) -> dict[str, Shape]:
    return {"SHAPE_FP64_FMA": Shape(128, 128, 64, 32, 64, stages)}


def _tensor_fp64(stages: int) -> dict[str, Shape]:
    return {"SHAPE_FP64": Shape(128, 128, 128, 64, 32, stages)}


_KIB = 1024
_AMPERE = ("bf16", "fp16", "tf32")
_ADA = (*_AMPERE, "fp8")
_SMALL = _wide(64, 4)  # 96 KiB
# No fp8 here: 9.0 and 10.0 only convert mma.sync's and multiply in fp16 (F2FP and HMMA in the machine code,
# where 8.9 and 12.0 have QMMA). Their own fp8 units, which wgmma and tcgen05 use, would stay untested.
_LARGE = {**_tensor(_wide(128, 4), *_AMPERE), **_fma(3), **_tensor_fp64(4)}

PLANS: Sequence[Plan] = (
    Plan("sm_70", (7, 0), {**_tensor(_wide(64, 2), "fp16"), **_fma(2), **_fma_fp64(2)}, 96 * _KIB, 2048),
    Plan("sm_75", (7, 5), {**_tensor(_wide(64, 2), "fp16"), **_fma(2), **_fma_fp64(2)}, 64 * _KIB, 1024),
    Plan(
        "sm_80", (8, 0), {**_tensor(_wide(128, 3), *_AMPERE), **_fma(3), **_tensor_fp64(3)}, 163 * _KIB, 2048
    ),
    Plan("sm_86", (8, 6), {**_tensor(_SMALL, *_AMPERE), **_fma(3), **_fma_fp64(3)}, 99 * _KIB, 1536),
    Plan("sm_89", (8, 9), {**_tensor(_SMALL, *_ADA), **_fma(3), **_fma_fp64(3)}, 99 * _KIB, 1536),
    Plan("sm_90a", (9, 0), _LARGE, 227 * _KIB, 2048, exact=True),
    Plan("sm_100a", (10, 0), _LARGE, 227 * _KIB, 2048, exact=True),
    Plan("sm_120", (12, 0), {**_tensor(_SMALL, *_ADA), **_fma(3), **_fma_fp64(3)}, 99 * _KIB, 1536),
    # For what is not known yet.
    Plan(
        "compute_80",
        (8, 0),
        {**_tensor(_SMALL, *_AMPERE), **_fma(3), **_tensor_fp64(3)},
        99 * _KIB,
        1536,
        kind="ptx",
    ),
)
