"""What a GPU measures in a burn-in: idle, load with a power limit, idle again. The same each time."""

from collections.abc import Iterator

SAMPLE = {
    "temperature_celsius": 31.0,
    "utilization_gpu_percent": 0.0,
    "power_watts": 71.0,
    "clock_sm_mhz": 1980.0,
    "memory_temperature_celsius": 39.0,
    "utilization_memory_percent": 0.0,
    "clock_memory_mhz": 2619.0,
    "memory_used_gib": 0.5,
}
IDLE_SECONDS = 20


def burn_in(seconds: int) -> Iterator[tuple[int, dict[str, float | None]]]:
    """Once a second; under load every quantity moves a little, each in its own rhythm."""
    heat = 31.0
    for second in range(seconds):
        loaded = IDLE_SECONDS <= second < seconds - IDLE_SECONDS
        heat += ((68.0 if loaded else 30.0) - heat) / 60
        if not loaded:
            yield second, {**SAMPLE, "temperature_celsius": round(heat, 0)}
            continue
        yield (
            second,
            {
                "temperature_celsius": float(round(heat)),
                "utilization_gpu_percent": 97.0 if second % 37 == 0 else 100.0,
                "power_watts": 690.0 + second * 7 % 13,
                "clock_sm_mhz": 1755.0 - 15 * (second * 5 % 3),
                "memory_temperature_celsius": float(round(heat + 8)),
                "utilization_memory_percent": 60.0 + second % 5,
                "clock_memory_mhz": 2619.0,
                "memory_used_gib": 76.0,
            },
        )
