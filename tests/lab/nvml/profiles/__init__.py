"""What the fake GPUs are: values of three real machines, by the names that the library's configuration uses.

From ``nvidia-smi -q -x`` of an HGX H100 (driver 580.105.08), an A100-SXM4-40GB (570.148.08) and an L40S
(595.91.07). Not in those: NVLink (18 links of 26 562 MB/s on H100, 12 of 25 781 MB/s on A100-SXM4), core
counts and bus widths (the data sheets), and what a full load does.

Memory in bytes, power in milliwatts, clocks in MHz, temperatures in degrees Celsius, PCIe traffic in kB/s.
"""

from collections.abc import Mapping

from lab.nvml.profiles.a100 import A100
from lab.nvml.profiles.h100 import H100
from lab.nvml.profiles.l40s import L40S
from lab.nvml.profiles.shared import Profile

PROFILES: Mapping[str, Profile] = {"h100": H100, "a100": A100, "l40s": L40S}

__all__ = ["PROFILES", "Profile"]
