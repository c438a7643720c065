"""The checks of results, run on the CPU: every element counted, faults found at their place, nothing else."""

import struct
from collections.abc import Iterator

import pytest

from bee_sat.gpu_stress.cuda import DeviceMemory, c_uint64
from lab.cuda.workbench import ERROR_BYTES, Found, Workbench, holding, workbench

PERIOD_M, PERIOD_N = 61, 59
RESULT = 1  # ErrorKind
FORMATS = {4: "f", 8: "d"}


@pytest.fixture(scope="module")
def gpu() -> Iterator[Workbench]:
    with workbench("lab") as bench:
        yield bench


def table() -> list[float]:
    return [float(7 * index - 9000) for index in range(PERIOD_M * PERIOD_N)]


def matrix(rows: int, columns: int, shift_m: int = 0, shift_n: int = 0) -> list[float]:
    known = table()
    return [
        known[(row + shift_m) % PERIOD_M * PERIOD_N + (column + shift_n) % PERIOD_N]
        for row in range(rows)
        for column in range(columns)
    ]


def packed(values: list[float], size: int) -> bytes:
    return struct.pack(f"<{len(values)}{FORMATS[size]}", *values)


def bits(value: float, size: int) -> int:
    return int.from_bytes(packed([value], size), "little")


def check(
    gpu: Workbench,
    content: bytes,
    rows: int,
    columns: int,
    size: int,
    shifts: tuple[int, int] = (0, 0),
    blocks: int = 3,
    expected: bytes | None = None,
) -> Found:
    numbers = [c_uint64(number) for number in (PERIOD_M, PERIOD_N, *shifts)]
    with (
        holding(content) as c,
        holding(expected or packed(table(), size)) as known,
        holding(bytes(ERROR_BYTES)) as errors,
    ):
        sizes = (c_uint64(rows), c_uint64(columns))
        gpu.run(f"check_result_{size}", c, *sizes, known, *numbers, errors, blocks=blocks)
        return Found.read(errors)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        *((1, 1), (1, 4), (3, 5), (61, 59), (60, 60), (62, 118), (128, 256), (40, 1028)),
        *((61 * 32 + 1, 8), (61 * 33, 12), (4000, 2), (2, 2050)),
    ],
)
def test_what_is_right_is_found_right_and_all_of_it_is_counted(
    gpu: Workbench, size: int, rows: int, columns: int
) -> None:
    found = check(gpu, packed(matrix(rows, columns, 60, 3), size), rows, columns, size, (60, 3))
    assert found == Found(rows * columns, 0, 0, 0, [])


@pytest.mark.parametrize("blocks", [1, 2, 7, 100])
def test_any_number_of_blocks_compares_each_element_once(gpu: Workbench, blocks: int) -> None:
    found = check(gpu, packed(matrix(70, 1100), 4), 70, 1100, 4, blocks=blocks)
    assert (found.compared, found.wrong) == (77000, 0)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("columns", [256, 255], ids=["16 bytes at a time", "one by one"])
@pytest.mark.parametrize("bit", [0, 12, 30])
def test_one_flipped_bit_is_found_at_its_place(gpu: Workbench, size: int, columns: int, bit: int) -> None:
    rows = 130
    for index in (0, 1, columns - 1, 61 * columns + 3, rows * columns - 1):
        content = bytearray(packed(matrix(rows, columns), size))
        content[index * size + bit // 8] ^= 1 << bit % 8
        found = check(gpu, bytes(content), rows, columns, size)
        expected = bits(matrix(rows, columns)[index], size)
        assert found.records == [(index, expected, expected ^ 1 << bit, RESULT)]
        assert (found.compared, found.wrong) == (rows * columns, 1)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_finite_number_is_wrong_and_counted_as_such(
    gpu: Workbench, size: int, value: float
) -> None:
    values = matrix(20, 100)
    values[777] = value
    found = check(gpu, packed(values, size), 20, 100, size)
    assert (found.compared, found.wrong, found.not_finite) == (2000, 1, 1)
    assert found.records[0][0] == 777


def test_a_result_that_nobody_wrote_is_wrong_everywhere(gpu: Workbench) -> None:
    found = check(gpu, b"\xff" * (4 * 64 * 64), 64, 64, 4)
    assert (found.compared, found.wrong, found.not_finite) == (4096, 4096, 4096)
    assert found.wanted_records == 4096
    assert len(found.records) == 64
    assert len({record[0] for record in found.records}) == 64


def test_the_result_of_another_shift_is_wrong(gpu: Workbench) -> None:
    """What is left from the launch before does not pass for this one's."""
    found = check(gpu, packed(matrix(64, 64, 1, 0), 4), 64, 64, 4, (2, 0))
    assert found.wrong == 4096


def test_a_zero_of_either_sign_is_zero_but_no_other_number_is(gpu: Workbench) -> None:
    known = packed([0.0] * (PERIOD_M * PERIOD_N), 4)
    negative = check(gpu, packed([-0.0] * 64, 4), 8, 8, 4, expected=known)
    assert (negative.compared, negative.wrong) == (64, 0)
    smallest = check(gpu, struct.pack("<64I", *[0x80000001] * 64), 8, 8, 4, expected=known)
    assert smallest.wrong == 64


def test_errors_add_up_over_launches(gpu: Workbench) -> None:
    content = bytearray(packed(matrix(8, 8), 4))
    content[100] ^= 4
    with (
        holding(bytes(content)) as c,
        holding(packed(table(), 4)) as known,
        DeviceMemory(ERROR_BYTES) as errors,
    ):
        errors.write(bytes(ERROR_BYTES))
        sizes = [c_uint64(number) for number in (PERIOD_M, PERIOD_N, 0, 0)]
        for _ in range(3):
            gpu.run("check_result_4", c, c_uint64(8), c_uint64(8), known, *sizes, errors)
        found = Found.read(errors)
    assert (found.compared, found.wrong, [record[0] for record in found.records]) == (192, 3, [25] * 3)
