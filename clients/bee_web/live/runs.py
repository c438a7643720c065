"""Acceptance runs under way, and those that have just ended, whoever started them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bee_bus.client import Bus
from bee_bus.documents.sat import STATUSES, RunStatus
from bee_bus.errors import from_name, in_words
from bee_bus.mirror import Objects, follow_objects
from bee_bus.names import JOB_INTERFACE, SAT, SAT_RUN_INTERFACE
from bee_web.documents import RunNow, RunsNow, StepNow
from bee_web.door import Door
from bee_web.live.follower import Follower
from bee_web.live.hub import Hub
from bee_web.reads import Reads

TOPIC = "runs"
TELL_SECONDS = 0.25  # steps that change faster are told of at this pace


class Runs(Follower):
    """``under_way``: the runs with a job, the oldest first; those that ended are among them for a while."""

    def __init__(self, door: Door, hub: Hub, reads: Reads) -> None:
        super().__init__(door)
        self._hub = hub
        self._reads = reads
        self._objects: Objects = {}
        self._states: dict[str, str] = {}
        self._telling: asyncio.TimerHandle | None = None
        self.under_way: tuple[RunNow, ...] = ()

    def lost(self, words: str) -> None:
        self._reads.keep_runs(followed=False)
        self._objects, self._states = {}, {}
        self._tell()

    async def follow(self, bus: Bus) -> None:
        self._reads.keep_runs(followed=True)
        await follow_objects(bus, SAT, self._take, interfaces=(JOB_INTERFACE, SAT_RUN_INTERFACE))

    def _take(self, objects: Objects) -> None:
        self._objects = objects
        states = {path: one[JOB_INTERFACE]["State"] for path, one in objects.items() if JOB_INTERFACE in one}
        changed = states != self._states
        if changed:
            before, self._states = self._states, states
            # A service that leaves with nothing under way takes its jobs along, and changes no run.
            if states or any(state != "finished" for state in before.values()):
                self._reads.forget_runs()
        if changed and self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if changed:
            self._tell()
        elif self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        runs = (
            _run(path, one[JOB_INTERFACE], one[SAT_RUN_INTERFACE])
            for path, one in sorted(self._objects.items())
            if JOB_INTERFACE in one and SAT_RUN_INTERFACE in one
        )
        self.under_way = tuple(runs)
        self._hub.publish(TOPIC, msgspec.json.encode(RunsNow(runs=self.under_way)))


def _run(path: str, job: Mapping[str, Any], run: Mapping[str, Any]) -> RunNow:
    reason = in_words(from_name(job["ErrorName"], job["ErrorMessage"])) if job["ErrorName"] else ""
    return RunNow(
        run=path.rpartition("/")[2],
        pack=run["Pack"],
        state=job["State"],
        status=_status(job),
        step=job["Step"],
        progress=job["Progress"] if job["ProgressValid"] else None,
        started_at=_time(job["StartedAt"]),
        finished_at=_time(job["FinishedAt"]),
        cancelable=job["Cancelable"],
        reason=reason,
        steps=tuple(
            StepNow(name=name, status=status, doing=doing, progress=share if share >= 0 else None)
            for name, status, doing, share in run["Steps"]
        ),
    )


def _status(job: Mapping[str, Any]) -> RunStatus:
    """What has ended in a way that nobody knows has not passed."""
    if job["State"] != "finished":
        return "RUNNING"
    return next((status for status in STATUSES if status == job["Verdict"]), "FAILED")


def _time(microseconds: int) -> str | None:
    """0 is what has not happened."""
    if not microseconds:
        return None
    return (
        datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
