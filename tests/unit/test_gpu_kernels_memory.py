"""The memory, bandwidth and fault kernels run on the CPU, against patterns computed here."""

import struct
import time
from collections.abc import Iterator

import pytest

from bee_sat.gpu_stress.cuda import DeviceMemory, c_uint32, c_uint64
from lab.cuda.workbench import Workbench, holding, workbench

ALL_ONES = (1 << 64) - 1
SEED = 0x0123456789ABCDEF
MEMORY = 2  # ErrorKind
WORDS = [0, 1, 2, 3, 511, 512, 513, 2047, 2048, 4099, 10000]
PATTERNS = range(8)


@pytest.fixture(scope="module")
def gpu() -> Iterator[Workbench]:
    with workbench("lab") as bench:
        yield bench


def word(pattern: int, seed: int, index: int, base: int) -> int:
    """Constant, random, address, walking bit; each odd number is the complement of the one before."""
    if pattern // 2 == 0:
        plain = seed
    elif pattern // 2 == 1:
        mixed = (index * 0x9E3779B97F4A7C15 + seed) & ALL_ONES
        mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & ALL_ONES
        plain = mixed ^ mixed >> 32
    elif pattern // 2 == 2:
        plain = base + 8 * index
    else:
        plain = 1 << (index + seed) % 64
    return plain ^ (ALL_ONES if pattern % 2 else 0)


def words(pattern: int, seed: int, count: int, base: int) -> bytes:
    return struct.pack(f"<{count}Q", *(word(pattern, seed, index, base) for index in range(count)))


def filled(gpu: Workbench, pattern: int, seed: int, count: int) -> DeviceMemory:
    """With one word more than asked for, which nobody may touch."""
    memory = holding(b"\x5a" * (8 * count + 8))
    gpu.run("memory_fill", memory, c_uint64(count), c_uint32(pattern), c_uint64(seed))
    return memory


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("count", WORDS)
def test_a_pattern_fills_its_words_and_none_beyond(gpu: Workbench, pattern: int, count: int) -> None:
    with filled(gpu, pattern, SEED, count) as memory:
        assert memory.read() == words(pattern, SEED, count, memory.address) + b"\x5a" * 8


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("count", WORDS)
def test_what_was_filled_is_found_whole(gpu: Workbench, pattern: int, count: int) -> None:
    with filled(gpu, pattern, SEED, count) as memory:
        found = gpu.check("memory_check", memory, c_uint64(count), c_uint32(pattern), c_uint64(SEED))
    assert (found.compared, found.wrong, found.records) == (count, 0, [])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_cell_that_changed_is_found_at_its_place(gpu: Workbench, pattern: int) -> None:
    count = 5001
    for index in (0, 1, 1024, 4097, count - 1):
        with filled(gpu, pattern, SEED, count) as memory:
            gpu.run("flip", c_uint64(memory.address + 8 * index + 3), c_uint64(0x10), c_uint32(1))
            found = gpu.check("memory_check", memory, c_uint64(count), c_uint32(pattern), c_uint64(SEED))
            expected = word(pattern, SEED, index, memory.address)
        assert found.records == [(index, expected, expected ^ 0x10 << 24, MEMORY)]
        assert (found.compared, found.wrong) == (count, 1)


@pytest.mark.parametrize("old", PATTERNS)
@pytest.mark.parametrize("count", [1, 513, 4096, 5001])
def test_checking_and_filling_at_once_leaves_the_next_pattern(gpu: Workbench, old: int, count: int) -> None:
    new = (old + 1) % 8
    with filled(gpu, old, SEED, count) as memory:
        patterns = (c_uint32(old), c_uint64(SEED), c_uint32(new), c_uint64(99))
        found = gpu.check("memory_check_fill", memory, c_uint64(count), *patterns)
        assert (found.compared, found.wrong) == (count, 0)
        assert memory.read() == words(new, 99, count, memory.address) + b"\x5a" * 8


def test_checking_and_filling_at_once_finds_what_was_wrong_before(gpu: Workbench) -> None:
    with filled(gpu, 2, SEED, 3000) as memory:
        memory.write(bytes(8), offset=8 * 2999)
        memory.write(bytes(8), offset=8 * 17)
        patterns = (c_uint32(2), c_uint64(SEED), c_uint32(3), c_uint64(SEED))
        found = gpu.check("memory_check_fill", memory, c_uint64(3000), *patterns)
        again = gpu.check("memory_check", memory, c_uint64(3000), c_uint32(3), c_uint64(SEED))
    assert sorted(record[0] for record in found.records) == [17, 2999]
    assert all(record[2] == 0 for record in found.records)
    assert again.wrong == 0


def test_a_row_that_answers_for_another_shows_in_every_pattern_but_the_constant(gpu: Workbench) -> None:
    """An address line that is stuck: the second half of the memory is the first."""
    for pattern in PATTERNS:
        with filled(gpu, pattern, SEED, 4098) as memory:
            memory.write(memory.read(8 * 2049), offset=8 * 2049)
            found = gpu.check("memory_check", memory, c_uint64(4098), c_uint32(pattern), c_uint64(SEED))
        assert found.wrong == (0 if pattern < 2 else 2049)


def test_random_words_have_as_many_ones_as_zeros_in_every_bit() -> None:
    sample = [word(2, SEED, index, 0) for index in range(4000)]
    for bit in range(64):
        assert 1800 < sum(value >> bit & 1 for value in sample) < 2200
    assert len(set(sample)) == 4000


@pytest.mark.parametrize("size", [16, 48, 4096, 32768, 32784, 100000])
def test_reading_says_how_much_was_read_and_what_it_adds_up_to(gpu: Workbench, size: int) -> None:
    content = struct.pack(f"<{size // 8}Q", *(word(2, 5, index, 0) for index in range(size // 8)))
    with holding(content) as memory, holding(bytes(16)) as sink:
        gpu.run("bandwidth_read", memory, c_uint64(size), sink)
        read, total = struct.unpack("<2Q", sink.read())
    assert read == size
    assert total == sum(struct.unpack(f"<{size // 8}Q", content)) & ALL_ONES


@pytest.mark.parametrize("size", [16, 48, 32768, 100000])
def test_writing_and_copying_leave_what_they_should_and_nothing_beyond(gpu: Workbench, size: int) -> None:
    content = bytes(index * 37 % 251 for index in range(size))
    guard = b"\x5a" * 16
    with holding(content) as source, holding(b"\x5a" * (size + 16)) as to:
        gpu.run("bandwidth_copy", to, source, c_uint64(size))
        assert to.read() == content + guard
        gpu.run("bandwidth_write", to, c_uint64(size), c_uint64(SEED))
        assert to.read() == struct.pack("<Q", SEED) * (size // 8) + guard


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_a_flip_changes_the_masked_bits_of_one_cell(gpu: Workbench, width: int) -> None:
    before = bytes(range(32))
    with holding(before) as memory:
        gpu.run("flip", c_uint64(memory.address + 8), c_uint64(ALL_ONES), c_uint32(width), blocks=4)
        after = memory.read()
    flipped = bytes(value ^ 0xFF for value in before[8 : 8 + width])
    assert after == before[:8] + flipped + before[8 + width :]


@pytest.mark.parametrize("element_bytes", [1, 2, 4, 8])
@pytest.mark.parametrize(("rows", "columns", "shift"), [(1, 1, 0), (10, 300, 0), (200, 61, 60), (7, 1024, 3)])
def test_an_operand_repeats_its_table(
    gpu: Workbench, element_bytes: int, rows: int, columns: int, shift: int
) -> None:
    table_rows, table_columns = 61, 254
    lines = [
        [bytes([row, column, row ^ column, 1, 2, 3, 4, 5])[:element_bytes] for column in range(table_columns)]
        for row in range(table_rows)
    ]
    want = b"".join(
        lines[(row + shift) % table_rows][column % table_columns]
        for row in range(rows)
        for column in range(columns)
    )
    with (
        holding(b"".join(b"".join(line) for line in lines)) as table,
        holding(b"\x5a" * (len(want) + 16)) as out,
    ):
        of_table = map(c_uint64, (table_rows, table_columns, shift))
        gpu.run(f"operand_fill_{element_bytes}", out, c_uint64(rows), c_uint64(columns), table, *of_table)
        assert out.read() == want + b"\x5a" * 16


def spun(gpu: Workbench, seconds: float, stop: int | None) -> float:
    with holding(struct.pack("<I", stop or 0)) as cell:
        address = c_uint64(0 if stop is None else cell.address)
        started = time.monotonic()
        gpu.run("spin", c_uint64(int(seconds * 1e9)), address, blocks=1)
        cell.read()
        return time.monotonic() - started


def test_a_spin_lasts_as_long_as_it_was_told_and_ends_when_it_is_stopped(gpu: Workbench) -> None:
    assert spun(gpu, 0.05, None) >= 0.05
    assert spun(gpu, 0.05, 0) >= 0.05
    assert spun(gpu, 60, 1) < 5
