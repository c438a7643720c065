"""Machines with NVIDIA GPUs that are not there: a libcuda.so.1 with the driver's binary interface.

``FakeCuda("h100", count=2)`` builds the library once and writes the file that describes the machine. Kernels
are loaded from the real objects, and then run on the CPU: the same sources, compiled for the host, with
another form of the few instructions that C++ has no word for. What the real driver refuses, this one does.
"""

from lab.cuda.faults import FakeCuda
from lab.cuda.models import MODELS, Model

__all__ = ["MODELS", "FakeCuda", "Model"]
