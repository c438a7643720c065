"""NVML as a whole: opened when it is needed, given up when its driver goes, opened again when it is back."""

import asyncio
import logging

from bee_bus.documents.gpus import ServiceState
from bee_gpu import nvml
from bee_gpu.worker import Closed, NotAnswering, Worker

log = logging.getLogger(__name__)

OPEN_SECONDS = 15.0  # without persistence mode every GPU is started for it
CLOSE_SECONDS = 5.0
LIST_SECONDS = 5.0


class Session:
    """``state`` and ``trouble`` say how NVML is; ``generation`` grows with each opening."""

    def __init__(self) -> None:
        self.state: ServiceState = "no-driver"
        self.trouble: str | None = None
        self.versions = nvml.NvmlVersions()
        self.generation = 0
        self._open = False
        self._one_at_a_time = asyncio.Lock()
        self._worker = Worker("NVML")

    @property
    def is_open(self) -> bool:
        return self._open

    async def open(self) -> bool:
        """Open NVML unless it is; whether it is then."""
        async with self._one_at_a_time:
            if self._open:
                return True
            try:
                self.versions = await self._worker.ask(_open, deadline_seconds=OPEN_SECONDS)
            except (NotAnswering, Closed) as error:
                self._failed("not-answering", str(error))
            except nvml.LibraryMissing as error:
                self._failed("no-library", str(error))
            except nvml.DriverMismatch as error:
                self._failed("version-mismatch", str(error))
            except nvml.NvmlError as error:
                self._failed("no-driver", str(error))
            else:
                self.state, self.trouble, self._open = "ready", None, True
                self.generation += 1
            return self._open

    async def give_up(self, trouble: str) -> None:
        """The driver has gone under the open library: handles are worth nothing from now on."""
        if not self._open:
            return
        self._open = False
        self._failed("no-driver", trouble)
        await self._close()

    def close(self) -> None:
        """At the end of the process, which gives NVML back by itself.

        A thread may still wait for an event or hang in a call, and nvmlShutdown under it ends in a
        segmentation fault (XuehaiPan/nvitop, issue 222: B300, driver 580.126).
        """
        self._open = False
        self._worker.close()

    async def addresses(self) -> tuple[str, ...]:
        """The PCI addresses of all GPUs that NVML lists and that can say where they are."""
        try:
            return await self._worker.ask(_addresses, deadline_seconds=LIST_SECONDS)
        except (NotAnswering, Closed, nvml.NvmlError) as error:
            log.warning("NVML could not list its GPUs: %s", error)
            return ()

    async def gpu_count(self) -> int | None:
        try:
            return await self._worker.ask(nvml.gpu_count, deadline_seconds=LIST_SECONDS)
        except (NotAnswering, Closed, nvml.NvmlError) as error:
            log.warning("NVML could not count its GPUs: %s", error)
            return None

    async def _close(self) -> None:
        try:
            await self._worker.ask(nvml.close_library, deadline_seconds=CLOSE_SECONDS)
        except (NotAnswering, Closed, nvml.NvmlError) as error:
            log.info("NVML was not closed in order: %s", error)

    def _failed(self, state: ServiceState, trouble: str) -> None:
        if (state, trouble) != (self.state, self.trouble):
            log.info("NVML is of no use now: %s", trouble)
        self.state, self.trouble = state, trouble
        self.versions = nvml.NvmlVersions()


def _open() -> nvml.NvmlVersions:
    nvml.open_library()
    return nvml.read_versions()


def _addresses() -> tuple[str, ...]:
    found = []
    for index in range(nvml.gpu_count()):
        try:
            found.append(nvml.read_pci_address(nvml.handle_by_index(index)))
        except nvml.LibraryUnusable:
            raise
        except nvml.NvmlError:
            continue  # one that is lost, or whatever it has, is known by its place on PCI
    return tuple(found)
