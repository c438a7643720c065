"""Faults on purpose: what --inject makes happen for real, so that everybody can see it found and named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Fault = Literal["flip-operand", "flip-result", "nan", "flip-memory", "flip-transfer", "slow", "hang", "die"]

MEANINGS: dict[Fault, str] = {
    "flip-operand": "one bit of an operand of each GEMM phase",
    "flip-result": "one bit of a result of each GEMM phase",
    "nan": "a result of each GEMM phase becomes NaN",
    "flip-memory": "one bit of the memory between its write and its check",
    "flip-transfer": "one bit of what was copied to the GPU, and from GPU to GPU",
    "slow": "the GPU computes at a quarter of its speed",
    "hang": "a kernel that does not end",
    "die": "the GPU's process ends without a word, and with exit code 0",
}
FAULTS: tuple[Fault, ...] = get_args(Fault)

SLOWDOWN = 4.0
HANG_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Injection:
    """``gpu``: as it was typed, an index, a UUID or a PCI address; None for every GPU."""

    fault: Fault
    gpu: str | None = None

    def __str__(self) -> str:
        return self.fault if self.gpu is None else f"{self.fault}@{self.gpu}"


class BadInjection(ValueError):
    """A fault that does not exist; the message says which do."""


def parse(text: str) -> tuple[Injection, ...]:
    """``flip-result@1,hang@0000:3b:00.0``. Raises BadInjection."""
    return tuple(_one(word.strip()) for word in text.split(","))


def _one(word: str) -> Injection:
    name, at, gpu = word.partition("@")
    for fault in FAULTS:
        if fault == name and bool(at) == bool(gpu):
            return Injection(fault, gpu or None)
    raise BadInjection(
        f"there is no fault {word!r}; allowed are {', '.join(FAULTS)}, for all GPUs or one (flip-result@1)"
    )


def needs(fault: Fault, phases: Sequence[str]) -> str | None:
    """What a fault needs and these phases have not."""
    if fault in ("flip-operand", "flip-result", "nan", "slow"):
        return None if any(phase.startswith("gemm-") for phase in phases) else "a GEMM phase"
    if fault == "flip-memory":
        return None if "memory" in phases else "the phase memory"
    if fault == "flip-transfer":
        return None if {"transfer", "peer"} & set(phases) else "the phase transfer or peer"
    return None
