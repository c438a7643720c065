"""A machine with NVIDIA GPUs that is not there: a libnvidia-ml.so.1 of our own, with NVML's binary interface.

``FakeNvml("h100", count=8)`` builds the library once, writes the file that describes the machine, and changes
that file while programs run: loads rise, errors appear, GPUs are lost and come back. What the real library
refuses this one refuses too.
"""

from lab.nvml.faults import FakeNvml
from lab.nvml.machine import NvmlCode, Rising, Unsupported
from lab.nvml.profiles import PROFILES, Profile

__all__ = ["PROFILES", "FakeNvml", "NvmlCode", "Profile", "Rising", "Unsupported"]
