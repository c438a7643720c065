"""The audit's thresholds: each number stands in ``limits/<area>.toml`` (see bee_bus.thresholds)."""

from functools import cache
from pathlib import Path

from bee_bus.thresholds import SITE_FILE, ThresholdError, Thresholds, from_files

__all__ = ["SITE_FILE", "ThresholdError", "Thresholds", "built_in"]

LIMITS_FOLDER = Path(__file__).parent / "limits"


@cache
def built_in() -> Thresholds:
    """The thresholds that the audit ships; the GPUs' and the runs' are with org.bee.Gpu1 and org.bee.Sat1."""
    return from_files(sorted(LIMITS_FOLDER.glob("*.toml")), elsewhere=["gpus", "sat", "gpu_stress"])
