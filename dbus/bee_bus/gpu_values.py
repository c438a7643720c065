"""What a person reads first of a GPU's sample."""

from bee_bus.documents.gpu import GpuSample

# Bits of the clock-event reasons (nvml.h, nvmlClocksEventReasons), in words that fit a column: what is wrong
# comes first, for a narrow column is cut at its end.
REASONS = (
    (0x40, "hw thermal"),
    (0x80, "power brake"),
    (0x8, "hw slowdown"),
    (0x20, "sw thermal"),
    (0x4, "power cap"),
    (0x200, "board limit"),
    (0x400, "reliability"),
    (0x10, "sync boost"),
    (0x1, "idle"),
    (0x2, "clocks set"),
    (0x100, "display"),
)


def power(sample: GpuSample) -> float | None:
    """The draw now, or the nearest to it that the GPU can tell."""
    for value in (sample.power_instant_watts, sample.power_average_watts, sample.power_usage_watts):
        if value is not None:
            return value
    return None


def reasons(sample: GpuSample) -> list[str]:
    """Why the clocks are what they are: each reason that holds, for they are a mask."""
    mask = sample.clock_event_reasons or 0
    known = [name for bit, name in REASONS if mask & bit]
    unknown = mask & ~sum(bit for bit, _ in REASONS)
    return [*known, f"0x{unknown:x}"] if unknown else known
