"""What changes from second to second."""

from bee_bus.documents.base import Document


class GpuSample(Document):
    """One moment of one GPU.

    ``power_instant_watts`` is the draw now and ``power_average_watts`` its mean over the last second; where
    neither exists ``power_usage_watts`` is one of the two, and which depends on the GPU.
    ``temperature_margin_celsius`` counts down: 0 is where the GPU begins to slow down.
    ``clock_event_reasons`` is a mask (bee_gpu.reasons decodes it); the ``*_seconds`` are how long each reason
    held since the driver was loaded; ``thermal_seconds`` is for heat of any kind, where it is not told apart.
    ``pcie_sent_bytes`` and ``pcie_received_bytes`` count in 32 bits and wrap; energy and NVLink do not.
    """

    unix_seconds: float
    temperature_celsius: int | None = None
    temperature_margin_celsius: int | None = None
    memory_temperature_celsius: int | None = None
    utilization_gpu_percent: int | None = None
    utilization_memory_percent: int | None = None
    power_instant_watts: float | None = None
    power_average_watts: float | None = None
    power_usage_watts: float | None = None
    energy_joules: float | None = None
    clock_graphics_mhz: int | None = None
    clock_sm_mhz: int | None = None
    clock_memory_mhz: int | None = None
    performance_state: int | None = None
    clock_event_reasons: int | None = None
    sw_power_cap_seconds: float | None = None
    sync_boost_seconds: float | None = None
    thermal_seconds: float | None = None
    sw_thermal_seconds: float | None = None
    hw_thermal_seconds: float | None = None
    hw_power_brake_seconds: float | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    pcie_replays: int | None = None
    pcie_sent_bytes: int | None = None
    pcie_received_bytes: int | None = None
    nvlink_sent_kib: int | None = None
    nvlink_received_kib: int | None = None
    problems: tuple[str, ...] = ()


class PcieThroughput(Document):
    """Measured by the GPU over 20 ms each way."""

    sent_bytes_per_second: int | None = None
    received_bytes_per_second: int | None = None
