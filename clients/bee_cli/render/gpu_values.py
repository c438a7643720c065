"""What a person reads first of a GPU's sample."""

from bee_bus.documents.gpu import GpuSample


def power(sample: GpuSample) -> float | None:
    """The draw now, or the nearest to it that the GPU can tell."""
    for value in (sample.power_instant_watts, sample.power_average_watts, sample.power_usage_watts):
        if value is not None:
            return value
    return None
