"""The phase memory: patterns over nearly all free memory, each word read back and compared.

Moving inversions: what is read is at once replaced by its complement, so that every cell is seen in both
states and changes next to neighbours that do. Addresses show cells that answer for others, random data and
walking bits show cells that depend on each other.
"""

from contextlib import ExitStack, closing
from dataclasses import dataclass

from bee_sat.gpu_stress import cuda
from bee_sat.gpu_stress.bench import LAUNCH_SECONDS, Bench, CannotRun, Progress
from bee_sat.gpu_stress.cuda import DeviceMemory, OutOfMemory, c_uint32, c_uint64
from bee_sat.gpu_stress.errors import ErrorBuffer, Errors, Flights, Record, Shown, Tally, bits, prove
from bee_sat.gpu_stress.events import Completed, Coverage, PlannedPhase, Rate, Wrong

WORD_BYTES = 8
CONSTANT, RANDOM, ADDRESS, WALKING_BIT = 0, 2, 4, 6  # each with its complement one higher (kernels/memory.cu)
_CHECKERBOARD = 0x5555555555555555
_ODD = 0x9E3779B97F4A7C15  # spreads a counter over 64 bits (2^64 divided by the golden ratio)

# The driver needs a little memory for itself while kernels run.
_SPARE_BYTES_MAX, _SPARE_SHARE = 256 << 20, 0.02
_CHUNK_BYTES_MAX, _CHUNK_BYTES_MIN = 4 << 30, 2 << 20
_FIRST_PIECE_BYTES = 1 << 20
_IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    number: int
    seed: int

    @property
    def arguments(self) -> tuple[c_uint32, c_uint64]:
        return c_uint32(self.number), c_uint64(self.seed)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one launch works on."""

    address: int
    words: int


def patterns(number: int) -> tuple[Pattern, ...]:
    """The patterns of one pass, in order; another seed in each."""
    seed = (number + 1) * _ODD % (1 << 64)
    return tuple(
        Pattern(kind + complement, _CHECKERBOARD if kind == CONSTANT else seed)
        for kind in (CONSTANT, RANDOM, ADDRESS, WALKING_BIT)
        for complement in (0, 1)
    )


def run(bench: Bench, planned: PlannedPhase) -> Completed:
    """Raises Stopped, CannotRun, CudaError."""
    progress = Progress(bench, planned)
    progress.now("allocating the memory")
    with ExitStack() as stack:
        buffer = stack.enter_context(ErrorBuffer(bench, _IN_FLIGHT))
        free = bench.context.free_memory_bytes()
        chunks = _allocate(bench, stack)
        tested = sum(chunk.size_bytes for chunk in chunks)
        test = _Test(bench, planned, progress, buffer, _pieces(bench, chunks))
        proved = test.prove()
        test.run_passes()
        coverage = Coverage(tested_bytes=tested, free_bytes=free, total_bytes=bench.gpu.memory_total_bytes)
        return test.result(proved, coverage)


class _Test:
    def __init__(
        self,
        bench: Bench,
        planned: PlannedPhase,
        progress: Progress,
        buffer: ErrorBuffer,
        pieces: tuple[Piece, ...],
    ) -> None:
        self._bench = bench
        self._progress = progress
        self._planned = planned
        self._buffer = buffer
        self._pieces = pieces
        self._words = sum(piece.words for piece in pieces)
        self._tally = Tally(bench, planned)
        self._passes = 0
        self._began = 0.0
        self._seconds = 0.0

    def prove(self) -> bool:
        self._progress.now("proving the check")
        piece, pattern = self._pieces[len(self._pieces) // 2], Pattern(RANDOM, _ODD)
        self._launch("memory_fill", piece, *pattern.arguments)
        index = piece.words // 3
        shown = Shown(
            check=lambda: self._launch("memory_check", piece, *pattern.arguments, self._buffer.argument),
            describe=lambda record: self._wrong(piece, record),
            compared=piece.words,
            address=piece.address + index * WORD_BYTES,
            index=index,
            width_bytes=WORD_BYTES,
        )
        return prove(self._tally, self._buffer, shown)

    def run_passes(self) -> None:
        """At least one whole pass; then until the time is up."""
        self._began = self._progress.elapsed
        with closing(Flights(self._bench, _IN_FLIGHT)) as flights:
            while True:
                self._pass(flights)
                self._passes += 1
                self._seconds = self._progress.elapsed - self._began
                if self._progress.time_is_up or self._tally.enough:
                    break

    def _pass(self, flights: Flights) -> None:
        sequence = patterns(self._passes)
        self._progress.now(f"pass {self._passes + 1}: filling")
        for piece in self._pieces:
            self._launch("memory_fill", piece, *sequence[0].arguments)
            self._depart(flights, piece, 0)
        self._break(flights)
        for step, old in enumerate(sequence):
            self._progress.doing = f"pass {self._passes + 1}: pattern {step + 1} of {len(sequence)}"
            fresh = sequence[step + 1] if step + 1 < len(sequence) else None
            for piece in self._pieces:
                self._bench.check_stop()
                if fresh is None:
                    self._launch("memory_check", piece, *old.arguments, self._buffer.argument)
                else:
                    arguments = (*old.arguments, *fresh.arguments, self._buffer.argument)
                    self._launch("memory_check_fill", piece, *arguments)
                self._depart(flights, piece, piece.words)
        flights.land_all()

    def _break(self, flights: Flights) -> None:
        """The faults that were asked for, between write and read of the first pattern."""
        if self._passes == 0 and self._planned.round == 1:
            if "flip-memory" in self._bench.faults:
                piece = self._pieces[len(self._pieces) // 2]
                self._bench.flip(piece.address + piece.words // 2 * WORD_BYTES, 1 << 37, WORD_BYTES)
            flights.land_all()
            self._bench.hang_if_told()

    def _depart(self, flights: Flights, piece: Piece, compared: int) -> None:
        slot = flights.next
        self._buffer.fetch(slot)
        flights.depart(lambda: self._land(self._buffer.read(slot), piece, compared))

    def _land(self, errors: Errors, piece: Piece, compared: int) -> None:
        self._tally.take(errors, compared, lambda record: self._wrong(piece, record))
        self._progress.tell(errors.compared, errors.wrong)

    def _wrong(self, piece: Piece, record: Record) -> Wrong:
        return Wrong(
            gpu=self._planned.gpu,
            phase=self._planned.phase,
            round=self._planned.round,
            what="memory word",
            index=record.index,
            address=hex(piece.address + record.index * WORD_BYTES),
            expected=bits(record.expected, WORD_BYTES),
            got=bits(record.got, WORD_BYTES),
            sm=record.multiprocessor,
        )

    def _launch(self, symbol: str, piece: Piece, *more: cuda.Argument) -> None:
        arguments = (c_uint64(piece.address), c_uint64(piece.words), *more)
        self._bench.kernels.launch(symbol, arguments, self._bench.stream)

    def result(self, proved: bool, coverage: Coverage) -> Completed:
        errors = self._tally.errors
        # A pass writes all once, and once more with each check but the last; each check reads all.
        touched = self._passes * self._words * WORD_BYTES * 2 * len(patterns(0))
        rate = Rate(name="patterns", value=touched / self._seconds / 1e9, unit="GB/s", judged=False)
        return Completed(
            seconds=round(self._progress.elapsed, 3),
            iterations=self._passes,
            compared=errors.compared,
            wrong=errors.wrong,
            self_proof=proved,
            rates=(rate,),
            coverage=coverage,
            size=f"{coverage.tested_bytes / (1 << 30):.1f} GiB",
        )


def _allocate(bench: Bench, stack: ExitStack) -> list[DeviceMemory]:
    """Nearly all that is free, in chunks that become smaller where memory is in pieces."""
    free = bench.context.free_memory_bytes()
    spare = min(_SPARE_BYTES_MAX, int(free * _SPARE_SHARE))
    left = min(bench.room_bytes(), free - spare)
    chunks: list[DeviceMemory] = []
    chunk = min(_CHUNK_BYTES_MAX, max(_CHUNK_BYTES_MIN, left // 16))
    chunk -= chunk % _CHUNK_BYTES_MIN
    while left >= WORD_BYTES * 2:
        size = min(chunk, left) // 16 * 16
        bench.check_stop()
        try:
            chunks.append(stack.enter_context(DeviceMemory(size)))
            left -= size
        except OutOfMemory:
            if size <= _CHUNK_BYTES_MIN:
                break
            chunk = max(_CHUNK_BYTES_MIN, size // 2)
    if not chunks:
        raise CannotRun(f"none of its memory is free ({free} bytes)", fault=False)
    return chunks


def _pieces(bench: Bench, chunks: list[DeviceMemory]) -> tuple[Piece, ...]:
    """The chunks cut so that no launch takes too long on this GPU, which is measured."""
    biggest = max(chunk.size_bytes for chunk in chunks)
    size = min(_FIRST_PIECE_BYTES, biggest)
    # Reading, comparing and writing takes two or three times as long as writing.
    longest = LAUNCH_SECONDS / (3 * 4)
    while size < biggest:
        arguments = (c_uint64(chunks[0].address), c_uint64(size // WORD_BYTES), *Pattern(RANDOM, 1).arguments)
        seconds = bench.timed(
            lambda arguments=arguments: bench.kernels.launch("memory_fill", arguments, bench.stream),  # type: ignore[misc]
            limit_seconds=longest,
        )
        if seconds > longest:
            break
        size = min(size * 4, biggest)
    return tuple(
        Piece(chunk.address + offset, min(size, chunk.size_bytes - offset) // WORD_BYTES)
        for chunk in chunks
        for offset in range(0, chunk.size_bytes, size)
    )
