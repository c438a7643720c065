"""Findings of a stress run: named "gpu-stress.…", at a GPU that hands can find."""

from bee_bus.documents.findings import Finding, Severity, Threshold
from bee_sat.gpu_stress.events import StressGpu

AREA = "gpu_stress"


def finding(
    gpu: StressGpu | None,
    rule: str,
    severity: Severity,
    message: str,
    next_step: str,
    value: float | str | bool | None = None,
    threshold: Threshold | None = None,
) -> Finding:
    """``gpu``: None for the run as a whole."""
    return Finding(
        rule=f"gpu-stress.{rule}",
        severity=severity,
        component=f"gpus/{gpu.id}" if gpu else "gpus",
        where=where(gpu) if gpu else "the machine",
        message=f"{label(gpu)}: {message}" if gpu else message,
        next_step=_sentence(next_step),
        value=value,
        threshold=threshold,
    )


def _sentence(text: str) -> str:
    """The advice of an error is said after it with a comma, that of a finding stands by itself."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def label(gpu: StressGpu) -> str:
    return f"GPU {gpu.index}"


def where(gpu: StressGpu) -> str:
    return f"GPU {gpu.index}, {gpu.name}, {gpu.id}"
