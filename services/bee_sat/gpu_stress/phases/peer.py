"""The phase peer: from GPU to GPU, every pair, both ways, the data compared.

One process sees all the GPUs and takes one pair after the other, so that what hangs has two names.
"""

from collections.abc import Callable
from contextlib import ExitStack

from bee_sat.gpu_stress.bench import LAUNCH_SECONDS, Bench, CannotRun, Progress
from bee_sat.gpu_stress.cuda import DeviceMemory, Event, PeerImpossible, c_uint64, copy_to_peer
from bee_sat.gpu_stress.errors import ErrorBuffer, Record, Shown, Tally, bits, prove
from bee_sat.gpu_stress.events import Completed, PlannedPhase, Rate, Wrong
from bee_sat.gpu_stress.phases.link import is_translated
from bee_sat.gpu_stress.phases.memory import RANDOM, WORD_BYTES, Pattern

_FIRST_BYTES = 1 << 20
_BYTES_MAX = 256 << 20
_REPEATS = 4
_ODD = 0x9E3779B97F4A7C15


def run(one: Bench, other: Bench, planned: PlannedPhase) -> Completed:
    """One pair, both ways. ``planned`` is the first GPU's. Raises Stopped, CannotRun, CudaError."""
    progress = Progress(one, planned, peer=other.gpu.id)
    with ExitStack() as stack:
        notes = _reach(one, other, stack)
        progress.now("choosing a size")
        size = _size(one, other)
        there = _Way(one, other, planned, progress, stack, size)
        back = _Way(other, one, planned, progress, stack, size)
        progress.now("proving the check")
        proved = there.prove() and back.prove()
        rounds = 0
        while not (rounds and (progress.time_is_up or there.tally.enough or back.tally.enough)):
            for way in (there, back):
                way.round(rounds)
            rounds += 1
        direct = not notes
        return Completed(
            seconds=round(progress.elapsed, 3),
            iterations=rounds,
            compared=there.tally.errors.compared + back.tally.errors.compared,
            wrong=there.tally.wrong + back.tally.wrong,
            self_proof=proved,
            rates=(
                Rate(name="there", value=there.best, unit="GB/s", judged=direct),
                Rate(name="back", value=back.best, unit="GB/s", judged=direct),
            ),
            translated=direct and any(is_translated(bench.gpu.id) for bench in (one, other)),
            size=f"{size / (1 << 20):g} MiB",
            notes=notes,
        )


def _reach(one: Bench, other: Bench, stack: ExitStack) -> tuple[str, ...]:
    """Let each use the other's memory; what is to be said where they cannot."""
    for here, there in ((one, other), (other, one)):
        if not here.context.device.can_reach(there.context.device):
            return ("these two cannot reach each other's memory: copied through the host",)
    for here, there in ((one, other), (other, one)):
        try:
            here.context.reach(there.context)
        except PeerImpossible as error:
            return (f"copied through the host: {error}",)
        stack.callback(here.context.leave, there.context)
    return ()


class _Way:
    """From one GPU to another."""

    def __init__(
        self,
        source: Bench,
        target: Bench,
        planned: PlannedPhase,
        progress: Progress,
        stack: ExitStack,
        size: int,
    ) -> None:
        self._source = source
        self._target = target
        self._planned = planned
        self._progress = progress
        self._bytes = size
        source.context.make_current()
        self._from = stack.enter_context(DeviceMemory(size))
        stack.callback(source.context.make_current)  # what is freed is freed in its own context
        target.context.make_current()
        self._to = stack.enter_context(DeviceMemory(size))
        self._buffer = stack.enter_context(ErrorBuffer(target, 1))
        stack.callback(target.context.make_current)
        self.tally = Tally(target, planned)
        self.best = 0.0

    def prove(self) -> bool:
        pattern = Pattern(RANDOM, _ODD)
        self._target.context.make_current()
        self._launch(self._target, "memory_fill", self._to, pattern)
        index = self._bytes // WORD_BYTES // 3
        shown = Shown(
            check=lambda: self._check(pattern),
            describe=self._wrong,
            compared=self._bytes // WORD_BYTES,
            address=self._to.address + index * WORD_BYTES,
            index=index,
            width_bytes=WORD_BYTES,
        )
        return prove(self.tally, self._buffer, shown)

    def round(self, number: int) -> None:
        way = f"{self._source.gpu.id} to {self._target.gpu.id}"
        self._progress.now(f"copying from {way}")
        pattern = Pattern(RANDOM, (number + 2) * _ODD % (1 << 64))
        self._source.context.make_current()
        self._launch(self._source, "memory_fill", self._from, pattern)
        self._source.finish()
        if number == 0:
            self._source.hang_if_told()
            self._copy()  # with the first one the driver sets up the way, and a short run has one round
        self.best = max(self.best, self._rate(self._copy))
        self._target.context.make_current()
        if number == 0 and "flip-transfer" in self._target.faults:
            self._target.flip(self._to.address + self._bytes // 2, 1 << 3, WORD_BYTES)
        self._check(pattern)
        errors = self._buffer.now()
        self.tally.take(errors, self._bytes // WORD_BYTES, self._wrong)
        self._progress.tell(errors.compared, self.tally.wrong)

    def _rate(self, start: Callable[[], None]) -> float:
        with Event() as before, Event() as after:
            before.record(self._source.stream)
            for _ in range(_REPEATS):
                start()
            after.record(self._source.stream)
            self._source.wait(after)
            seconds = after.seconds_since(before)
        return _REPEATS * self._bytes / seconds / 1e9 if seconds > 0 else 0.0

    def _copy(self) -> None:
        source, target = self._source, self._target
        copy_to_peer(self._to, target.context, self._from, source.context, self._bytes, source.stream)

    def _check(self, pattern: Pattern) -> None:
        words = c_uint64(self._bytes // WORD_BYTES)
        arguments = (self._to, words, *pattern.arguments, self._buffer.argument)
        self._target.kernels.launch("memory_check", arguments, self._target.stream)

    def _launch(self, bench: Bench, symbol: str, memory: DeviceMemory, pattern: Pattern) -> None:
        arguments = (memory, c_uint64(self._bytes // WORD_BYTES), *pattern.arguments)
        bench.kernels.launch(symbol, arguments, bench.stream)

    def _wrong(self, record: Record) -> Wrong:
        return Wrong(
            gpu=self._source.gpu.id,
            peer=self._target.gpu.id,
            phase=self._planned.phase,
            round=self._planned.round,
            what="word that arrived",
            index=record.index,
            address=hex(self._to.address + record.index * WORD_BYTES),
            expected=bits(record.expected, WORD_BYTES),
            got=bits(record.got, WORD_BYTES),
            sm=record.multiprocessor,
        )


def _size(one: Bench, other: Bench) -> int:
    """As much as is worth while: one copy must not take too long."""
    rooms = [bench.room_bytes() for bench in (one, other)]
    most = min(_BYTES_MAX, *(room // 3 for room in rooms)) // 16 * 16
    if most < 16:
        raise CannotRun("there is not enough free memory", fault=False)
    size = min(_FIRST_BYTES, most)
    one.context.make_current()
    with DeviceMemory(size) as source:
        other.context.make_current()
        with DeviceMemory(size) as target:
            one.context.make_current()
            seconds = one.timed(
                lambda: copy_to_peer(target, other.context, source, one.context, size, one.stream)
            )
            other.context.make_current()
        one.context.make_current()
    fitting = int(LAUNCH_SECONDS / max(seconds, 1e-6)) * size
    return max(size, min(fitting, most)) // 16 * 16
