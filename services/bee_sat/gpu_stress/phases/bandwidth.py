"""The phase bandwidth: how fast the GPU reads, writes and copies its own memory, with the data compared."""

from collections.abc import Callable
from contextlib import ExitStack

from bee_sat.gpu_stress.bench import LAUNCH_SECONDS, Bench, CannotRun, Progress
from bee_sat.gpu_stress.cuda import Attribute, DeviceMemory, Event, c_uint64
from bee_sat.gpu_stress.errors import ErrorBuffer, Record, Shown, Tally, bits, prove
from bee_sat.gpu_stress.events import Completed, PlannedPhase, Rate, Wrong
from bee_sat.gpu_stress.phases.memory import CONSTANT, RANDOM, WORD_BYTES, Pattern

_FIRST_BYTES = 1 << 20
_BYTES_MAX = 1 << 30  # far more than any GPU's cache
_ROOM_SHARE = 4  # of the free memory two buffers of this part are taken
_REPEATS = 4  # launches of one measurement
_LAUNCHES = 1 + _REPEATS  # with the one before it that is not measured
_CACHES = 4  # as large as so many of the GPU's caches is large enough to measure with
_SOURCE = Pattern(RANDOM, 0x0123456789ABCDEF)
_WRITTEN = 0xA5A5A5A5C3C3C3C3


def run(bench: Bench, planned: PlannedPhase) -> Completed:
    """Raises Stopped, CannotRun, CudaError."""
    progress = Progress(bench, planned)
    progress.now("choosing a size")
    with ExitStack() as stack:
        buffer = stack.enter_context(ErrorBuffer(bench, 1))
        source, target, cramped = _buffers(bench, stack)
        test = _Test(bench, planned, progress, buffer, source, target, cramped=cramped)
        progress.now("proving the check")
        proved = test.prove()
        rounds = 0
        while not (rounds and (progress.time_is_up or test.tally.enough)):
            test.round()
            rounds += 1
        return test.result(proved, rounds)


class _Test:
    def __init__(
        self,
        bench: Bench,
        planned: PlannedPhase,
        progress: Progress,
        errors: ErrorBuffer,
        source: DeviceMemory,
        target: DeviceMemory,
        *,
        cramped: bool,
    ) -> None:
        self._bench = bench
        self._progress = progress
        self._planned = planned
        self._buffer = errors
        self._source = source
        self._target = target
        self._bytes = source.size_bytes
        self._cramped = cramped
        self._sink = DeviceMemory(16)
        self._best: dict[str, float] = {}
        self.tally = Tally(bench, planned)
        self._fill(source, _SOURCE)

    def prove(self) -> bool:
        index = self._bytes // WORD_BYTES // 3
        shown = Shown(
            check=lambda: self._check(self._source, _SOURCE),
            describe=self._wrong,
            compared=self._bytes // WORD_BYTES,
            address=self._source.address + index * WORD_BYTES,
            index=index,
            width_bytes=WORD_BYTES,
        )
        return prove(self.tally, self._buffer, shown)

    def round(self) -> None:
        """Each kind once: measured, then compared."""
        size = c_uint64(self._bytes)
        self._measure(
            "write", 1, lambda: self._start("bandwidth_write", self._target, size, c_uint64(_WRITTEN))
        )
        self._compare(Pattern(CONSTANT, _WRITTEN))
        self._measure("copy", 2, lambda: self._start("bandwidth_copy", self._target, self._source, size))
        self._compare(_SOURCE)
        self._sink.fill(0, self._bench.stream)
        self._fill(self._target, Pattern(CONSTANT, _WRITTEN))
        self._measure("read", 1, lambda: self._start("bandwidth_read", self._target, size, self._sink))
        self._check_sink()

    def _measure(self, name: str, factor: int, start: Callable[[], None]) -> None:
        self._progress.now(f"{name}: {self._bytes / (1 << 20):g} MiB")
        with Event() as before, Event() as after:
            start()  # the first launch of a kernel loads it, and a short run has no second round
            before.record(self._bench.stream)
            for _ in range(_REPEATS):
                start()
            after.record(self._bench.stream)
            self._bench.wait(after)
            seconds = after.seconds_since(before)
        if seconds > 0:
            rate = factor * _REPEATS * self._bytes / seconds / 1e9
            self._best[name] = max(rate, self._best.get(name, 0.0))

    def _compare(self, pattern: Pattern) -> None:
        self._progress.doing = "comparing"
        self._check(self._target, pattern)
        errors = self._buffer.now()
        self.tally.take(errors, self._bytes // WORD_BYTES, self._wrong)
        self._progress.tell(errors.compared, errors.wrong)

    def _check_sink(self) -> None:
        """What was read, against what it must be: how much, and the sum of it."""
        self._bench.finish()
        raw = self._sink.read()
        read, total = (int.from_bytes(raw[at : at + 8], "little") for at in (0, 8))
        words = self._bytes // WORD_BYTES * _LAUNCHES
        if read != words * WORD_BYTES:
            raise CannotRun(f"{read} of {words * WORD_BYTES} bytes were read", fault=True)
        if total != words * _WRITTEN % (1 << 64):
            wrong = Wrong(
                gpu=self._planned.gpu,
                phase=self._planned.phase,
                round=self._planned.round,
                what="sum of all words",
                index=0,
                expected=bits(words * _WRITTEN % (1 << 64), 8),
                got=bits(total, 8),
            )
            self.tally.add(wrong)

    def _fill(self, memory: DeviceMemory, pattern: Pattern) -> None:
        self._start("memory_fill", memory, c_uint64(self._bytes // WORD_BYTES), *pattern.arguments)

    def _check(self, memory: DeviceMemory, pattern: Pattern) -> None:
        words = c_uint64(self._bytes // WORD_BYTES)
        self._start("memory_check", memory, words, *pattern.arguments, self._buffer.argument)

    def _start(self, symbol: str, *arguments: object) -> None:
        self._bench.kernels.launch(symbol, arguments, self._bench.stream)  # type: ignore[arg-type]

    def _wrong(self, record: Record) -> Wrong:
        return Wrong(
            gpu=self._planned.gpu,
            phase=self._planned.phase,
            round=self._planned.round,
            what="memory word",
            index=record.index,
            expected=bits(record.expected, WORD_BYTES),
            got=bits(record.got, WORD_BYTES),
            sm=record.multiprocessor,
        )

    def result(self, proved: bool, rounds: int) -> Completed:
        errors = self.tally.errors
        return Completed(
            seconds=round(self._progress.elapsed, 3),
            iterations=rounds,
            compared=errors.compared,
            wrong=self.tally.wrong,
            self_proof=proved,
            rates=tuple(
                Rate(name=name, value=self._best.get(name, 0.0), unit="GB/s", judged=not self._cramped)
                for name in ("read", "write", "copy")
            ),
            size=f"{self._bytes / (1 << 20):g} MiB",
            notes=(f"too little memory for its rates to be judged: {self._bytes} bytes",)
            if self._cramped
            else (),
        )


def _buffers(bench: Bench, stack: ExitStack) -> tuple[DeviceMemory, DeviceMemory, bool]:
    """Two of the largest size that is worth while: one launch over it must not take too long.

    And whether they are too small to measure with, only because of the memory that may be used: what fits
    into the cache says nothing of the memory.
    """
    most = min(_BYTES_MAX, bench.room_bytes() // _ROOM_SHARE) // 16 * 16
    size = min(_FIRST_BYTES, most)
    if size < 16:
        raise CannotRun("there is not enough free memory", fault=False)
    longest = LAUNCH_SECONDS / (4 * _REPEATS)
    source = DeviceMemory(most)
    stack.enter_context(source)
    while size < most:
        arguments = (source, c_uint64(size // WORD_BYTES), *_SOURCE.arguments)
        seconds = bench.timed(
            lambda arguments=arguments: bench.kernels.launch("memory_fill", arguments, bench.stream),  # type: ignore[misc]
            limit_seconds=longest,
        )
        if seconds > longest:
            break
        size = min(size * 4, most)
    source.close()
    enough = bench.context.device.attribute(Attribute.L2_CACHE_SIZE) * _CACHES
    cramped = size >= most and most < enough
    return stack.enter_context(DeviceMemory(size)), stack.enter_context(DeviceMemory(size)), cramped
