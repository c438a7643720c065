"""NVML's enumerations in words. A number that is newer than the table keeps its number."""

from collections.abc import Mapping

BRANDS = {
    0: "unknown",
    1: "Quadro",
    2: "Tesla",
    3: "NVS",
    4: "GRID",
    5: "GeForce",
    6: "Titan",
    7: "NVIDIA Virtual Applications",
    8: "NVIDIA Virtual PC",
    9: "NVIDIA Virtual Compute Server",
    10: "NVIDIA RTX Virtual Workstation",
    11: "NVIDIA Cloud Gaming",
    12: "Quadro RTX",
    13: "NVIDIA RTX",
    14: "NVIDIA",
    15: "GeForce RTX",
    16: "Titan RTX",
}

ARCHITECTURES = {
    2: "Kepler",
    3: "Maxwell",
    4: "Pascal",
    5: "Volta",
    6: "Turing",
    7: "Ampere",
    8: "Ada",
    9: "Hopper",
    10: "Blackwell",
    13: "Rubin",
}

COMPUTE_MODES = {0: "default", 1: "exclusive-thread", 2: "prohibited", 3: "exclusive-process"}

VIRTUALIZATION = {0: "none", 1: "pass-through", 2: "vgpu-guest", 3: "vgpu-host", 4: "vsga-host"}

# nvmlNvLinkVersion: the numbers count the releases.
NVLINK_VERSIONS = {1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0"}

NVLINK_REMOTES = {0: "gpu", 1: "npu", 2: "switch", 0xFF: "unknown"}

# nvmlDeviceGpuRecoveryAction_t, field 230.
RECOVERY_ACTIONS = {
    0: "none",
    1: "gpu-reset",
    2: "node-reboot",
    3: "drain-p2p",
    4: "drain-and-reset",
    5: "recover-imex-domain",
    6: "bus-reset",
    7: "system-reboot",
}

FABRIC_STATES = {0: "not-supported", 1: "not-started", 2: "in-progress", 3: "completed"}

# What a fabric may find wrong with a GPU's place (NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION_*).
FABRIC_CONFIGURATIONS = {
    2: "wrong system GUID",
    3: "wrong chassis serial number",
    4: "no partition",
    5: "too few NVLinks",
    6: "incompatible GPU firmware",
    7: "invalid location",
    8: "invalid state of the GPU",
}

EVENT_KINDS = {
    0x1: "ecc-corrected",
    0x2: "ecc-uncorrected",
    0x4: "performance-state",
    0x8: "xid",
    0x10: "clock",
    0x80: "power-source",
    0x100: "mig-configuration",
    0x200: "ecc-corrected-storm",
    0x400: "dram-retirement",
    0x800: "dram-retirement-failure",
    0x1000: "non-fatal-poison",
    0x2000: "fatal-poison",
    0x4000: "gpu-unavailable",
    0x8000: "recovery-action",
}


def word(table: Mapping[int, str], value: int | float | None) -> str | None:
    return None if value is None else table.get(int(value), f"number-{int(value)}")
