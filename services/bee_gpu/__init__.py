"""GPU inventory, telemetry and health: the only process that talks to NVML."""
