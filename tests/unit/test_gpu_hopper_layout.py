"""Where the Hopper products put things: the header's arithmetic, compiled here, against the documents."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_sat.gpu_stress import kernels

HEADER = Path(kernels.__path__[0]) / "hopper_layout.cuh"

PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include <cstring>
#define __device__
#define __forceinline__ inline
#include "{header}"
using namespace hopper;

int main(int count, char** words) {{
    auto word = [&](int i) {{ return u32(strtoul(words[i], nullptr, 0)); }};
    if (!strcmp(words[1], "swizzled")) {{
        for (u32 row = 0; row < 32; ++row)
            for (u32 byte = 0; byte < ROW_BYTES; ++byte) printf("%u\\n", swizzled(row, byte));
    }} else if (!strcmp(words[1], "descriptor")) {{
        printf("%llu\\n", along_k(operand_descriptor(word(2)), word(3)));
    }} else {{
        for (u32 index = 0; index < word(2) * word(3); ++index) {{
            TileAt at = tile_at(index, word(2), word(3), word(4));
            printf("%u %u\\n", at.row, at.column);
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    folder = tmp_path_factory.mktemp("layout")
    source = folder / "layout.cpp"
    source.write_text(PROGRAM.format(header=HEADER))
    subprocess.run([compiler, "-std=c++17", "-Wall", "-Werror", "-o", folder / "layout", source], check=True)
    return folder / "layout"


def numbers(layout: Path, *words: object) -> Iterator[list[int]]:
    output = subprocess.run([layout, *map(str, words)], check=True, capture_output=True, text=True).stdout
    return ([int(word) for word in line.split()] for line in output.splitlines())


def test_a_tile_lies_as_the_copy_engine_writes_it(layout: Path) -> None:
    """128-byte swizzle: bits 4 to 6 of an address are mixed with bits 7 to 9 (PTX ISA, "Swizzling Modes")."""
    expected = [address ^ ((address >> 7 & 7) << 4) for address in range(32 * 128)]
    assert [offset for (offset,) in numbers(layout, "swizzled")] == expected


def test_eight_rows_of_one_column_lie_in_different_banks(layout: Path) -> None:
    offsets = [offset for (offset,) in numbers(layout, "swizzled")]
    for column in range(0, 128, 16):
        assert len({offsets[row * 128 + column] // 16 % 8 for row in range(8)}) == 8


@pytest.mark.parametrize("address", [0x400, 0x4400, 0x1C400, 0x37C00])
@pytest.mark.parametrize("along", [0, 32, 64, 96])
def test_a_descriptor_has_its_fields_where_the_tensor_core_looks(
    layout: Path, address: int, along: int
) -> None:
    """PTX ISA, "Matrix Descriptor Format"; addresses and offsets as their bits 4 to 17."""
    ((descriptor,),) = numbers(layout, "descriptor", address, along)

    def field(low: int, high: int) -> int:
        return descriptor >> low & (1 << high - low + 1) - 1

    assert field(0, 13) << 4 == address + along, "start address"
    assert field(32, 45) << 4 == 8 * 128, "stride byte offset: from 8 rows to the next 8"
    assert field(49, 51) == 0, "base offset: tiles start where the swizzle's pattern does"
    assert field(62, 63) == 1, "128-byte swizzle"
    for low, high in ((14, 15), (30, 31), (46, 48), (52, 61)):
        assert field(low, high) == 0, f"bits {low} to {high} must be 0"


@pytest.mark.parametrize(
    ("rows", "columns", "band"),
    [(32, 32, 8), (33, 32, 8), (1, 1, 8), (3, 5, 8), (9, 1, 4), (7, 6, 1), (5, 7, 3)],
)
def test_every_tile_comes_once(layout: Path, rows: int, columns: int, band: int) -> None:
    order = [tuple(at) for at in numbers(layout, "order", rows, columns, band)]
    assert sorted(order) == [(row, column) for row in range(rows) for column in range(columns)]


def test_what_runs_together_shares_its_operands(layout: Path) -> None:
    """66 clusters at a time, on 132 multiprocessors; row by row they would need all columns and 3 rows."""
    order = [tuple(at) for at in numbers(layout, "order", 32, 32, 8)]
    for start in range(0, len(order), 66):
        together = order[start : start + 66]
        operands = len({row for row, _ in together}) + len({column for _, column in together})
        assert operands <= 26, "9 columns of 8 rows, or less on both sides of a turn"


def test_the_next_band_begins_where_the_last_one_ended(layout: Path) -> None:
    order = [tuple(at) for at in numbers(layout, "order", 32, 32, 8)]
    for end in (256, 512, 768):
        assert order[end - 1][1] == order[end][1]
