"""A context: what one process has on one GPU."""

import ctypes
from types import TracebackType
from typing import Self

from bee_sat.gpu_stress.cuda.devices import Device
from bee_sat.gpu_stress.cuda.library import call, release

_BLOCKING_SYNC = (
    4  # CU_CTX_SCHED_BLOCKING_SYNC: a thread that waits sleeps, and leaves the processor to others
)


class Owned:
    """Something the driver holds for us until ``close``; a context manager. Closing twice does no harm."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Context(Owned):
    """The context on one GPU; current on the thread that made it.

    Everything else in this package works in the current context. Contexts are current per thread: another
    thread calls ``make_current`` before it does anything.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        handle = ctypes.c_void_p()
        call("cuCtxCreate_v2", ctypes.byref(handle), _BLOCKING_SYNC, device.handle)
        self.handle: int | None = handle.value

    def make_current(self) -> None:
        call("cuCtxSetCurrent", self.handle)

    def synchronise(self) -> None:
        """Wait for all work in this context. Raises ContextDead if a kernel failed.

        Do this only for work that surely ends; otherwise ask an Event whether it is ``done``.
        """
        self.make_current()
        call("cuCtxSynchronize")

    def free_memory_bytes(self) -> int:
        """What the driver says is free now. One allocation of all of it never succeeds."""
        self.make_current()
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def reach(self, peer: "Context") -> None:
        """Let kernels and copies of this context use the peer's memory; one direction.

        Raises PeerImpossible.
        """
        self.make_current()
        call("cuCtxEnablePeerAccess", peer.handle, 0)

    def leave(self, peer: "Context") -> None:
        """The end of ``reach``."""
        self.make_current()
        release("cuCtxDisablePeerAccess", peer.handle)

    def close(self) -> None:
        """With it goes all that was made in it: close that first, or not at all."""
        handle, self.handle = self.handle, None
        if handle is not None:
            release("cuCtxDestroy_v2", handle)
