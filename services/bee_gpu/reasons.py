"""Why a GPU's clocks are what they are: NVML's clock-event reasons, a mask of which several can hold."""

from functools import lru_cache
from typing import Literal

import msgspec

ReasonSeverity = Literal["Info", "Warning", "Critical"]


class ClockEventReason(msgspec.Struct, frozen=True):
    """``throttles``: the clocks are lower than the work would have them. ``seconds_field``: of GpuSample."""

    mask: int
    name: str
    label: str
    severity: ReasonSeverity
    throttles: bool
    meaning: str
    seconds_field: str | None = None


# Bits of nvml.h, nvmlClocksEventReasons. What is normal under load is Info: a GPU that works hard meets its
# power limit, and the sampler says for how long.
REASONS: tuple[ClockEventReason, ...] = (
    ClockEventReason(
        0x1, "gpu-idle", "idle", "Info", False, "Nothing runs on the GPU, so its clocks are low."
    ),
    ClockEventReason(
        0x2,
        "applications-clocks",
        "clocks set",
        "Info",
        False,
        "Somebody limited the clocks by application or locked clocks.",
    ),
    ClockEventReason(
        0x4,
        "sw-power-cap",
        "power cap",
        "Info",
        True,
        "The GPU is at its power limit. Normal under full load, unless the limit was lowered.",
        "sw_power_cap_seconds",
    ),
    ClockEventReason(
        0x8,
        "hw-slowdown",
        "hw slowdown",
        "Critical",
        True,
        "The hardware cut the clocks by half or more: too hot, or a power brake; see which holds.",
    ),
    ClockEventReason(
        0x10,
        "sync-boost",
        "sync boost",
        "Info",
        True,
        "The clocks follow the slowest GPU of a sync boost group.",
        "sync_boost_seconds",
    ),
    ClockEventReason(
        0x20,
        "sw-thermal",
        "sw thermal",
        "Warning",
        True,
        "The driver lowers the clocks because the GPU or its memory is at its highest temperature.",
        "sw_thermal_seconds",
    ),
    ClockEventReason(
        0x40,
        "hw-thermal",
        "hw thermal",
        "Critical",
        True,
        "The hardware lowers the clocks because the GPU is too hot: check fans, airflow and the heatsink.",
        "hw_thermal_seconds",
    ),
    ClockEventReason(
        0x80,
        "hw-power-brake",
        "power brake",
        "Critical",
        True,
        "The system pulled the power brake: a power supply has failed or is overloaded.",
        "hw_power_brake_seconds",
    ),
    ClockEventReason(
        0x100, "display-clocks", "display", "Info", False, "A display setting limits the clocks."
    ),
    # The last two are of nvml.h from CUDA 13.5 on. As counters (fields 77 and 79) these policies are old.
    ClockEventReason(
        0x200, "board-limit", "board limit", "Info", True, "The GPU is at the limit of its board."
    ),
    ClockEventReason(
        0x400,
        "reliability",
        "reliability",
        "Info",
        True,
        "The GPU is at the limit that keeps it reliable: higher clocks would need a higher voltage.",
    ),
)


# P0 to P3 are for work; P5, P8 and above rest clocks and the PCIe link. A little work may be done there, and
# takes a large part of the few cycles that they have.
RESTING_STATE = 5


def rests(performance_state: int | None) -> bool:
    """Whether the GPU has slowed itself and its link down by choice."""
    return performance_state is not None and performance_state >= RESTING_STATE


@lru_cache(maxsize=256)
def decode_reasons(mask: int) -> tuple[ClockEventReason, ...]:
    """Every reason that holds. A bit that is newer than the table is one too, with a warning."""
    known = tuple(reason for reason in REASONS if mask & reason.mask)
    left = mask & ~sum(reason.mask for reason in REASONS)
    unknown = []
    while left > 0:
        bit = left & -left
        left ^= bit
        name = f"reason-0x{bit:x}"
        unknown.append(
            ClockEventReason(
                bit, name, name, "Warning", True, "A reason that this version of bee does not know."
            )
        )
    return (*known, *unknown)
