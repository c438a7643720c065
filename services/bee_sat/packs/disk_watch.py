"""How the disks are, while their self-tests run: the audit's storage section, asked for again and again.

One look serves all the disks' steps that wait for it.
"""

import asyncio
import time
from typing import Final

import msgspec

from bee_bus.client import AuditClient, Bus
from bee_bus.documents.audit import Snapshot
from bee_bus.documents.findings import Finding
from bee_bus.documents.storage import Disk
from bee_bus.errors import BeeError

POLL_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 300.0  # disks that hang cost the audit its own deadlines first
TRIES: Final = 3


class DiskUnseen(Exception):
    """The audit does not say how the disk is; the message says why."""


class DiskGone(DiskUnseen):
    """The audit does not list the disk any more."""


class DiskWatch:
    """The disks of one run. The first look comes after ``poll_seconds``.

    ``silent``: the audit has not answered for longer than a look may take: nobody knows how the disks are.
    """

    def __init__(self, poll_seconds: float = POLL_SECONDS, look_seconds: float = LOOK_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._look_seconds = look_seconds
        self._answered_at: float | None = None
        self._look: asyncio.Task[Snapshot] | None = None

    async def next_look(self, bus: Bus) -> Snapshot:
        """The machine's disks, after a while. Raises DiskUnseen when the audit fails several times."""
        if self._answered_at is None:
            self._answered_at = time.monotonic()
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._later(bus))
            self._look.add_done_callback(_seen_to)
        return await asyncio.shield(self._look)

    @property
    def silent(self) -> bool:
        return (
            self._answered_at is not None
            and time.monotonic() - self._answered_at > self._poll_seconds + self._look_seconds
        )

    async def _later(self, bus: Bus) -> Snapshot:
        await asyncio.sleep(self._poll_seconds)
        for attempt in range(1, TRIES + 1):
            try:
                seen = await look(bus)
                self._answered_at = time.monotonic()
                return seen
            except BeeError as error:
                if attempt == TRIES:
                    raise DiskUnseen(
                        f"the audit of the disks failed {TRIES} times: {error.message}"
                    ) from error
                await asyncio.sleep(self._poll_seconds)
        raise AssertionError("unreachable")


async def look(bus: Bus) -> Snapshot:
    """The storage section, read now. Raises BeeError."""
    job = await AuditClient(bus).run({"sections": "storage"})
    await job.finished(deadline_seconds=LOOK_SECONDS)
    return msgspec.json.decode(await job.get_snapshot(), type=Snapshot)


def disk_in(snapshot: Snapshot, disk_id: str) -> Disk:
    """The disk as the snapshot has it. Raises DiskGone, or DiskUnseen when no disk could be read."""
    section = snapshot.hardware.storage
    if section is None:
        raise DiskUnseen("the audit could not read the disks")
    for disk in section.disks:
        if disk.id == disk_id:
            return disk
    if "@" in disk_id:  # only smartctl lists it, whose scan can fail
        raise DiskUnseen(f"smartctl does not list {disk_id} any more")
    raise DiskGone(f"{disk_id} is there no more")


def findings_of(snapshot: Snapshot, disk_id: str) -> list[Finding]:
    """What the audit's rules find wrong with the disk."""
    component = f"storage/{disk_id}"
    return [one for one in snapshot.hardware.summary.findings if one.component == component]


def _seen_to(task: "asyncio.Task[Snapshot]") -> None:
    """A look that nobody waits for any more fails in silence."""
    if not task.cancelled():
        task.exception()
