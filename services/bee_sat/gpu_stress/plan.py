"""What is done, in which order, and for how long: the seconds shared out, per GPU.

Ten minutes hold a full pass of every phase. Less shortens each; each does at least one whole unit of its
work, so that a short run takes a little longer than was asked. More is spent in rounds, mostly of products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bee_sat.gpu_stress.events import PlannedPhase, StressGpu

SECONDS_USUAL = 600
SECONDS_MIN, SECONDS_MAX = 1, 7 * 24 * 3600
SIZE_MB_MIN, SIZE_MB_MAX = 1, 16 << 20

# How long each phase takes of ten minutes, and of a later round of half an hour. The order is that of work.
_FIRST = {
    "gemm-bf16": 120,
    "gemm-fp16": 60,
    "gemm-tf32": 45,
    "gemm-fp8": 60,
    "gemm-fp64": 45,
    "gemm-fp32": 35,
    "memory": 90,
    "bandwidth": 20,
    "transfer": 30,
    "load-steps": 60,
    "peer": 35,
}
_LATER = {
    "gemm-bf16": 600,
    "gemm-fp16": 200,
    "gemm-tf32": 120,
    "gemm-fp8": 300,
    "gemm-fp64": 120,
    "gemm-fp32": 60,
    "memory": 250,
    "transfer": 30,
    "load-steps": 120,
}
PHASES = tuple(_FIRST)
GEMM_PHASES = tuple(phase for phase in PHASES if phase.startswith("gemm-"))
# What may be asked for by one word.
GROUPS = {"gemm": GEMM_PHASES}
PEER = "peer"

_FIRST_SECONDS = 600.0
_ROUND_SECONDS = float(sum(_LATER.values()))

# A phase that has had its time ends at its next border of work; past this it is late, and taken for hung.
LATE_SECONDS = 60.0
# From the start of a worker to its first word: the driver starts all GPUs, and may compile the kernels.
START_SECONDS = 180.0
HANG_SECONDS_USUAL = 30.0
HANG_SECONDS_MIN, HANG_SECONDS_MAX = 1, 3600


def missing_hardware(phase: str, compute_capability: tuple[int, int]) -> str | None:
    """Why a GPU of that compute capability cannot do a phase; None when it can.

    CUDA C++ Programming Guide, "Compute Capabilities", and the PTX ISA's targets of mma. Double precision on
    tensor cores is in the data-centre chips only: 8.0, 9.0, 10.0; Volta's plain units do it at half the rate
    of single precision, other chips' at a 32nd or less.
    """
    major, minor = compute_capability
    has = f"compute capability {major}.{minor}"
    if phase in ("gemm-bf16", "gemm-tf32") and major < 8:
        return f"{phase.removeprefix('gemm-')} on tensor cores begins with Ampere (8.0); this GPU has {has}"
    if phase == "gemm-fp8" and compute_capability < (8, 9):
        return f"fp8 begins with Ada (8.9); this GPU has {has}"
    if phase == "gemm-fp8" and major == 10:
        return "fp8 of data-centre Blackwell has instructions of its own, which bee does not load yet"
    if phase == "gemm-fp64" and compute_capability not in ((7, 0), (8, 0), (9, 0), (10, 0)):
        return f"a GPU of {has} has no double-precision units to speak of"
    return None


def unloaded_hardware(compute_capability: tuple[int, int]) -> str | None:
    """What of a GPU no phase loads, though its phases run; None when that is nothing."""
    if compute_capability[0] == 10:
        return (
            "its tensor cores are loaded through mma.sync alone: tcgen05, which gives most of their rate, is "
            "not tested"
        )
    return None


@dataclass(frozen=True, slots=True)
class Plan:
    """``phases``: all promises. The peer phase is one promise for each GPU, and done by one process."""

    phases: tuple[PlannedPhase, ...]

    def of(self, gpu: str) -> tuple[PlannedPhase, ...]:
        """What the worker of one GPU does, in order."""
        return tuple(each for each in self.phases if each.gpu == gpu and each.phase != PEER)

    @property
    def peers(self) -> tuple[PlannedPhase, ...]:
        return tuple(each for each in self.phases if each.phase == PEER)


def make_plan(gpus: Sequence[StressGpu], seconds: float, phases: Sequence[str] = PHASES) -> Plan:
    """Share out the seconds. A phase that a GPU has not the hardware for is promised too, and takes none."""
    planned: list[PlannedPhase] = []
    for gpu in gpus:
        able = [phase for phase in phases if missing_hardware(phase, gpu.compute_capability) is None]
        timed = [phase for phase in able if phase != PEER or len(gpus) > 1]
        for number, shares, length in _rounds(seconds, timed):
            for phase in PHASES:
                if phase in shares:
                    planned.append(_phase(gpu, phase, length * shares[phase], number))
                elif number == 1 and phase in phases:
                    planned.append(_phase(gpu, phase, 0.0, 1))
    return Plan(tuple(planned))


def _phase(gpu: StressGpu, phase: str, seconds: float, number: int) -> PlannedPhase:
    return PlannedPhase(gpu=gpu.id, phase=phase, seconds=round(seconds, 3), round=number)


def _rounds(seconds: float, phases: Sequence[str]) -> list[tuple[int, dict[str, float], float]]:
    """The rounds: number, share of each phase, length in seconds. The last ones are stretched to fit."""
    first = _shares(_FIRST, phases)
    later = _shares(_LATER, phases)
    over = seconds - _FIRST_SECONDS
    count = round(over / _ROUND_SECONDS) if over > 0 and later else 0
    if not count:
        return [(1, first, float(seconds))]
    rounds = [(1, first, _FIRST_SECONDS)]
    rounds += [(number, later, over / count) for number in range(2, count + 2)]
    return rounds


def _shares(weights: dict[str, int], phases: Sequence[str]) -> dict[str, float]:
    total = sum(weights[phase] for phase in phases if phase in weights)
    return {phase: weights[phase] / total for phase in phases if phase in weights}
