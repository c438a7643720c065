"""Streams (work in order, one beside the other) and events (moments in a stream)."""

import ctypes

from bee_sat.gpu_stress.cuda.context import Owned
from bee_sat.gpu_stress.cuda.library import call, ready, release

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream, nor that for it
_EVENT_BLOCKING_SYNC = 1


class Stream(Owned):
    """Work that is done in order; a stream of its own, which the default stream does not wait for."""

    def __init__(self) -> None:
        handle = ctypes.c_void_p()
        call("cuStreamCreate", ctypes.byref(handle), _NON_BLOCKING)
        self.handle: int | None = handle.value

    def done(self) -> bool:
        """Is all work so far finished? Never waits. Raises ContextDead if some of it failed."""
        return ready("cuStreamQuery", self.handle)

    def synchronise(self) -> None:
        """Wait for all work so far: for ever, if the GPU hangs."""
        call("cuStreamSynchronize", self.handle)

    def wait_for(self, event: "Event") -> None:
        """What comes after this in the stream starts after ``event``."""
        call("cuStreamWaitEvent", self.handle, event.handle, 0)

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            release("cuStreamDestroy_v2", handle)


class Event(Owned):
    """A moment in a stream, with its time on the GPU's own clock."""

    def __init__(self) -> None:
        handle = ctypes.c_void_p()
        call("cuEventCreate", ctypes.byref(handle), _EVENT_BLOCKING_SYNC)
        self.handle: int | None = handle.value

    def record(self, stream: Stream | None = None) -> None:
        """The moment at which all work so far in the stream is finished."""
        call("cuEventRecord", self.handle, None if stream is None else stream.handle)

    def done(self) -> bool:
        """Did that moment come? Never waits. Raises ContextDead."""
        return ready("cuEventQuery", self.handle)

    def synchronise(self) -> None:
        """Wait for that moment: for ever, if the GPU hangs."""
        call("cuEventSynchronize", self.handle)

    def seconds_since(self, start: "Event") -> float:
        """Both must be done. Good to about half a microsecond."""
        milliseconds = ctypes.c_float()
        call("cuEventElapsedTime", ctypes.byref(milliseconds), start.handle, self.handle)
        return milliseconds.value / 1000

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            release("cuEventDestroy_v2", handle)
