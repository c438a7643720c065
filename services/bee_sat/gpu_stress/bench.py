"""Where a worker works: its GPU, its kernels, its voice, and what it was told to break.

Nothing here ever waits for the GPU inside the driver: it asks whether the work is done and sleeps, so that a
worker that is told to end ends, whatever its GPU does.
"""

import math
import os
import time
from collections.abc import Callable, Collection, Sequence

from bee_sat.gpu_stress import cuda, events
from bee_sat.gpu_stress.cuda import (
    Argument,
    Context,
    Event,
    Function,
    HostMemory,
    ImageRejected,
    Module,
    Stream,
    c_uint64,
)
from bee_sat.gpu_stress.events import AnyEvent, PlannedPhase, Rate, StressGpu
from bee_sat.gpu_stress.inject import HANG_SECONDS, Fault
from bee_sat.gpu_stress.kernel_set import Choice, Kernel, KernelSet, KernelSetError

# One launch, and one batch of launches, by the clock on the wall: two batches are under way at a time, so a
# worker that is told to end has so much before it.
LAUNCH_SECONDS = 0.05
BATCH_SECONDS = 0.1

_PROGRESS_SECONDS = 0.5
_SHARED_BYTES_ALWAYS = 48 << 10
_TIMES = 3  # that something is measured, before it is believed to be slow
_SLEEP_SECONDS = (20e-6, 1e-3)  # between looks: short at first, then longer


class Stopped(Exception):
    """Told to end."""


class CannotRun(Exception):
    """A phase cannot be carried out. ``fault``: because of the GPU, and not of what is around it."""

    def __init__(self, reason: str, *, fault: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault


class Unsupported(Exception):
    """The hardware has not what the phase loads; the message says what."""


class Voice:
    """What a worker says, a line an event. ``stopping``: it was told to end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._said_at = 0.0
        self.stopping = False

    def say(self, event: AnyEvent) -> None:
        self._said_at = time.monotonic()
        self.write(events.line(event))

    def write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def due(self) -> bool:
        """Whether it is time to say how it goes."""
        return time.monotonic() - self._said_at >= _PROGRESS_SECONDS


class Kernels:
    """The kernels of one GPU, loaded in the current context."""

    def __init__(self, choice: Choice, multiprocessors: int) -> None:
        self.choice = choice
        self.multiprocessors = multiprocessors
        self._module = Module(choice.object_bytes)
        self._functions: dict[str, Function] = {}

    def find(self, *symbols: str) -> Kernel | None:
        """The first of these that the set has."""
        return next((self.choice.kernels[name] for name in symbols if name in self.choice.kernels), None)

    def launch(
        self,
        symbol: str,
        arguments: Sequence[Argument],
        stream: Stream,
        *,
        shape: tuple[int, int, int] = (0, 0, 0),
        blocks: int | None = None,
    ) -> None:
        """Start a kernel. ``shape``: m, n and k of a product."""
        kernel = self.choice.kernels.get(symbol)
        if kernel is None:
            raise CannotRun(f"the kernel set for {self.choice.target} has no {symbol}", fault=False)
        function = self._functions.get(symbol)
        if function is None:
            function = self._functions[symbol] = self._module.function(symbol)
            if kernel.shared_bytes > _SHARED_BYTES_ALWAYS:
                function.allow_shared(kernel.shared_bytes)
        grid = blocks if blocks is not None else kernel.blocks(self.multiprocessors, *shape)
        function.launch(
            (grid, 1, 1),
            (kernel.threads, 1, 1),
            arguments,
            shared_bytes=kernel.shared_bytes,
            stream=stream,
        )

    def close(self) -> None:
        self._module.close()


class Bench:
    """One GPU of one worker.

    ``limit_bytes``: how much of its memory may be used; None for all that is free. ``turns``: a file that all
    workers have open, for `Turns`. ``near``: whether we run on the processor beside it.
    """

    def __init__(
        self,
        gpu: StressGpu,
        context: Context,
        kernels: Kernels,
        voice: Voice,
        *,
        limit_bytes: int | None = None,
        faults: Collection[Fault] = (),
        turns: int | None = None,
        near: bool = True,
    ) -> None:
        self.gpu = gpu
        self.context = context
        self.kernels = kernels
        self.voice = voice
        self.limit_bytes = limit_bytes
        self.faults = frozenset(faults)
        self.turns = turns
        self.near = near
        self.stream = Stream()
        self._stop: HostMemory | None = None

    def room_bytes(self) -> int:
        """What may be allocated now."""
        free = self.context.free_memory_bytes()
        return free if self.limit_bytes is None else min(free, self.limit_bytes)

    def check_stop(self) -> None:
        if self.voice.stopping:
            raise Stopped

    def wait(self, event: Event) -> None:
        """Until the GPU gets there. Raises Stopped, ContextDead."""
        pause, longest = _SLEEP_SECONDS
        while not event.done():
            self.check_stop()
            time.sleep(pause)
            pause = min(pause * 1.5, longest)
        self.check_stop()

    def finish(self) -> None:
        """Until all work so far is done."""
        with Event() as event:
            event.record(self.stream)
            self.wait(event)

    def timed(self, start: Callable[[], None], *, limit_seconds: float = 0.0) -> float:
        """How long work takes, by the GPU's clock or ours, whichever says more: the least of a few times.

        The first launch of a kernel loads it, and a busy host is late now and then: neither is to be taken
        for a slow GPU. Once is enough where it takes no longer than ``limit_seconds``.
        """
        least = math.inf
        for _ in range(_TIMES):
            least = min(least, max(self.clocked(start)))
            if least <= limit_seconds:
                break
        return least

    def clocked(self, start: Callable[[], None]) -> tuple[float, float]:
        """How long work takes by the GPU's clock, and by ours."""
        with Event() as before, Event() as after:
            self.finish()
            began = time.monotonic()
            before.record(self.stream)
            start()
            after.record(self.stream)
            self.wait(after)
            return after.seconds_since(before), time.monotonic() - began

    def spin(self, seconds: float) -> None:
        """A kernel that only takes time."""
        if self._stop is None:
            self._stop = HostMemory(4)
            self._stop.view[:] = bytes(4)
        arguments = (c_uint64(round(seconds * 1e9)), c_uint64(self._stop.device_address))
        self.kernels.launch("spin", arguments, self.stream, blocks=1)

    def flip(self, address: int, mask: int, width_bytes: int) -> None:
        arguments = (c_uint64(address), c_uint64(mask), cuda.c_uint32(width_bytes))
        self.kernels.launch("flip", arguments, self.stream, blocks=1)

    def hang_if_told(self) -> None:
        if "hang" in self.faults:
            self.spin(HANG_SECONDS)

    def close(self) -> None:
        if self._stop is not None:
            self._stop.close()
        self.stream.close()
        self.kernels.close()


class Progress:
    """How one phase goes, told now and then."""

    def __init__(self, bench: Bench, planned: PlannedPhase, peer: str | None = None) -> None:
        self._bench = bench
        self._planned = planned
        self._peer = peer
        self.started = time.monotonic()
        self.doing = ""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def time_is_up(self) -> bool:
        return self.elapsed >= self._planned.seconds

    def now(self, doing: str) -> None:
        """It begins something else: always told, so that a hang has a name."""
        self.doing = doing
        self._tell(0, 0, None)

    def tell(self, compared: int, wrong: int, rate: Rate | None = None) -> None:
        if self._bench.voice.due():
            self._tell(compared, wrong, rate)

    def _tell(self, compared: int, wrong: int, rate: Rate | None) -> None:
        self._bench.voice.say(
            events.PhaseProgress(
                gpu=self._planned.gpu,
                phase=self._planned.phase,
                round=self._planned.round,
                peer=self._peer,
                doing=self.doing,
                elapsed_seconds=round(self.elapsed, 3),
                compared=compared,
                wrong=wrong,
                rate=rate,
            )
        )


def load_kernels(gpu: StressGpu, driver_version: int) -> Kernels:
    """Choose and load: the next best where the driver refuses one. Raises KernelSetError, CudaError."""
    kernels, refused = KernelSet.load(), list[str]()
    refusal: ImageRejected | None = None
    while True:
        try:
            choice = kernels.choose(gpu.compute_capability, driver_version, refused)
        except KernelSetError as error:
            if refusal is None:
                raise
            raise KernelSetError(f"{error} It said last: {refusal}; {refusal.next_step}") from refusal
        try:
            return Kernels(choice, gpu.multiprocessors)
        except ImageRejected as error:
            refusal = error
            refused.append(choice.target)
