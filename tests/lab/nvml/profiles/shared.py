"""What the fake GPUs have in common, and the shape of a profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 1 << 20


@dataclass(frozen=True)
class Profile:
    """``gpu``: what all GPUs of the machine share. ``each``: one value a GPU, repeated past its end."""

    driver_version: str
    nvml_version: str
    cuda_version: int
    vendor_model: str  # as the pci.ids database names it
    buses: tuple[int, ...]
    gpu: Mapping[str, float | str]
    each: Mapping[str, tuple[float | str, ...]] = field(default_factory=dict)
    nvlinks: int = 0
    nvswitch_buses: tuple[int, ...] = ()


# No error of any kind, as all three captures show.
_HEALTHY: Mapping[str, float | str] = {
    **{
        f"ecc_{since}_{what}": 0
        for since in ("volatile", "aggregate")
        for what in ("sram_corrected", "sram_parity", "sram_secded", "dram_corrected", "dram_uncorrected")
    },
    **{f"sram_{unit}": 0 for unit in ("l2", "sm", "microcontroller", "pcie", "other", "threshold_exceeded")},
    **{f"remapped_{what}": 0 for what in ("corrected", "uncorrected", "pending", "failure")},
    **{f"banks_{left}": 0 for left in ("high", "partial", "low", "none")},
    **{
        f"violation_{policy}_ns": 0
        for policy in ("power", "thermal", "sync_boost", "board", "low_utilization", "reliability")
    },
    "ecc_current": 1,
    "ecc_pending": 1,
    "ecc_default": 1,
    "inforom_valid": 1,
    "recovery_action": 0,
    "lost": 0,
    "reset_required": 0,
    "no_power": 0,
}

COMMON: Mapping[str, float | str] = {
    **_HEALTHY,
    "brand": 14,  # "NVIDIA"
    "multi_gpu_board": 0,
    "persistence": 1,
    "compute_mode": 0,
    "display_active": 0,
    "virtualization": 1,  # pass-through
    "gsp_mode": 1,
    "pci_domain": 0,
    "pci_device": 0,
    "performance_state": 0,
    "temperature_offset": 0,
    "encoder_utilization": 0,
    "memory_used": 0,
    "pcie_replay_rollover": 0,
    "pcie_byte_counters": 1,
    "energy": 0,
    "power_is_average": 1,
    "reasons_supported": 0x1FF,
    "reasons_forced": 0,
    "event_types": 0x1B,  # single and double bit ECC, Xid, clocks
}

REASON_COUNTERS: Mapping[str, float | str] = {
    "reason_counter_field": 269,
    "sw_thermal_ns": 0,
    "hw_thermal_ns": 0,
    "hw_power_brake_ns": 0,
}
AER: Mapping[str, float | str] = {
    f"aer_{what}": 0
    for what in (
        *(
            "correctable",
            "naks_received",
            "receiver",
            "bad_tlp",
            "naks_sent",
            "bad_dllp",
            "non_fatal",
            "fatal",
        ),
        *("unsupported_request", "lcrc", "lane"),
    )
}
