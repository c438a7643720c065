"""Copies, barriers and faults as the emulation does them, against what PTX says put in another way."""

import random
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from bee_sat.gpu_stress.cuda import (
    Argument,
    ContextDead,
    CudaError,
    DeviceMemory,
    ElementType,
    Swizzle,
    TensorMap,
    c_uint32,
    c_uint64,
)
from lab.cuda import build
from lab.cuda.machine import KERNELS
from lab.cuda.probes import Probe, mixed, probing, words


@pytest.fixture(params=["late", "early"])
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    with probing(early=request.param == "early") as found:
        yield found


@pytest.fixture
def late() -> Iterator[Probe]:
    with probing() as found:
        yield found


def test_ldmatrix_gives_each_lane_a_word_of_each_matrix(late: Probe) -> None:
    content = list(range(128))
    order = random.Random(4).sample(range(32), 32)  # rows may lie anywhere
    out = late.memory(32 * 16)
    late.run(
        "probe_ldmatrix",
        [
            late.memory(struct.pack("<128I", *content)),
            late.memory(struct.pack("<32I", *(16 * row for row in order))),
            out,
        ],
    )
    found = struct.unpack("<128I", out.read())
    for lane in range(32):
        for part in range(4):
            row = order[8 * part + lane // 4]
            assert found[lane * 4 + part] == content[row * 4 + lane % 4]


def test_threads_that_do_not_wait_for_each_other_come_in_either_order(probe: Probe) -> None:
    out = probe.memory(64 * 4)
    probe.run("probe_order", [probe.memory(bytes(4)), out], threads=64)
    ascending = tuple(range(64))
    assert struct.unpack("<64I", out.read()) == (ascending[::-1] if probe.early else ascending)


def test_copies_are_there_when_they_were_waited_for_and_no_promise_before(
    probe: Probe,
) -> None:
    out = probe.memory(32 * 24)
    content = [1000 + i for i in range(256)]
    probe.run("probe_cp_async", [probe.memory(struct.pack("<256I", *content)), out])
    found = struct.unpack("<192I", out.read())
    for lane in range(32):
        first, second = content[lane * 8], content[lane * 8 + 4]
        before, between, after = (found[lane * 6 + i : lane * 6 + i + 2] for i in (0, 2, 4))
        assert before == ((first, second) if probe.early else (0, 0))
        assert between == ((first, second) if probe.early else (first, 0))
        assert after == (first, second)


# TMA.


def halves(rows: int, columns: int) -> list[list[int]]:
    return [[row << 8 | column for column in range(columns)] for row in range(rows)]


def boxed(source: list[list[int]], x: int, y: int, rows: int, columns: int) -> bytes:
    """The box, zeros where there is no matrix."""

    def at(row: int, column: int) -> int:
        return source[row][column] if 0 <= row < len(source) and 0 <= column < len(source[0]) else 0

    return b"".join(struct.pack("<H", at(y + r, x + c)) for r in range(rows) for c in range(columns))


def map_of(
    memory: DeviceMemory, rows: int, columns: int, box: tuple[int, int], swizzle: Swizzle
) -> TensorMap:
    return TensorMap(
        memory.address,
        ElementType.FLOAT16,
        rows=rows,
        columns=columns,
        row_bytes=columns * 2,
        box_rows=box[0],
        box_columns=box[1],
        swizzle=swizzle,
    )


@pytest.mark.parametrize(("x", "y"), [(0, 0), (8, 5), (24, 30), (-3, -2), (60, 0), (200, 200)])
@pytest.mark.parametrize("swizzle", list(Swizzle))
def test_a_box_is_clipped_filled_and_swizzled(late: Probe, x: int, y: int, swizzle: Swizzle) -> None:
    rows, columns, span = (
        40,
        64,
        {Swizzle.NONE: 64, Swizzle.B32: 32, Swizzle.B64: 64, Swizzle.B128: 128}[swizzle],
    )
    box = (16, span // 2)
    size = box[0] * span
    source = halves(rows, columns)
    memory = late.memory(b"".join(struct.pack(f"<{columns}H", *row) for row in source))
    out = late.memory(size)
    what = map_of(memory, rows, columns, box, swizzle)
    arguments: list[Argument] = [
        what,
        c_uint32(x % 2**32),
        c_uint32(y % 2**32),
        c_uint32(size),
        c_uint32(0),
        out,
    ]
    late.run("probe_tma_load", arguments, shared_bytes=1024 + size)
    expected = boxed(source, x, y, *box)
    assert out.read() == (expected if swizzle is Swizzle.NONE else mixed(expected, span))


def test_a_multicast_reaches_every_block_and_its_mbarrier(probe: Probe) -> None:
    source = halves(16, 64)
    memory = probe.memory(b"".join(struct.pack("<64H", *row) for row in source))
    out = probe.memory(2 * 2048)
    what = map_of(memory, 16, 64, (16, 64), Swizzle.B128)
    arguments: list[Argument] = [what, *words(0, 0, 2048, 0), out]
    probe.run("probe_tma_multicast", arguments, shared_bytes=1024 + 2048, grid=(2, 1, 1))
    assert out.read() == mixed(boxed(source, 0, 0, 16, 64), 128) * 2


def test_a_store_writes_nothing_outside_the_matrix(probe: Probe) -> None:
    rows, columns = 20, 64
    memory = probe.memory(bytes(rows * columns * 2))
    content = halves(16, 64)
    raw = b"".join(struct.pack("<64H", *(value | 0x8000 for value in row)) for row in content)
    what = map_of(memory, rows, columns, (16, 64), Swizzle.B128)
    arguments: list[Argument] = [
        what,
        c_uint32(24),
        c_uint32(12),
        c_uint32(2048),
        probe.memory(mixed(raw, 128)),
    ]
    probe.run("probe_tma_store", arguments, shared_bytes=2048)
    found = memory.read()
    for row in range(rows):
        for column in range(columns):
            inside = row >= 12 and column >= 24
            expected = (content[row - 12][column - 24] | 0x8000) if inside else 0
            assert struct.unpack_from("<H", found, (row * columns + column) * 2)[0] == expected


def test_a_box_must_begin_where_its_swizzle_does(late: Probe) -> None:
    memory = late.memory(bytes(4096))
    what = map_of(memory, 16, 64, (16, 64), Swizzle.B128)
    arguments: list[Argument] = [
        what,
        c_uint32(0),
        c_uint32(0),
        c_uint32(2048),
        c_uint32(128),
        late.memory(2048),
    ]
    with pytest.raises(ContextDead, match="MISALIGNED"):
        late.run("probe_tma_load", arguments, shared_bytes=4096)


def test_fewer_bytes_than_expected_leave_everybody_waiting(
    late: Probe, capfd: pytest.CaptureFixture[str]
) -> None:
    memory = late.memory(bytes(4096))
    what = map_of(memory, 16, 64, (16, 64), Swizzle.B128)
    arguments: list[Argument] = [
        what,
        c_uint32(0),
        c_uint32(0),
        c_uint32(4096),
        c_uint32(0),
        late.memory(4096),
    ]
    with pytest.raises(ContextDead, match="LAUNCH_FAILED"):
        late.run("probe_tma_load", arguments, shared_bytes=8192)
    assert "deadlock" in capfd.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        {"row_bytes": 130},
        {"box_columns": 72},
        {"box_rows": 257},
        {"box_columns": 0},
        {"rows": 0},
        {"row_bytes": 64},
    ],
)
def test_a_tensor_map_that_the_hardware_cannot_use_is_refused(late: Probe, wrong: dict[str, int]) -> None:
    def made(
        shift: int = 0,
        *,
        rows: int = 16,
        columns: int = 64,
        row_bytes: int = 128,
        box_rows: int = 16,
        box_columns: int = 64,
    ) -> TensorMap:
        return TensorMap(
            memory.address + shift,
            ElementType.FLOAT16,
            rows=rows,
            columns=columns,
            row_bytes=row_bytes,
            box_rows=box_rows,
            box_columns=box_columns,
            swizzle=Swizzle.B128,
        )

    memory = late.memory(4096)
    made()
    with pytest.raises(CudaError, match="INVALID_VALUE"):
        made(**wrong)
    with pytest.raises(CudaError, match="INVALID_VALUE"):
        made(8)


def test_an_mbarrier_counts_arrivals_and_phases(probe: Probe) -> None:
    out = probe.memory(28)
    probe.run("probe_mbarrier", [out], threads=64)
    assert struct.unpack("<7I", out.read()) == (10, 1, 2, 11, 3, 4, 12)


# What kills a kernel.


@pytest.mark.parametrize(
    ("which", "error", "said"),
    [
        (0, "ILLEGAL_ADDRESS", "not its memory"),
        (1, "MISALIGNED_ADDRESS", "not a multiple of 16"),
        (2, "LAUNCH_FAILED", "threads that must do the same do ldmatrix and mma.m16n8k16.bf16"),
        (3, "LAUNCH_FAILED", "deadlock"),
        (4, "ILLEGAL_ADDRESS", "behind its 1024 bytes of shared memory"),
        (5, "LAUNCH_FAILED", "before its asynchronous copies were waited for"),
        (6, "LAUNCH_FAILED", "there is no mbarrier"),
    ],
)
def test_what_a_gpu_would_not_forgive_ends_the_kernel(
    late: Probe, which: int, error: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    memory = late.memory(bytes(256))
    address = memory.address + 256 if which == 0 else memory.address
    with pytest.raises(ContextDead, match=error):
        late.run("probe_fault", [c_uint32(which), c_uint64(address)])
    assert said in capfd.readouterr().err


@pytest.mark.parametrize("name", build.OURS)
def test_both_forms_of_the_instructions_have_the_same_functions(name: str) -> None:
    """The device's and the host's; macros that make several functions are named in the text before them."""

    def functions(path: Path) -> set[str]:
        text = path.read_text()
        made = re.findall(r"^(?:MMA_4_4_2|WGMMA_SIZES)\((\w+),", text, re.MULTILINE)
        plain = re.findall(r"(?:__forceinline__|^inline)\s+[\w:]+\s+(\w+)\s*\(", text, re.MULTILINE)
        return {found for found in (*made, *plain) if found not in ("name", "FUNCTION", "shared_address")}

    host = {found for found in functions(build.HERE / name) if not found.startswith("fake_")}
    assert host == functions(KERNELS / name)
