"""The phase transfer: from the host to the GPU and back, the data compared, the link read meanwhile.

All GPUs work at once, which loads what they share; the rates that are judged are measured one GPU at a time,
for two GPUs behind one switch share its link to the processor.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bee_sat.gpu_stress.bench import LAUNCH_SECONDS, Bench, CannotRun, Progress
from bee_sat.gpu_stress.cuda import (
    DeviceMemory,
    Event,
    HostMemory,
    OutOfMemory,
    c_uint64,
    copy_to_device,
    copy_to_host,
)
from bee_sat.gpu_stress.errors import ErrorBuffer, Record, Shown, Tally, bits, prove
from bee_sat.gpu_stress.events import Completed, Link, PlannedPhase, Rate, Wrong
from bee_sat.gpu_stress.phases.link import better, read_link
from bee_sat.gpu_stress.phases.memory import WALKING_BIT, WORD_BYTES, Pattern
from bee_sat.gpu_stress.turns import Turns

_FIRST_BYTES = 1 << 20
_BYTES_MAX = 256 << 20
_BYTES_ENOUGH = 16 << 20  # smaller copies show how long it takes to start one
_REPEATS = 4  # copies of one measurement
_TIMES = 3  # that each direction is measured: links wake up, and hosts are busy now and then
_BLOCK_WORDS = 64  # after so many words a walking bit begins anew
_BLOCK_BYTES = _BLOCK_WORDS * WORD_BYTES
_RANDOM_BYTES = 1 << 20

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def run(bench: Bench, planned: PlannedPhase) -> Completed:
    """Raises Stopped, CannotRun, CudaError."""
    progress = Progress(bench, planned)
    progress.now("choosing a size")
    with ExitStack() as stack:
        test = _Test(bench, planned, progress, stack)
        progress.now("proving the check")
        proved = test.prove()
        test.measure()
        rounds = 0
        while not (rounds and (progress.time_is_up or test.tally.enough)):
            test.round(rounds)
            rounds += 1
        return test.result(proved, rounds)


class _Test:
    def __init__(self, bench: Bench, planned: PlannedPhase, progress: Progress, stack: ExitStack) -> None:
        self._bench = bench
        self._planned = planned
        self._progress = progress
        self._buffer = stack.enter_context(ErrorBuffer(bench, 1))
        self._bytes, self._cramped = _size(bench)
        self._there = stack.enter_context(DeviceMemory(self._bytes))
        try:
            self._outgoing = stack.enter_context(HostMemory(self._bytes))
            self._incoming = stack.enter_context(HostMemory(self._bytes))
        except OutOfMemory as error:
            raise CannotRun(f"no pinned memory on the host: {error}", fault=False) from error
        self._rates: dict[str, float] = {}
        self._link = Link()
        self._compared = 0
        self._turns = Turns(bench.turns, self._waiting)
        self.tally = Tally(bench, planned)

    def prove(self) -> bool:
        """Both checks: that of the GPU, and that of the host."""
        self._write(Pattern(WALKING_BIT, 0))
        self._send()
        index = self._bytes // WORD_BYTES // 3
        shown = Shown(
            check=lambda: self._check(Pattern(WALKING_BIT, 0)),
            describe=self._wrong_there,
            compared=self._bytes // WORD_BYTES,
            address=self._there.address + index * WORD_BYTES,
            index=index,
            width_bytes=WORD_BYTES,
        )
        on_gpu = prove(self.tally, self._buffer, shown)
        self._fetch()
        self._bench.finish()
        place = self._bytes // 5
        self._incoming.view[place] ^= 1
        on_host = self._first_difference() == place
        self._incoming.view[place] ^= 1
        return on_gpu and on_host

    def measure(self) -> None:
        """Each direction alone, while no other worker moves data."""
        self._progress.now("waiting for its turn")
        with self._turns.alone():
            self._progress.now("measuring alone")
            for name, start in (("to-device", self._send), ("to-host", self._fetch)):
                self._rates[name] = max(self._rate(start) for _ in range(_TIMES))

    def round(self, number: int) -> None:
        """There, compared, back, compared; the patterns take turns."""
        kind = number % 3
        pattern = None if kind == 2 else Pattern(WALKING_BIT + kind, number % _BLOCK_WORDS)
        self._progress.now("writing the host's memory")
        self._write(pattern)
        self._incoming.view[:_RANDOM_BYTES] = bytes(min(_RANDOM_BYTES, self._bytes))
        self._progress.now("copying and comparing")
        with self._turns.together():
            began = time.monotonic()
            self._there_and_back(pattern, flip=number == 0 and self._planned.round == 1)
            seconds = time.monotonic() - began
        self._compare()
        rate = 2 * self._bytes / seconds / 1e9
        self._rates["there-and-back"] = max(rate, self._rates.get("there-and-back", 0.0))
        self._progress.tell(self._compared, self.tally.wrong)

    def _there_and_back(self, pattern: Pattern | None, *, flip: bool) -> None:
        self._send()
        if flip and "flip-transfer" in self._bench.faults:
            self._bench.flip(self._there.address + self._bytes // 2, 1 << 3, WORD_BYTES)
        if pattern is not None:
            self._check(pattern)
            words = self._bytes // WORD_BYTES
            self.tally.take(self._buffer.now(), words, self._wrong_there)
        self._fetch()
        self._link = better(self._link, read_link(self._bench.gpu.id))
        self._bench.finish()

    def _rate(self, start: Callable[[], None]) -> float:
        with Event() as before, Event() as after:
            before.record(self._bench.stream)
            for _ in range(_REPEATS):
                start()
            after.record(self._bench.stream)
            self._link = better(self._link, read_link(self._bench.gpu.id))
            self._bench.wait(after)
            seconds = after.seconds_since(before)
        return _REPEATS * self._bytes / seconds / 1e9 if seconds > 0 else 0.0

    def _write(self, pattern: Pattern | None) -> None:
        """What goes out: a pattern as the GPU's kernels know it, or random bytes."""
        block = os.urandom(_RANDOM_BYTES) if pattern is None else _walking_block(pattern)
        for offset in range(0, self._bytes, step := max(len(block), _RANDOM_BYTES)):
            size = min(step, self._bytes - offset)
            self._outgoing.view[offset : offset + size] = (block * -(-size // len(block)))[:size]

    def _send(self) -> None:
        copy_to_device(self._there, self._outgoing, self._bytes, self._bench.stream)

    def _fetch(self) -> None:
        copy_to_host(self._incoming, self._there, self._bytes, self._bench.stream)

    def _check(self, pattern: Pattern) -> None:
        words = c_uint64(self._bytes // WORD_BYTES)
        arguments = (self._there, words, *pattern.arguments, self._buffer.argument)
        self._bench.kernels.launch("memory_check", arguments, self._bench.stream)

    def _compare(self) -> None:
        """What came back, against what went out."""
        self._compared += self._bytes // WORD_BYTES
        place = self._first_difference()
        if place is None:
            return
        word = place // WORD_BYTES * WORD_BYTES
        expected, got = (
            int.from_bytes(memory.view[word : word + WORD_BYTES], "little")
            for memory in (self._outgoing, self._incoming)
        )
        wrong = Wrong(
            gpu=self._planned.gpu,
            phase=self._planned.phase,
            round=self._planned.round,
            what="word that came back",
            index=word // WORD_BYTES,
            expected=bits(expected, WORD_BYTES),
            got=bits(got, WORD_BYTES),
        )
        self.tally.add(wrong)

    def _first_difference(self) -> int | None:
        """The first byte in which what came back is not what went out."""
        here, there = self._incoming.address, self._outgoing.address
        if not _memcmp(here, there, self._bytes):
            return None
        low, size = 0, self._bytes
        while size > 1:
            half = size // 2
            if _memcmp(here + low, there + low, half):
                size = half
            else:
                low, size = low + half, size - half
        return low

    def _wrong_there(self, record: Record) -> Wrong:
        return Wrong(
            gpu=self._planned.gpu,
            phase=self._planned.phase,
            round=self._planned.round,
            what="word that arrived",
            index=record.index,
            address=hex(self._there.address + record.index * WORD_BYTES),
            expected=bits(record.expected, WORD_BYTES),
            got=bits(record.got, WORD_BYTES),
            sm=record.multiprocessor,
        )

    def _waiting(self) -> None:
        self._bench.check_stop()
        self._progress.tell(self._compared, self.tally.wrong)

    def result(self, proved: bool, rounds: int) -> Completed:
        return Completed(
            seconds=round(self._progress.elapsed, 3),
            iterations=rounds,
            compared=self.tally.errors.compared + self._compared,
            wrong=self.tally.wrong,
            self_proof=proved,
            rates=(
                *(
                    Rate(name=name, value=self._rates[name], unit="GB/s", judged=not self._cramped)
                    for name in ("to-device", "to-host")
                ),
                Rate(name="there-and-back", value=self._rates["there-and-back"], unit="GB/s", judged=False),
            ),
            link=self._link,
            size=f"{self._bytes / (1 << 20):g} MiB",
            far=not self._bench.near,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self._cramped:
            yield f"too little memory for its rates to be judged: {self._bytes} bytes"
        if not self._bench.near:
            yield "which processor is beside it is not known, or may not be used: rates are those of any"


def _walking_block(pattern: Pattern) -> bytes:
    mask = (1 << 64) - 1 if pattern.number % 2 else 0
    words = ((1 << (index + pattern.seed) % _BLOCK_WORDS) ^ mask for index in range(_BLOCK_WORDS))
    return b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)


def _size(bench: Bench) -> tuple[int, bool]:
    """As much as is worth while: one copy must not take too long over this link.

    And whether it is too little to measure with, only because of the memory that may be used.
    """
    most = min(_BYTES_MAX, bench.room_bytes() // 2) // _BLOCK_BYTES * _BLOCK_BYTES
    if most < _BLOCK_BYTES:
        raise CannotRun("there is not enough free memory", fault=False)
    size = min(_FIRST_BYTES, most)
    with DeviceMemory(size) as there, HostMemory(size) as here:
        seconds = bench.timed(lambda: copy_to_device(there, here, size, bench.stream))
    fitting = int(LAUNCH_SECONDS / max(seconds, 1e-6)) * size
    chosen = max(size, min(fitting, most)) // _BLOCK_BYTES * _BLOCK_BYTES
    return chosen, chosen >= most and most < _BYTES_ENOUGH
