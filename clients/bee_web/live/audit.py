"""The audit: what its file says, and how far one is that is under way, whoever started it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from bee_bus.client import Bus
from bee_bus.errors import from_name, in_words
from bee_bus.mirror import Objects, follow_objects
from bee_bus.names import AUDIT, AUDIT_RUN_INTERFACE, JOB_INTERFACE
from bee_web.documents import AuditNow
from bee_web.door import Door
from bee_web.live.follower import Follower
from bee_web.live.hub import Hub
from bee_web.snapshot import SnapshotFile

TOPIC = "audit"
LOOK_SECONDS = 2.0  # how often the file is looked at, while somebody looks


class Audit(Follower):
    def __init__(self, door: Door, hub: Hub, snapshot: SnapshotFile) -> None:
        super().__init__(door)
        self._hub = hub
        self._snapshot = snapshot
        self._job: Mapping[str, Any] | None = None
        self._failure = ""

    @property
    def now(self) -> AuditNow:
        """The file as it is in this moment, and the audit under way."""
        seen = self._snapshot.read()
        summary = seen.snapshot.hardware.summary if seen.snapshot else None
        job = self._job
        return AuditNow(
            verdict=seen.verdict,
            failure_count=summary.failure_count if summary else None,
            warning_count=summary.warning_count if summary else None,
            unknown_count=summary.unknown_count if summary else None,
            audited_at=seen.snapshot.started_at if seen.snapshot else None,
            earlier_boot=seen.earlier_boot,
            trouble=seen.trouble,
            running=job is not None,
            step=job["Step"] if job else None,
            progress=job["Progress"] if job and job["ProgressValid"] else None,
            failure=self._failure,
        )

    def lost(self, words: str) -> None:
        self._job, self._failure = None, ""
        self.tell()

    async def follow(self, bus: Bus) -> None:
        await follow_objects(bus, AUDIT, self._take, interfaces=(JOB_INTERFACE, AUDIT_RUN_INTERFACE))

    async def keep_looking(self) -> None:
        """Tell of a file that changes without the bus knowing; until cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(LOOK_SECONDS)

    def tell(self) -> None:
        self._hub.publish(TOPIC, msgspec.json.encode(self.now))

    def _take(self, objects: Objects) -> None:
        jobs = {path: one[JOB_INTERFACE] for path, one in objects.items() if JOB_INTERFACE in one}
        running = [path for path, job in jobs.items() if job["State"] != "finished"]
        before = self._job
        self._job = dict(jobs[min(running)]) if running else None
        if self._job is not None:
            self._failure = ""
        elif before is not None:
            self._failure = _failure(jobs)
        self.tell()


def _failure(jobs: Mapping[str, Mapping[str, Any]]) -> str:
    """Why the last one ended without a result."""
    if not jobs:
        return "the audit service ended before the audit did"
    last = jobs[max(jobs)]
    return in_words(from_name(last["ErrorName"], last["ErrorMessage"])) if last["ErrorName"] else ""
