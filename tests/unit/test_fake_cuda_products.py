"""Matrix products as the emulation does them, against what PTX says of them put in another way."""

import random
import struct
from collections.abc import Callable, Iterator, Sequence

import pytest

from bee_sat.gpu_stress.cuda import (
    Argument,
    c_uint32,
    c_uint64,
)
from lab.cuda.probes import Probe, mixed, probing, words

Matrix = list[list[float]]


@pytest.fixture(params=["late", "early"])
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    with probing(early=request.param == "early") as found:
        yield found


@pytest.fixture
def late() -> Iterator[Probe]:
    with probing() as found:
        yield found


# Numbers as the instructions take them.


def bf16(value: float) -> bytes:
    return struct.pack("<f", value)[2:]


def fp16(value: float) -> bytes:
    return struct.pack("<e", value)


def fp32(value: float) -> bytes:
    return struct.pack("<f", value)


def fp64(value: float) -> bytes:
    return struct.pack("<d", value)


def e4m3(value: float) -> bytes:
    """Small integers: 0 to 15 and their negatives."""
    size = abs(int(value))
    if size == 0:
        return bytes((0x80 if value < 0 else 0,))
    exponent = size.bit_length() - 1
    fraction = (size << 3 >> exponent) & 7
    return bytes(((0x80 if value < 0 else 0) | exponent + 7 << 3 | fraction,))


def matrix(rows: int, columns: int, largest: int, seed: int) -> Matrix:
    source = random.Random(seed)
    return [[float(source.randint(-largest, largest)) for _ in range(columns)] for _ in range(rows)]


def product(a: Matrix, b: Matrix, c: Matrix) -> Matrix:
    """a·b + c, a as rows and b as columns."""
    return [
        [c[i][j] + sum(x * y for x, y in zip(a[i], b[j], strict=True)) for j in range(len(b))]
        for i in range(len(a))
    ]


# A warp's matrices are 8 × 4 words: row r of 8 is held by lanes 4r to 4r + 3, a word each. Larger ones
# are made of such, first downwards, then to the right.


def words_of(
    rows: Sequence[Sequence[float]], encode: Callable[[float], bytes], word: int
) -> list[list[bytes]]:
    """For each lane its words of a matrix, in the order of the 8-row, 4-word pieces."""
    packed = [b"".join(map(encode, row)) for row in rows]
    lanes: list[list[bytes]] = [[] for _ in range(32)]
    for right in range(0, len(packed[0]), 4 * word):
        for down in range(0, len(packed), 8):
            for lane in range(32):
                start = right + lane % 4 * word
                lanes[lane].append(packed[down + lane // 4][start : start + word])
    return lanes


def results_of(lanes: Sequence[Sequence[float]], rows: int) -> Matrix:
    """Two neighbours of a row in each lane, pieces of 8 rows downwards."""
    found: Matrix = [[0.0] * 8 for _ in range(rows)]
    for lane, values in enumerate(lanes):
        for down in range(rows // 8):
            for i in range(2):
                found[8 * down + lane // 4][lane % 4 * 2 + i] = values[2 * down + i]
    return found


def multiply(
    probe: Probe, which: int, a: Sequence[bytes], b: Sequence[bytes], c: Sequence[bytes], result: str
) -> list[tuple[float, ...]]:
    """Each lane's registers in, each lane's results out."""
    given = b"".join(
        mine_a.ljust(32, b"\0") + mine_b.ljust(32, b"\0") + mine_c.ljust(64, b"\0")
        for mine_a, mine_b, mine_c in zip(a, b, c, strict=True)
    )
    out = probe.memory(32 * 128)
    probe.run("probe_mma", [probe.memory(given), out, c_uint32(which)])
    raw = out.read()
    return [struct.unpack_from(result, raw, lane * 128) for lane in range(32)]


@pytest.mark.parametrize(
    ("which", "rows", "depth", "encode", "word", "largest", "answer"),
    [
        pytest.param(0, 16, 16, bf16, 4, 200, fp32, id="m16n8k16 bf16"),
        pytest.param(1, 16, 16, fp16, 4, 200, fp32, id="m16n8k16 fp16"),
        pytest.param(2, 16, 8, fp32, 4, 500, fp32, id="m16n8k8 tf32"),
        pytest.param(3, 16, 32, e4m3, 4, 7, fp32, id="m16n8k32 e4m3"),
        pytest.param(4, 16, 8, fp16, 4, 200, fp32, id="m16n8k8 fp16"),
        pytest.param(6, 8, 4, fp64, 8, 10**6, fp64, id="m8n8k4 fp64"),
        pytest.param(7, 16, 8, fp64, 8, 10**6, fp64, id="m16n8k8 fp64"),
    ],
)
def test_a_warp_multiplies_matrices(
    late: Probe,
    which: int,
    rows: int,
    depth: int,
    encode: Callable[[float], bytes],
    word: int,
    largest: int,
    answer: Callable[[float], bytes],
) -> None:
    a, b, c = matrix(rows, depth, largest, 1), matrix(8, depth, largest, 2), matrix(rows, 8, largest, 3)
    results = 2 * rows // 8
    lanes = multiply(
        late,
        which,
        [b"".join(words) for words in words_of(a, encode, word)],
        [b"".join(words) for words in words_of(b, encode, word)],
        [b"".join(words) for words in words_of(c, answer, 2 * len(answer(0)))],
        f"<{results}{'d' if answer is fp64 else 'f'}",
    )
    assert results_of(lanes, rows) == product(a, b, c)


def test_volta_multiplies_four_pairs_of_matrices_at_once(late: Probe) -> None:
    """Lanes 4q … 4q+3 hold rows 0 to 3 of product q, lanes 16+4q … the rows 4 to 7. The ISA's figures show
    lane 0 with the results (0,0) (0,1) (2,0) (2,1) (0,4) (0,5) (2,4) (2,5).
    """
    owners = [[4 * q + t if t < 4 else 16 + 4 * q + t - 4 for t in range(8)] for q in range(4)]
    products = [
        (matrix(8, 4, 50, 10 + q), matrix(8, 4, 50, 20 + q), matrix(8, 8, 50, 30 + q)) for q in range(4)
    ]
    a, b, c = ([b""] * 32 for _ in range(3))
    figure = [(0, 0), (0, 1), (2, 0), (2, 1), (0, 4), (0, 5), (2, 4), (2, 5)]

    def place(t: int, i: int) -> tuple[int, int]:
        row, column = figure[i]
        return row + t % 2 + (4 if t >= 4 else 0), column + (2 if t % 4 >= 2 else 0)

    for q, (left, right, added) in enumerate(products):
        for t, lane in enumerate(owners[q]):
            a[lane], b[lane] = (b"".join(map(fp16, rows[t])) for rows in (left, right))
            c[lane] = b"".join(fp32(added[row][column]) for row, column in (place(t, i) for i in range(8)))
    lanes = multiply(late, 5, a, b, c, "<8f")
    for q, (left, right, added) in enumerate(products):
        expected = product(left, right, added)
        for t, lane in enumerate(owners[q]):
            assert lanes[lane] == tuple(
                expected[row][column] for row, column in (place(t, i) for i in range(8))
            )


def test_fp8_on_hopper_forgets_what_is_far_below_the_largest_addend(late: Probe) -> None:
    """8192 + 1 is right with 13 bits, 16384 + 1 is not; with fp32's 23 bits it would be."""
    one = [b"".join(words) for words in words_of([[1.0] + [0.0] * 31] * 16, e4m3, 4)]
    ones = [b"".join(words) for words in words_of([[1.0] + [0.0] * 31] * 8, e4m3, 4)]
    for start, expected in ((8192.0, 8193.0), (16384.0, 16384.0)):
        c = [fp32(start) * 4] * 32
        assert multiply(late, 3, one, ones, c, "<4f")[0] == (expected,) * 4
    small = [b"".join(words) for words in words_of([[1.0] + [0.0] * 15] * 16, bf16, 4)]
    smalls = [b"".join(words) for words in words_of([[1.0] + [0.0] * 15] * 8, bf16, 4)]
    assert multiply(late, 0, small, smalls, [fp32(16384.0) * 4] * 32, "<4f")[0] == (16385.0,) * 4
    assert multiply(late, 0, small, smalls, [fp32(2.0**24) * 4] * 32, "<4f")[0] == (2.0**24,) * 4


def test_what_is_not_a_number_stays_that(late: Probe) -> None:
    nothing = [bytes(16)] * 32
    infinite = [bf16(float("inf")) + bytes(14), *nothing[1:]]
    found = multiply(late, 0, infinite, nothing, nothing, "<4f")
    assert found[0][0] != found[0][0] and found[4][0] == 0  # infinity times 0, in row 0 only


# wgmma: operands in shared memory by a descriptor.


def descriptor(leading: int, stride: int, mode: int) -> int:
    return leading >> 4 << 16 | stride >> 4 << 32 | mode << 62


def core_matrices(rows: Matrix, encode: Callable[[float], bytes]) -> bytes:
    """Without a swizzle: 8 rows of 16 bytes each, such pieces downwards first, then along K."""
    packed = [b"".join(map(encode, row)) for row in rows]
    return b"".join(
        packed[row][k : k + 16] for k in range(0, len(packed[0]), 16) for row in range(len(packed))
    )


@pytest.mark.parametrize("span", [0, 32, 64, 128])
@pytest.mark.parametrize("kind", ["bf16", "e4m3"])
def test_a_warpgroup_multiplies_what_descriptors_name(probe: Probe, span: int, kind: str) -> None:
    encode, size, largest = (bf16, 2, 100) if kind == "bf16" else (e4m3, 1, 3)
    row_bytes = span or 64
    depth, steps = row_bytes // size, row_bytes // 32
    a, b = matrix(64, depth, largest, 5), matrix(128, depth, largest, 6)
    if span == 0:
        shared_a, shared_b = core_matrices(a, encode), core_matrices(b, encode)
        descriptors = [descriptor(rows * 16, 128, 0) for rows in (64, 128)]
        along = [rows * 16 * 2 >> 4 for rows in (64, 128)]
    else:
        shared_a, shared_b = (mixed(b"".join(encode(v) for row in m for v in row), span) for m in (a, b))
        descriptors = [descriptor(16, 8 * span, {128: 1, 64: 2, 32: 3}[span])] * 2
        along = [32 >> 4] * 2
    if span == 0:
        steps, a, b = 1, [row[: 32 // size] for row in a], [row[: 32 // size] for row in b]
    content = probe.memory(shared_a.ljust(8192, b"\0") + shared_b.ljust(16384, b"\0"))
    out = probe.memory(128 * 64 * 4)
    arguments: list[Argument] = [
        content,
        out,
        *map(c_uint64, descriptors),
        *words(steps, along[0], int(kind == "e4m3")),
    ]
    probe.run("probe_wgmma", arguments, threads=128, shared_bytes=24576)
    found = struct.unpack("<8192f", out.read())
    expected = product(a, b, [[0.0] * 128 for _ in range(64)])
    for thread in range(128):
        warp, lane = divmod(thread, 32)
        for i in range(64):
            piece, within = divmod(i, 4)
            row = 16 * warp + lane // 4 + (8 if within >= 2 else 0)
            column = 8 * piece + 2 * (lane % 4) + within % 2
            assert found[thread * 64 + i] == expected[row][column], (thread, i)
