"""Memory of the GPU, pinned memory of the host, and copies between them."""

import ctypes

from bee_sat.gpu_stress.cuda.context import Context, Owned
from bee_sat.gpu_stress.cuda.library import call, release
from bee_sat.gpu_stress.cuda.stream import Stream

_PORTABLE, _DEVICE_MAP = 1, 2


class DeviceMemory(Owned):
    """``size_bytes`` on the GPU, in the current context; not cleared. Raises OutOfMemory."""

    def __init__(self, size_bytes: int) -> None:
        address = ctypes.c_uint64()
        call("cuMemAlloc_v2", ctypes.byref(address), size_bytes)
        self.address = address.value
        self.size_bytes = size_bytes

    def close(self) -> None:
        address, self.address = self.address, 0
        if address:
            release("cuMemFree_v2", address)

    def write(self, data: bytes | bytearray | memoryview, *, offset: int = 0) -> None:
        """Copy from ordinary memory, and wait for it. For small things: tables, counters.

        The driver's call ends when it has put the data aside (CUDA Driver API, "API synchronization
        behavior"), and our streams do not wait for the default one: without waiting they might not see it.
        """
        raw = bytes(data)
        _fits(self, offset, len(raw))
        call("cuMemcpyHtoD_v2", self.address + offset, raw, len(raw))
        call("cuStreamSynchronize", None)

    def read(self, size_bytes: int | None = None, *, offset: int = 0) -> bytes:
        """Copy to ordinary memory, and wait for it and for all work before it on the default stream."""
        size = self.size_bytes - offset if size_bytes is None else size_bytes
        _fits(self, offset, size)
        into = ctypes.create_string_buffer(max(size, 1))
        call("cuMemcpyDtoH_v2", into, self.address + offset, size)
        return into.raw[:size]

    def fill(self, word: int, stream: Stream | None = None) -> None:
        """Every 32-bit word becomes ``word``; bytes behind the last whole word stay. Asynchronous."""
        call("cuMemsetD32Async", self.address, word, self.size_bytes // 4, _handle(stream))


class HostMemory(Owned):
    """``size_bytes`` of the host, pinned: copies from and to it are asynchronous and as fast as the link.

    ``view`` reads and writes it; ``device_address`` is where kernels see it. Raises OutOfMemory.
    """

    def __init__(self, size_bytes: int) -> None:
        pointer = ctypes.c_void_p()
        call("cuMemHostAlloc", ctypes.byref(pointer), size_bytes, _PORTABLE | _DEVICE_MAP)
        self.address = pointer.value or 0
        self.size_bytes = size_bytes
        self.view = memoryview((ctypes.c_ubyte * size_bytes).from_address(self.address)).cast("B")

    @property
    def device_address(self) -> int:
        address = ctypes.c_uint64()
        call("cuMemHostGetDevicePointer_v2", ctypes.byref(address), self.address, 0)
        return address.value

    def close(self) -> None:
        address, self.address = self.address, 0
        if address:
            self.view.release()
            release("cuMemFreeHost", address)


def copy_to_device(
    target: DeviceMemory,
    source: HostMemory,
    size_bytes: int,
    stream: Stream | None = None,
    *,
    target_offset: int = 0,
    source_offset: int = 0,
) -> None:
    """Asynchronous."""
    _fits(target, target_offset, size_bytes)
    _fits(source, source_offset, size_bytes)
    to, where = target.address + target_offset, source.address + source_offset
    call("cuMemcpyHtoDAsync_v2", to, where, size_bytes, _handle(stream))


def copy_to_host(
    target: HostMemory,
    source: DeviceMemory,
    size_bytes: int,
    stream: Stream | None = None,
    *,
    target_offset: int = 0,
    source_offset: int = 0,
) -> None:
    """Asynchronous: ``target.view`` holds the data once the stream got there."""
    _fits(target, target_offset, size_bytes)
    _fits(source, source_offset, size_bytes)
    to, where = target.address + target_offset, source.address + source_offset
    call("cuMemcpyDtoHAsync_v2", to, where, size_bytes, _handle(stream))


def copy_on_device(
    target: DeviceMemory,
    source: DeviceMemory,
    size_bytes: int,
    stream: Stream | None = None,
    *,
    target_offset: int = 0,
    source_offset: int = 0,
) -> None:
    """Asynchronous, within one GPU."""
    _fits(target, target_offset, size_bytes)
    _fits(source, source_offset, size_bytes)
    to, where = target.address + target_offset, source.address + source_offset
    call("cuMemcpyDtoDAsync_v2", to, where, size_bytes, _handle(stream))


def copy_to_peer(
    target: DeviceMemory,
    target_context: Context,
    source: DeviceMemory,
    source_context: Context,
    size_bytes: int,
    stream: Stream | None = None,
) -> None:
    """Asynchronous, from one GPU to another; through the host where the two cannot reach each other.

    ``stream`` is one of the current context, which is one of the two.
    """
    _fits(target, 0, size_bytes)
    _fits(source, 0, size_bytes)
    call(
        "cuMemcpyPeerAsync",
        *(target.address, target_context.handle, source.address, source_context.handle),
        *(size_bytes, _handle(stream)),
    )


def _fits(memory: DeviceMemory | HostMemory, offset: int, size_bytes: int) -> None:
    if offset < 0 or size_bytes < 0 or offset + size_bytes > memory.size_bytes:
        raise ValueError(f"{size_bytes} bytes at {offset} do not fit in {memory.size_bytes}")


def _handle(stream: Stream | None) -> int | None:
    return None if stream is None else stream.handle
