"""Where the generic products keep their tiles in shared memory: no access waits for another's bank.

Shared memory has 32 banks of 4 bytes. Of accesses of 16 bytes eight lanes are served at once, in order, of
8 bytes sixteen (CUDA C++ Best Practices Guide, "Shared Memory and Memory Banks"); each of ldmatrix's matrices
is eight rows of 16 bytes. Eight at once are free of conflicts if they lie in eight different columns of 16.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bee_sat.gpu_stress import kernels
from bee_sat.gpu_stress.kernels.catalogue import PLANS, Shape
from lab.cuda import build

ROWS = 256
Place = tuple[int, int]  # a row of a tile, and a chunk of 16 bytes in it
Layout = Mapping[Place, int]

PROGRAM = """
#include <cstdio>
#include "tile.cuh"
using namespace generic;

template <int RowBytes, Reads How>
void show(const char* name) {
    for (u32 row = 0; row < 256; row++)
        for (u32 chunk = 0; chunk < RowBytes / 16; chunk++)
            printf("%s %d %u %u %u\\n", name, RowBytes, row, chunk, swizzled<RowBytes, How>(row, chunk));
}

void show_tiles(u32 rows, u32 columns) {
    for (u32 block = 0; block < rows * columns; block++) {
        TilePlace place = tile_of(block, rows, columns);
        printf("tile %u %u %u %u %u\\n", rows, columns, place.row, place.column, place.index);
    }
}

int main() {
    show<64, Reads::EIGHT_ROWS>("eight");
    show<128, Reads::EIGHT_ROWS>("eight");
    show<64, Reads::PAIRED_COLUMNS>("paired");
    show<128, Reads::PAIRED_COLUMNS>("paired");
    show<128, Reads::FOUR_ROWS>("four");
    show_tiles(1, 1), show_tiles(8, 3), show_tiles(9, 4), show_tiles(64, 32), show_tiles(5, 7);
}
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Sequence[str]]:
    """What the sources' own functions say."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    folder = tmp_path_factory.mktemp("swizzle")
    shutil.copy(Path(kernels.__path__[0]) / "tile.cuh", folder)
    shutil.copy(build.HERE / "ptx.cuh", folder)
    (folder / "show.cpp").write_text(PROGRAM)
    flags = ("-std=c++17", "-w", "-D__CUDA_ARCH__=800", f"-I{build.EMULATION}", "-include", "shim.cuh")
    program, library = folder / "show", build.library()
    rpath = f"-Wl,-rpath,{library.parent}"
    subprocess.run([compiler, *flags, "-o", program, folder / "show.cpp", library, rpath], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in output.splitlines()]


def layout(lines: Sequence[Sequence[str]], name: str, row_bytes: int) -> Layout:
    return {
        (int(row), int(chunk)): int(offset)
        for kind, size, row, chunk, offset in (line for line in lines if line[0] == name)
        if int(size) == row_bytes
    }


def conflicts(layout: Layout, accesses: Sequence[Sequence[Place]]) -> Sequence[Sequence[Place]]:
    """Those of the accesses of a warp in which two lanes want different words of one bank at once."""
    found = []
    for lanes in accesses:
        for start in range(0, len(lanes), 8):
            at_once = {layout[place] for place in lanes[start : start + 8]}
            if len({offset // 16 % 8 for offset in at_once}) < len(at_once):
                found.append(lanes)
    return found


def a_of_tensor(row: int, chunk: int) -> Sequence[Place]:
    """ldmatrix.x4 of A: 16 rows, two chunks."""
    return [(row + lane % 16, chunk + lane // 16) for lane in range(32)]


def b_of_tensor(row: int, chunk: int) -> Sequence[Place]:
    """ldmatrix.x4 of B: two times the eight rows of which neighbouring columns of C are made, two chunks."""
    return [(row + (lane & 6) * 2 + (lane & 1) + lane // 16 * 2, chunk + lane // 8 % 2) for lane in range(32)]


def volta(row: int, chunk: int) -> Sequence[Place]:
    """The operand whose half belongs to pairs 0, 1 (A), or to pairs 0, 2 (B)."""
    return [(row + lane // 16 * 8 + lane // 4 % 2 * 4 + lane % 4, chunk) for lane in range(32)]


def volta_b(row: int, chunk: int) -> Sequence[Place]:
    return [(row + lane // 16 * 8 + lane // 8 % 2 * 4 + lane % 4, chunk) for lane in range(32)]


def a_of_fma(row: int, chunk: int) -> Sequence[Place]:
    return [(row + lane // 8, chunk) for lane in range(32)]


def b_of_fma(row: int, chunk: int) -> Sequence[Place]:
    return [(row + lane % 8, chunk) for lane in range(32)]


def courier(row: int, chunk: int, row_bytes: int) -> Sequence[Place]:
    """cp.async, or a store from registers: lanes in order, along the rows."""
    width = row_bytes // 16
    return [(row + lane // width, lane % width) for lane in range(32)]


READS: Sequence[tuple[str, int, Callable[[int, int], Sequence[Place]], int, int]] = [
    # pattern of the layout, bytes of a row, the access, rows from one to the next, chunks likewise
    *(("eight", size, a_of_tensor, 16, 2) for size in (64, 128)),
    *(("paired", size, b_of_tensor, 16, 2) for size in (64, 128)),
    ("eight", 64, volta, 16, 1),
    ("eight", 64, volta_b, 16, 1),
    ("eight", 64, a_of_fma, 4, 1),
    ("eight", 64, b_of_fma, 8, 1),
]


@pytest.mark.parametrize(
    ("name", "row_bytes", "access", "rows", "chunks"),
    READS,
    ids=[f"{access.__name__}, {size} bytes" for _, size, access, _, _ in READS],
)
def test_no_read_waits_for_a_bank(
    lines: Sequence[Sequence[str]],
    name: str,
    row_bytes: int,
    access: Callable[[int, int], Sequence[Place]],
    rows: int,
    chunks: int,
) -> None:
    accesses = [
        access(row, chunk) for row in range(0, ROWS, rows) for chunk in range(0, row_bytes // 16, chunks)
    ]
    assert conflicts(layout(lines, name, row_bytes), accesses) == []


def test_no_read_of_doubles_waits_for_a_bank(lines: Sequence[Sequence[str]]) -> None:
    """Eight bytes for each lane, sixteen lanes at once: four rows, and in each four neighbours along K."""
    places = layout(lines, "four", 128)
    for row in range(0, ROWS, 8):
        for k in range(0, 16, 4):
            lanes = [(row + lane // 4, k + lane % 4) for lane in range(32)]
            offsets = [places[row_of, of // 2] + of % 2 * 8 for row_of, of in lanes]
            for half in (offsets[:16], offsets[16:]):
                assert len({offset // 8 % 16 for offset in half}) == 16


LAYOUTS = [("eight", 64), ("eight", 128), ("paired", 64), ("paired", 128), ("four", 128)]


@pytest.mark.parametrize(("name", "row_bytes"), LAYOUTS)
def test_no_store_waits_for_a_bank(lines: Sequence[Sequence[str]], name: str, row_bytes: int) -> None:
    accesses = [courier(row, 0, row_bytes) for row in range(0, ROWS, 32 * 16 // row_bytes)]
    assert conflicts(layout(lines, name, row_bytes), accesses) == []


@pytest.mark.parametrize(("name", "row_bytes"), LAYOUTS)
def test_every_chunk_has_a_place_of_its_own_in_its_row(
    lines: Sequence[Sequence[str]], name: str, row_bytes: int
) -> None:
    places = layout(lines, name, row_bytes)
    assert sorted(places.values()) == list(range(0, ROWS * row_bytes, 16))
    assert all(offset // row_bytes == row for (row, _), offset in places.items())


@pytest.mark.parametrize(("name", "row_bytes"), LAYOUTS)
def test_a_thread_may_go_down_sixteen_rows_and_a_step_along_k_by_arithmetic(
    lines: Sequence[Sequence[str]], name: str, row_bytes: int
) -> None:
    """What saves the products' inner loops from computing addresses: one sum, one exclusive or."""
    places = layout(lines, name, row_bytes)
    for (row, chunk), offset in places.items():
        if row + 16 < ROWS:
            assert places[row + 16, chunk] == offset + 16 * row_bytes
        if chunk < 2:
            for step in range(row_bytes // 32):
                assert places[row, chunk + 2 * step] == offset ^ 32 * step


@pytest.mark.parametrize("row_bytes", [64, 128])
def test_a_layout_without_exchange_would_wait(row_bytes: int) -> None:
    """The proof can fail."""
    plain = {(row, chunk): row * row_bytes + chunk * 16 for row in range(ROWS) for chunk in range(8)}
    assert conflicts(plain, [a_of_tensor(0, 0)])
    assert conflicts(plain, [b_of_tensor(0, 0)])


def shapes() -> Sequence[Shape]:
    return list({shape.arguments(): shape for plan in PLANS for shape in plan.shapes.values()}.values())


@pytest.mark.parametrize("shape", shapes(), ids=Shape.arguments)
def test_rows_of_a_tile_are_of_a_width_that_was_proven(shape: Shape) -> None:
    assert shape.k_bytes in (64, 128)
    assert shape.warp_m % 16 == 0 and shape.warp_n % 16 == 0


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (8, 3), (9, 4), (64, 32), (5, 7)])
def test_every_tile_comes_once_whatever_the_order(
    lines: Sequence[Sequence[str]], rows: int, columns: int
) -> None:
    numbers = [[int(word) for word in line[1:]] for line in lines if line[0] == "tile"]
    places = [(row, column) for m, n, row, column, _ in numbers if (m, n) == (rows, columns)]
    assert sorted(places) == [(row, column) for row in range(rows) for column in range(columns)]
    assert all(
        index == row * columns + column for m, n, row, column, index in numbers if (m, n) == (rows, columns)
    )


def test_blocks_that_run_together_share_their_operands(lines: Sequence[Sequence[str]]) -> None:
    """8192³ on 108 multiprocessors: bands 8 high and 14 wide, or the end of one and the start of the next."""
    places = [[int(word) for word in line[3:5]] for line in lines if line[:3] == ["tile", "64", "32"]]
    for start in range(0, len(places), 108):
        together = places[start : start + 108]
        assert len({row for row, _ in together}) + len({column for _, column in together}) <= 8 + 8 + 14
