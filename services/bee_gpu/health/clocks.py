"""Heat, power and what they do to the clocks."""

from collections.abc import Iterator

from bee_bus.documents.findings import Finding
from bee_bus.documents.gpu import GpuSample, TemperatureLimits
from bee_bus.documents.gpus import InventoryGpu
from bee_bus.thresholds import Thresholds
from bee_gpu.health import Observation, Rule, finding, name, own_limit
from bee_gpu.reasons import decode_reasons

_COOL = "Check fans, air flow, ducts and heatsinks, and the temperature of the air that comes in."
_STEPS = {
    "hw-slowdown": "Check cooling and power supplies: the hardware slows down for heat or for lack of power.",
    "hw-power-brake": "Check the power supplies: one has failed, or they are overloaded.",
}
_UNDER_A_WATT = 0.5  # limits are read in milliwatts and set in watts


def slowdown(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """The reasons are a mask, and each of them that is no part of normal work is a finding."""
    for gpu in observation.gpus:
        mask = gpu.sample.clock_event_reasons if gpu.sample else None
        for reason in decode_reasons(mask or 0):
            if reason.severity == "Info":
                continue
            message = f"{name(gpu)} is slowed down now: {reason.label}. {reason.meaning}"
            next_step = _STEPS.get(reason.name, _COOL)
            yield finding(gpu, f"slowdown-{reason.name}", reason.severity, message, next_step, reason.name)


def slowed_down(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Slowdowns between the looks, by the driver's own count of their time."""
    for gpu in observation.gpus:
        trend = observation.trends.get(gpu.id)
        seconds = trend.hw_slowdown_seconds if trend else None
        if seconds is not None and seconds >= limits.number("gpus.hw_slowdown_seconds"):
            message = f"The hardware has slowed {name(gpu)} down for {seconds:.0f} s of the last ten minutes"
            limit = limits["gpus.hw_slowdown_seconds"]
            yield finding(gpu, "slowed-down", "Warning", message, _COOL, round(seconds, 1), limit)


def temperature(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """Against the device's own limits: margins on newer GPUs, temperatures on older ones."""
    for gpu in observation.gpus:
        own = gpu.identity.temperature_limits if gpu.identity else None
        if gpu.sample is not None:
            yield from _core(gpu, gpu.sample, own or TemperatureLimits())
            yield from _memory(gpu, gpu.sample, own or TemperatureLimits())


def _core(gpu: InventoryGpu, sample: GpuSample, own: TemperatureLimits) -> Iterator[Finding]:
    margin, celsius = sample.temperature_margin_celsius, sample.temperature_celsius
    if margin is not None:
        # A margin counts down to 0, the highest of normal work; the slowdown comes a little below that.
        slow = own.slowdown_margin_celsius
        if slow is not None and margin <= slow:
            limit = own_limit("temperature_margin", slow, "°C", "the GPU's own slowdown margin")
            message = f"{name(gpu)} is so hot that the hardware slows it down"
            yield finding(gpu, "temperature", "Critical", message, _COOL, margin, limit)
        elif margin <= 0:
            limit = own_limit(
                "temperature_margin", 0, "°C", "the GPU's own margin: 0 is the end of normal work"
            )
            message = f"{name(gpu)} is at the end of its range for normal work"
            yield finding(gpu, "temperature", "Warning", message, _COOL, margin, limit)
        return
    if celsius is None:
        return
    message = f"{name(gpu)} is at {celsius} °C"
    if own.slowdown_celsius is not None and celsius >= own.slowdown_celsius:
        limit = own_limit("temperature", own.slowdown_celsius, "°C", "the GPU's own slowdown temperature")
        yield finding(gpu, "temperature", "Critical", message, _COOL, celsius, limit)
    elif own.gpu_max_celsius is not None and celsius >= own.gpu_max_celsius:
        limit = own_limit("temperature", own.gpu_max_celsius, "°C", "the GPU's own highest of normal work")
        yield finding(gpu, "temperature", "Warning", message, _COOL, celsius, limit)


def _memory(gpu: InventoryGpu, sample: GpuSample, own: TemperatureLimits) -> Iterator[Finding]:
    celsius, hottest = sample.memory_temperature_celsius, own.memory_max_celsius
    if celsius is not None and hottest is not None and celsius >= hottest:
        message = f"The memory of {name(gpu)} is at {celsius} °C"
        limit = own_limit("memory_temperature", hottest, "°C", "the GPU's own highest for its memory")
        yield finding(gpu, "memory-temperature", "Warning", message, _COOL, celsius, limit)


def power_cap(observation: Observation, limits: Thresholds) -> Iterator[Finding]:
    """A GPU that may not draw what it is made for is slower than its peers elsewhere."""
    for gpu in observation.gpus:
        cap = gpu.state.power_limit_enforced_watts if gpu.state else None
        default = gpu.identity.power_limit_default_watts if gpu.identity else None
        if cap is None or default is None or cap >= default - _UNDER_A_WATT:
            continue
        message = f"The power of {name(gpu)} is limited to {cap:g} W; its default is {default:g} W"
        asked = gpu.state.power_limit_watts if gpu.state else None
        if asked is not None and asked >= default - _UNDER_A_WATT:  # NVML enforces less than it was asked for
            next_step = "Look at the limits of the BMC and of the module: nvidia-smi has set none."
        else:
            next_step = f"If nobody wants this, set it back: nvidia-smi -i {gpu.id} -pl {default:g}."
        limit = own_limit("power_limit", default, "W", "the GPU's default power limit")
        yield finding(gpu, "power-cap", "Warning", message, next_step, cap, limit)


RULES: tuple[Rule, ...] = (slowdown, slowed_down, temperature, power_cap)
