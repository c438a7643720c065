"""The fake library in this very process, for tests that look through the door.

The dynamic loader knows a library by its soname: once ours is loaded, loading libcuda.so.1 gets it. Programs
that are started get it by ``FakeCuda.environment`` instead.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from bee_sat.gpu_stress.cuda import Device, devices, initialise, library
from lab.cuda.faults import FakeCuda


@contextlib.contextmanager
def seen_from_here(fake: FakeCuda) -> Iterator[None]:
    """This process sees the fake machine, as a process that has not used CUDA yet."""
    loaded = ctypes.CDLL(str(fake.library))
    os.environ["BEE_FAKE_CUDA"] = str(fake.file)
    _forget()
    try:
        yield
    finally:
        loaded.fake_cuda_forget()
        _forget()
        os.environ.pop("BEE_FAKE_CUDA", None)


def _forget() -> None:
    """What a process keeps of CUDA is for its whole life; here a test is a life."""
    library._functions.clear()
    library._dead = None


@contextlib.contextmanager
def opened(fake: FakeCuda) -> Iterator[tuple[Device, ...]]:
    """CUDA initialised, and the devices that it shows."""
    with seen_from_here(fake):
        initialise()
        yield devices()
