"""The one door to NVML. Nothing else in bee imports pynvml.

Open the library, take a handle for each GPU, and read: ``read_identity`` once, ``read_state`` now and then,
``read_counters`` when errors should be noticed, ``read_sample`` as often as telemetry wants. What a GPU, its
driver or this pynvml does not offer is None, never zero. Every call can hang: run them in a worker's thread
(bee_gpu.worker), one for each GPU.
"""

from bee_gpu.nvml.counters import read_counters
from bee_gpu.nvml.errors import (
    DriverMismatch,
    DriverNotLoaded,
    GpuError,
    GpuLost,
    GpuNotFound,
    LibraryMissing,
    LibraryUnusable,
    NoExternalPower,
    NvmlError,
    ResetRequired,
)
from bee_gpu.nvml.events import EventSet, GpuEvent
from bee_gpu.nvml.handles import Handle, gpu_count, handle_by_index, handle_by_pci
from bee_gpu.nvml.identity import read_identity, read_pci_address
from bee_gpu.nvml.library import NvmlVersions, close_library, open_library, read_versions
from bee_gpu.nvml.sample import read_pcie_throughput, read_sample
from bee_gpu.nvml.state import read_state

__all__ = [
    "DriverMismatch",
    "DriverNotLoaded",
    "EventSet",
    "GpuError",
    "GpuEvent",
    "GpuLost",
    "GpuNotFound",
    "Handle",
    "LibraryMissing",
    "LibraryUnusable",
    "NoExternalPower",
    "NvmlError",
    "NvmlVersions",
    "ResetRequired",
    "close_library",
    "gpu_count",
    "handle_by_index",
    "handle_by_pci",
    "open_library",
    "read_counters",
    "read_identity",
    "read_pci_address",
    "read_pcie_throughput",
    "read_sample",
    "read_state",
    "read_versions",
]
