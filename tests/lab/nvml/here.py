"""The fake library in this very process, for tests that look through the door.

The dynamic loader knows a library by its soname: once ours is loaded, pynvml's own loading of
libnvidia-ml.so.1 gets it. Programs that are started get it by ``FakeNvml.environment`` instead.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from bee_gpu import nvml
from bee_gpu.nvml.errors import NotOpen
from lab.nvml.faults import FakeNvml


@contextlib.contextmanager
def seen_from_here(fake: FakeNvml) -> Iterator[None]:
    """This process sees the fake machine; NVML is not opened yet, and is closed at the end."""
    ctypes.CDLL(str(fake.library))
    os.environ["BEE_FAKE_NVML"] = str(fake.file)
    try:
        yield
    finally:
        fake.answer_all()
        fake.load_driver()
        with contextlib.suppress(NotOpen):
            for _ in range(8):
                nvml.close_library()
        del os.environ["BEE_FAKE_NVML"]


@contextlib.contextmanager
def opened(fake: FakeNvml) -> Iterator[list[nvml.Handle]]:
    """NVML open, and a handle for each GPU that it knows."""
    with seen_from_here(fake):
        nvml.open_library()
        yield [nvml.handle_by_index(index) for index in range(nvml.gpu_count())]
