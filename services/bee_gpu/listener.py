"""Waits for what GPUs report by themselves, Xid errors above all, in a thread of its own."""

import asyncio
import logging

from bee_gpu import events, nvml
from bee_gpu.fleet import Fleet
from bee_gpu.worker import Closed, NotAnswering, Worker

log = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
DEADLINE_SECONDS = 10.0
AGAIN_SECONDS = 0.02
PAUSE_SECONDS = 1.0  # before another try

# What counters do not tell, with a sentence each; Xids have a table of their own.
_KINDS = {
    "ecc-corrected-storm": "Corrected memory errors come so often that the GPU reports them as a storm",
    "dram-retirement": "The GPU has retired a part of its memory",
    "dram-retirement-failure": "The GPU could not retire a faulty part of its memory",
    "non-fatal-poison": "A program has met poisoned data in the GPU's memory",
    "fatal-poison": "Poisoned data has spread in the GPU: it needs a reset",
    "gpu-unavailable": "The GPU has become unavailable",
}


class Listener:
    """Listens to all GPUs that NVML answers for, also when they change."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._task: asyncio.Task[None] | None = None
        self._worker = Worker("NVML's events")

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="listener")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except nvml.LibraryUnusable as error:
                await self._fleet.driver_gone(str(error))
            except nvml.GpuLost:
                # At once, for the others may report meanwhile: the lost one is deaf in the next set.
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            except (nvml.NvmlError, NotAnswering) as error:
                log.info("GPUs are not listened to for a moment: %s", error)
            except Closed:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Until the GPUs change, or one of them is lost: then the set has to be made anew."""
        heard = self._wanted()
        if not heard:
            return
        gpu_ids = {handle.index: gpu_id for gpu_id, handle in heard.items()}
        waiting: nvml.EventSet = await self._worker.ask(
            nvml.EventSet, list(heard.values()), deadline_seconds=DEADLINE_SECONDS
        )
        for index, why in waiting.deaf.items():
            log.info("%s cannot report events: %s", gpu_ids[index], why)
        try:
            while self._wanted() == heard:
                found = await self._worker.ask(
                    waiting.wait, WAIT_SECONDS, deadline_seconds=WAIT_SECONDS + DEADLINE_SECONDS
                )
                if found is not None:
                    self._report(found, gpu_ids.get(found.index if found.index is not None else -1, ""))
        finally:
            if self._fleet.session.is_open and self._worker.answering:
                closing = self._worker.ask(waiting.close, deadline_seconds=DEADLINE_SECONDS)
                task = asyncio.ensure_future(closing)
                task.add_done_callback(_seen)

    def _wanted(self) -> dict[str, nvml.Handle]:
        devices = self._fleet.nvidia_devices()
        return {gpu_id: device.handle for gpu_id, device in devices.items() if device.handle is not None}

    def _report(self, found: nvml.GpuEvent, gpu_id: str) -> None:
        if found.xid is not None:
            self._fleet.report([events.from_xid(gpu_id, found.xid)])
        elif found.kind in _KINDS:
            message = _KINDS[found.kind]
            self._fleet.report([events.event(gpu_id, found.kind, "Warning", message, data=found.data)])


def _seen(task: "asyncio.Task[None]") -> None:
    """A set that could not be freed went with its library."""
    if not task.cancelled():
        task.exception()
