"""A GPU behind NVML, read in a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bee_bus.documents.gpu import GpuIdentity, GpuState
from bee_bus.documents.gpus import Condition
from bee_gpu import nvml
from bee_gpu.devices import DriverGone, Look, Unavailable
from bee_gpu.worker import Closed, NotAnswering, Worker

T = TypeVar("T")

# A call into the driver waits while another GPU is reset; beyond this it hangs.
LOOK_SECONDS = 3.0
DESCRIBE_SECONDS = 5.0
HANDLE_SECONDS = 10.0  # the first handle of a GPU without persistence mode starts it

_CONDITIONS: tuple[tuple[type[nvml.GpuError], Condition], ...] = (
    (nvml.GpuLost, "lost"),
    (nvml.ResetRequired, "needs-reset"),
    (nvml.NoExternalPower, "no-power"),
    (nvml.GpuNotFound, "not-in-driver"),
)


class NvidiaDevice:
    """``id`` is the PCI address. The handle is looked up when it is needed, and again after `forget`."""

    shortest_seconds = 0.0

    def __init__(self, gpu_id: str) -> None:
        self.id = gpu_id
        self.handle: nvml.Handle | None = None
        self._worker = Worker(f"the GPU at {gpu_id}")

    async def look(self, *, counters: bool) -> Look:
        return await self._ask(_look, counters, deadline_seconds=LOOK_SECONDS)

    async def identity(self) -> GpuIdentity:
        return await self._ask(nvml.read_identity, deadline_seconds=DESCRIBE_SECONDS)

    async def state(self) -> GpuState:
        return await self._ask(nvml.read_state, deadline_seconds=DESCRIBE_SECONDS)

    def forget(self) -> None:
        """The library was closed, or the GPU has gone: handles from before are worth nothing."""
        self.handle = None

    def close(self) -> None:
        self._worker.close()

    @property
    def hanging(self) -> str | None:
        trouble = self._worker.trouble
        return None if trouble is None else str(trouble)

    def look_blocking(self, counters: bool) -> Look:
        """The same look, in the thread that calls: for a convoy."""
        with self._named():
            if self.handle is None:
                self.handle = nvml.handle_by_pci(self.id)
            return _look(self.handle, counters)

    async def _ask(self, function: Callable[..., T], *arguments: object, deadline_seconds: float) -> T:
        with self._named():
            if self.handle is None:
                self.handle = await self._worker.ask(
                    nvml.handle_by_pci, self.id, deadline_seconds=HANDLE_SECONDS
                )
            return await self._worker.ask(
                function, self.handle, *arguments, deadline_seconds=deadline_seconds
            )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """NVML's errors in the words of the service."""
        try:
            yield
        except (NotAnswering, Closed) as error:
            raise Unavailable("not-answering", str(error)) from None
        except nvml.LibraryUnusable as error:
            raise DriverGone(str(error)) from error
        except nvml.GpuError as error:
            self.forget()
            condition = next(word for kind, word in _CONDITIONS if isinstance(error, kind))
            raise Unavailable(condition, str(error)) from None
        except nvml.NvmlError as error:
            raise Unavailable("lost", f"the driver refuses every question: {error}") from None


def _look(handle: nvml.Handle, counters: bool) -> Look:
    return Look(nvml.read_sample(handle), nvml.read_counters(handle) if counters else None)
