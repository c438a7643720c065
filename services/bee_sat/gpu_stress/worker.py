"""The process of one GPU: it does what its standard input tells, and says what happens as JSON Lines.

Its parent kills it when it is silent for too long. It dies with its parent.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from bee_bus.documents.base import to_json
from bee_sat.gpu_stress import cuda
from bee_sat.gpu_stress.affinity import stay_near
from bee_sat.gpu_stress.bench import Bench, CannotRun, Stopped, Unsupported, Voice, load_kernels
from bee_sat.gpu_stress.cuda import Attribute, Context, ContextDead, CudaError, Device, DeviceUnavailable
from bee_sat.gpu_stress.events import (
    Aborted,
    Completed,
    Errored,
    Farewell,
    Hello,
    NotSupported,
    Opening,
    Outcome,
    PhaseEnded,
    PhaseStarted,
    PlannedPhase,
    StressGpu,
    Unusable,
)
from bee_sat.gpu_stress.inject import Fault
from bee_sat.gpu_stress.kernel_set import KernelSetError
from bee_sat.gpu_stress.phases import bandwidth, gemm, load_steps, memory, peer, transfer
from bee_sat.gpu_stress.plan import unloaded_hardware
from bee_sat.gpu_stress.tasks import CopyPairs, Discover, Discovered, LoadGpu, read_task

Run = Callable[[Bench, PlannedPhase], Completed]

_RUNS: dict[str, Run] = {
    "memory": memory.run,
    "bandwidth": bandwidth.run,
    "transfer": transfer.run,
    "load-steps": load_steps.run,
}
_PR_SET_PDEATHSIG = 1
_ENDED_WELL, _ENDED_EARLY, _ENDED_BY_SIGTERM = 0, 1, 143

_COMPUTE_MODE_DEFAULT = 0  # cuda.h, CUcomputemode

# Not the GPU: the display's watchdog.
_LAUNCH_TIMEOUT = 702


def main() -> int:
    """The process's exit status."""
    _die_with(os.getppid())
    voice = Voice(_own_output())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which tells us
    signal.signal(signal.SIGTERM, lambda *_: setattr(voice, "stopping", True))
    task = read_task(sys.stdin.buffer.readline())
    if isinstance(task, Discover):
        return _discover(voice)
    return _load(task, voice) if isinstance(task, LoadGpu) else _copy_pairs(task, voice)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before
        os._exit(_ENDED_EARLY)


def _own_output() -> int:
    """What was standard output, for our lines alone: what a library prints goes to standard error."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


def _discover(voice: Voice) -> int:
    try:
        cuda.initialise()
        major, minor = cuda.cuda_version()
        gpus, lost = [], []
        for ordinal in range(cuda.device_count()):
            try:
                gpus.append(_describe(cuda.device(ordinal)))
            except CudaError as error:
                lost.append(f"GPU {ordinal}: {error}")
        answer = Discovered(gpus=tuple(gpus), lost=tuple(lost), driver_version=f"CUDA {major}.{minor}")
    except CudaError as error:
        answer = Discovered(problem=str(error), next_step=error.next_step)
    voice.write(to_json(answer) + b"\n")
    return _ENDED_WELL


def _describe(device: Device) -> StressGpu:
    clock_khz = device.attribute(Attribute.MEMORY_CLOCK_RATE_KHZ)
    return StressGpu(
        id=device.pci_address,
        index=device.ordinal,
        uuid=device.uuid,
        name=device.name,
        compute_capability=device.compute_capability,
        memory_total_bytes=device.total_memory_bytes,
        multiprocessors=device.multiprocessor_count,
        clock_hertz=device.clock_rate_khz * 1000 or None,
        memory_clock_hertz=clock_khz * 1000 or None,
        memory_bus_bits=device.attribute(Attribute.GLOBAL_MEMORY_BUS_WIDTH) or None,
    )


def _load(task: LoadGpu, voice: Voice) -> int:
    gpu = task.gpu
    near = stay_near(gpu.id)
    limit = None if task.size_mb is None else task.size_mb << 20
    with ExitStack() as stack:
        try:
            cuda.initialise()
            bench = _bench(gpu, _find(gpu), voice, limit, task.faults, task.turns, stack)
            bench.near = near
            free = bench.context.free_memory_bytes()
        except (CudaError, KernelSetError, LookupError) as error:
            return _give_up(voice, gpu, error)
        choice = bench.kernels.choice
        hello = Hello(
            gpu=gpu.id,
            pid=os.getpid(),
            memory_total_bytes=gpu.memory_total_bytes,
            memory_free_bytes=free,
            kernels=choice.target,
            note="; ".join(filter(None, (choice.note, unloaded_hardware(gpu.compute_capability)))) or None,
        )
        voice.say(hello)
        for planned in task.plan:
            run = _RUNS.get(planned.phase, gemm.run)
            _phase(voice, planned, None, partial(run, bench, planned), bench)
        voice.say(Farewell(gpu=gpu.id))
    return _ENDED_WELL


def _copy_pairs(task: CopyPairs, voice: Voice) -> int:
    limit = None if task.size_mb is None else task.size_mb << 20
    benches: dict[str, Bench] = {}
    with ExitStack() as stack:
        for gpu in task.gpus:
            try:
                cuda.initialise()
                voice.say(Opening(gpu=gpu.id))
                faults = task.faults.get(gpu.id, ())
                benches[gpu.id] = _bench(gpu, _find(gpu), voice, limit, faults, None, stack)
            except (CudaError, KernelSetError, LookupError) as error:
                return _give_up(voice, gpu, error)
        for pair in task.pairs:
            one, other = benches[pair.one], benches[pair.other]
            _phase(voice, pair.planned, pair.other, partial(peer.run, one, other, pair.planned), one)
        voice.say(Farewell(gpu=task.gpus[0].id))
    return _ENDED_WELL


def _phase(
    voice: Voice, planned: PlannedPhase, other: str | None, run: Callable[[], Completed], bench: Bench
) -> None:
    """One phase, told from start to end. The process ends with it when nothing can follow."""
    voice.say(
        PhaseStarted(
            gpu=planned.gpu, phase=planned.phase, round=planned.round, peer=other, seconds=planned.seconds
        )
    )
    if "die" in bench.faults:
        os._exit(_ENDED_WELL)
    status: int | None = None
    last_words: Unusable | None = None
    outcome: Outcome
    try:
        outcome = run()
    except Unsupported as error:
        outcome = NotSupported(reason=str(error))
    except Stopped:
        outcome, status = Aborted(reason="told to end"), _ENDED_BY_SIGTERM
    except CannotRun as error:
        outcome = Errored(reason=error.reason, fault=error.fault)
    except CudaError as error:
        outcome = Errored(reason=str(error), fault=_is_fault(error), code=error.code)
        if isinstance(error, ContextDead):
            status, last_words = _ENDED_EARLY, _unusable(planned.gpu, error)
    except Exception as error:  # noqa: BLE001 - the border of a step: a fault of ours is none of the GPU's
        outcome = Errored(reason=f"a fault in bee itself: {type(error).__name__}: {error}", fault=False)
    voice.say(
        PhaseEnded(gpu=planned.gpu, phase=planned.phase, round=planned.round, peer=other, outcome=outcome)
    )
    if last_words is not None:
        voice.say(last_words)
    if status is not None:
        os._exit(status)  # the driver might wait for work that never ends; the kernel frees it all


def _bench(
    gpu: StressGpu,
    device: Device,
    voice: Voice,
    limit_bytes: int | None,
    faults: tuple[Fault, ...],
    turns: int | None,
    stack: ExitStack,
) -> Bench:
    context = stack.enter_context(Context(device))
    major, minor = cuda.cuda_version()
    kernels = load_kernels(gpu, major * 1000 + minor * 10)
    bench = Bench(gpu, context, kernels, voice, limit_bytes=limit_bytes, faults=faults, turns=turns)
    stack.callback(bench.close)
    stack.callback(context.make_current)
    return bench


def _find(gpu: StressGpu) -> Device:
    for device in cuda.devices():
        if device.pci_address == gpu.id:
            return device
    raise LookupError(f"CUDA does not show the GPU at {gpu.id} any more")


def _give_up(voice: Voice, gpu: StressGpu, error: Exception) -> int:
    voice.say(_unusable(gpu.id, error))
    return _ENDED_EARLY


def _unusable(gpu: str, error: Exception) -> Unusable:
    if isinstance(error, DeviceUnavailable) and _is_reserved(gpu):
        reason = f"{error}; its compute mode lets one program use it, or none"
        step = f"set its compute mode back (nvidia-smi -i {gpu} -c DEFAULT), and run again"
        return Unusable(gpu=gpu, reason=reason, fault=False, next_step=step, code=error.code)
    if isinstance(error, CudaError):
        return Unusable(
            gpu=gpu, reason=str(error), fault=_is_fault(error), next_step=error.next_step, code=error.code
        )
    # Without kernels nothing can be said of the GPU; one that vanished is lost.
    return Unusable(gpu=gpu, reason=str(error), fault=isinstance(error, LookupError))


def _is_fault(error: CudaError) -> bool:
    """Whether this points to the GPU, and not to what is installed or else runs on it."""
    return isinstance(error, ContextDead | DeviceUnavailable) and error.code != _LAUNCH_TIMEOUT


def _is_reserved(gpu: str) -> bool:
    """Whether somebody has set it up for one program alone, or for none: it may be healthy and not be had."""
    with suppress(CudaError):
        for device in cuda.devices():
            if device.pci_address == gpu:
                return device.attribute(Attribute.COMPUTE_MODE) != _COMPUTE_MODE_DEFAULT
    return False


if __name__ == "__main__":
    sys.exit(main())
