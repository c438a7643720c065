"""The tests of the products can fail: mistakes made in copies of the sources on purpose are noticed."""

import shutil
from pathlib import Path

import pytest

from bee_sat.gpu_stress import kernels, operands
from bee_sat.gpu_stress.cuda import Context, ContextDead, DeviceMemory, Module
from bee_sat.gpu_stress.kernel_set import KernelSet
from bee_sat.gpu_stress.kernels.catalogue import PLANS
from bee_sat.gpu_stress.kernels.nvrtc import Compiler
from lab.cuda import FakeCuda
from lab.cuda.here import opened
from lab.cuda.workbench import Workbench, holding

FOLDER = Path(kernels.__path__[0])
PLAN = next(plan for plan in PLANS if plan.name == "sm_80")
SOURCES = ("gemm_tensor.cu", "operands.cu")

MISTAKES = {
    "waits for one copy less": (
        "tile.cuh",
        "cp_async_wait<S::STAGES - 2>()",
        "cp_async_wait<S::STAGES - 1>()",
    ),
    "goes on before all warps have read": (
        "tile.cuh",
        "        __syncthreads();\n    }\n#else",
        "    }\n#else",
    ),
    "writes where it reads": ("tile.cuh", "            writing_ = next(writing_);\n#else", "#else"),
    "forgets the last step along K": ("gemm_tensor.cu", "tile < tiles; tile++", "tile + 1 < tiles; tile++"),
    "loads the operands of the step before": ("gemm_tensor.cu", "(step + 1) % STEPS)", "step)"),
    "swaps the halves of a row of B": ("gemm_tensor.cu", "lane / 8 % 2)", "1 - lane / 8 % 2)"),
    "stores eight rows too high": ("gemm_tensor.cu", "to + 8ull * n", "to + 7ull * n"),
    "brings a row twice": ("tile.cuh", "RowBytes, from_ + i * step_", "RowBytes, from_ + (i & ~1) * step_"),
}


def wrong_elements(folder: Path, early: bool) -> int:
    """Of a product with the copied sources, how many elements are not what they must be."""
    chosen = folder / "chosen.cu"
    chosen.write_text("".join(f"#define {name} {value}\n" for name, value in PLAN.defines.items()))
    choice = KernelSet.load().choose((8, 0), 12090)
    image = (
        Compiler.load()
        .compile(
            "".join(f'#include "{name}"\n' for name in ("chosen.cu", *SOURCES)),
            "copies",
            "object",
            ("--gpu-architecture=sm_80", "--std=c++17", f"--include-path={folder}"),
        )
        .content
    )
    kernel = choice.kernels["gemm_bf16"]
    assert kernel.tile is not None
    m, n, k = kernel.tile.m, kernel.tile.n, 6 * kernel.tile.k
    known = operands.make("bf16", k)
    with FakeCuda("lab", memory_mib=128, early=early, targets=()) as fake:
        fake.add_kernels("sm_80", [chosen, *(folder / source for source in SOURCES)])
        with opened(fake) as (device,), Context(device), Module(image) as module:
            bench = Workbench(module, choice)
            with (
                bench.fill(known, "a", m) as a,
                bench.fill(known, "b", n) as b,
                holding(b"\xff" * (m * n * 4)) as c,
            ):
                bench.product(kernel, a, b, c, m, n, k)
                return differing(known, c, m, n)


def differing(known: operands.Operands, c: DeviceMemory, m: int, n: int) -> int:
    content = c.read()
    return sum(
        operands.number(content[4 * (row * n + column) : 4 * (row * n + column) + 4])
        != known.expected_at(row, column)
        for row in range(m)
        for column in range(n)
    )


def copied(folder: Path) -> Path:
    for path in FOLDER.glob("*.cu*"):
        shutil.copy(path, folder)
    return folder


def test_without_a_mistake_nothing_is_wrong(tmp_path: Path) -> None:
    assert wrong_elements(copied(tmp_path), early=False) == 0


@pytest.mark.parametrize(("source", "old", "new"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_noticed(tmp_path: Path, source: str, old: str, new: str) -> None:
    """In one of the two orders at least in which asynchronous things may happen."""
    changed = copied(tmp_path) / source
    text = changed.read_text()
    assert text.count(old) == 1
    changed.write_text(text.replace(old, new))
    noticed = False
    for early in (False, True):
        try:
            noticed |= wrong_elements(tmp_path, early) > 0
        except ContextDead:
            noticed = True
    assert noticed
