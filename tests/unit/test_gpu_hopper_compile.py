"""The Hopper products as the assembler sees them: no spills, no product that waits, registers as planned."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from bee_sat.gpu_stress import kernels
from bee_sat.gpu_stress.kernels.hopper import BF16, KERNELS, SOURCE, TARGET, Shape, defines
from bee_sat.gpu_stress.kernels.nvrtc import Compiled, Compiler, CompilerError

Kind = Literal["object", "ptx"]

FOLDER = Path(kernels.__path__[0])

# What costs rate without being an error: C7510 and C7517, products that wait for each other; C7507 and C7508,
# setmaxnreg ignored. The assembler says so in words, with or without a number.
_COMPLAINT = re.compile(r"C75\d\d|Potential Performance Loss|serializ|setmaxnreg|warning", re.IGNORECASE)

KERNEL = """
#include "ptx_hopper.cuh"
extern "C" __global__ void __launch_bounds__(128, 1) kernel(float* out, u64 a, u64 b) {{
    float d[128];
    {first}
    wgmma_fence();
    wgmma_bf16(d, a, b, false);
    wgmma_commit();
    {then}
    for (int i = 0; i < 128; ++i) out[threadIdx.x * 128 + i] = d[i];
}}
"""
GIVES_UP_WHAT_IT_NEEDS = KERNEL.format(first="registers_release<24>();", then="wgmma_wait<0>();")
READS_BEFORE_IT_WAITS = KERNEL.format(first="", then="")


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler.load()


@pytest.fixture(scope="module")
def log(compiler: Compiler) -> str:
    """What the assembler says of the shapes that ship."""
    return compiled(compiler).log


def compiled(
    compiler: Compiler, *shapes: Shape, source: str = f'#include "{SOURCE}"', kind: Kind = "object"
) -> Compiled:
    """The three products, or as many as there are shapes with those."""
    machine_code = ("--ptxas-options=-v", "--ptxas-options=--warn-on-spills")
    options = (
        f"--gpu-architecture={TARGET}",
        "--std=c++17",
        f"--include-path={FOLDER}",
        *(machine_code if kind == "object" else ()),
        *(f"--define-macro={name}={value}" for name, value in defines(*shapes).items()),
    )
    return compiler.compile(source, "Hopper kernels", kind, options)


def complaints(log: str) -> Sequence[str]:
    return [line for line in log.splitlines() if _COMPLAINT.search(line)]


def registers(log: str) -> dict[str, int]:
    found = re.findall(r"Compiling entry function '(\w+)'.*?Used (\d+) registers", log, re.DOTALL)
    return {name: int(count) for name, count in found}


def test_nothing_is_kept_in_memory_and_no_product_waits_for_another(log: str) -> None:
    assert complaints(log) == []
    kept = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert kept == [("0", "0", "0")] * len(KERNELS)


@pytest.mark.parametrize(
    ("source", "says"),
    [(GIVES_UP_WHAT_IT_NEEDS, "'setmaxnreg' ignored"), (READS_BEFORE_IT_WAITS, "warpgroup.wait is injected")],
)
def test_a_kernel_that_the_assembler_complains_of_is_noticed(
    compiler: Compiler, source: str, says: str
) -> None:
    assert any(says in line for line in complaints(compiled(compiler, source=source).log))


def test_registers_are_what_a_block_of_three_warpgroups_may_start_with(log: str) -> None:
    """65536 registers over 384 threads, in steps of 8; setmaxnreg then moves them to the consumers."""
    at_start = 65536 // BF16.threads // 8 * 8
    assert registers(log) == {kernel.symbol: at_start for kernel in KERNELS}
    assert BF16.producer_registers + BF16.consumers * BF16.consumer_registers <= 3 * at_start


def test_the_instructions_are_those_that_make_hopper_fast(compiler: Compiler) -> None:
    text = compiled(compiler, kind="ptx").content.decode()
    for products in ("m64n256k16.f32.bf16.bf16", "m64n256k16.f32.f16.f16", "m64n256k32.f32.e4m3.e4m3"):
        assert text.count(f"wgmma.mma_async.sync.aligned.{products}") >= 4, "one for each 32 bytes of a slot"
    assert ".multicast::cluster" in text
    assert ".reqnctapercluster 2, 1, 1" in text


@pytest.mark.parametrize(
    "shapes",
    [
        (Shape(slots=3, outputs=4), Shape(cluster=1), Shape(cluster=4)),
        (Shape(columns=192), Shape(columns=128, slots=6), Shape(consumers=1, slots=5)),
    ],
)
def test_shapes_that_are_worth_a_try_compile_as_well(compiler: Compiler, shapes: tuple[Shape, ...]) -> None:
    log = compiled(compiler, *shapes).log
    assert complaints(log) == []
    assert log.count("0 bytes spill stores, 0 bytes spill loads") == len(KERNELS)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (Shape(slots=5), "more shared memory than a block can have"),
        (Shape(slots=1), "a slot is released one step after it was read"),
        (Shape(outputs=3), "each tile begins with the same buffer"),
        (Shape(consumer_registers=240), "there are 64 Ki registers"),
        (Shape(consumers=5, columns=128), "a block's rows of A are one box"),
    ],
    ids=lambda value: value.arguments() if isinstance(value, Shape) else "",
)
def test_a_shape_that_cannot_be_is_refused_with_the_reason(
    compiler: Compiler, shape: Shape, says: str
) -> None:
    with pytest.raises(CompilerError, match=re.escape(says)):
        compiled(compiler, shape, kind="ptx")


def test_shared_memory_fits_with_what_the_system_keeps() -> None:
    assert BF16.shared_bytes <= 227 * 1024
    assert {kernel.shared_bytes for kernel in KERNELS} == {BF16.shared_bytes}
