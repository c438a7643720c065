"""Long work behind the bus: it belongs to the service, goes on when the client leaves, and anybody can
watch it.

`Job` is the plain object with the state machine (queued → running → finished). `Jobs` puts them on the bus,
beside whatever interface of its own a kind of job has, and keeps them there for a while after their end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from bee_bus import errors
from bee_bus.calls import caller_uid
from bee_bus.host import Host
from bee_bus.interface import Interface

log = logging.getLogger(__name__)

QUEUED = "queued"
RUNNING = "running"
FINISHED = "finished"

KEEP_SECONDS = 300.0  # a finished job can be looked at for so long, while the service runs
LINGER_SECONDS = 30.0  # and it holds the service for so long, for its client to fetch the result

Work = Callable[["Job"], Awaitable[str]]


class Job:
    """One piece of long work. `work(job)` is awaited once and returns the verdict."""

    def __init__(
        self,
        kind: str,
        work: Work,
        *,
        job_id: str,
        owner_uid: int,
        cancelable: bool = True,
        verdict_without_result: str = "Unknown",
    ) -> None:
        """`verdict_without_result`: the verdict when the work failed or was cancelled: never OK."""
        self.id = job_id
        self.kind = kind
        self.owner_uid = owner_uid
        self.cancelable = cancelable
        self.state = QUEUED
        self.verdict = ""
        self.error: errors.BeeError | None = None
        self.step = ""
        self.progress: float | None = None
        self.created_at = datetime.now(UTC)
        self.started_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._work = work
        self._verdict_without_result = verdict_without_result
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Begin the work, in a task of its own."""
        if self._task is not None:
            raise RuntimeError(f"job {self.id} has been started before")
        if self.state == FINISHED:
            return  # cancelled while it was queued
        self.state = RUNNING
        self.started_at = datetime.now(UTC)
        self._task = asyncio.create_task(self._run(), name=f"{self.kind} {self.id}")
        self.on_change()

    def report(self, *, step: str | None = None, progress: float | None = None) -> None:
        """What the work is doing now, and how far it is (0 to 1); what is not given stays."""
        if step is not None:
            self.step = step
        if progress is not None:
            self.progress = min(max(progress, 0.0), 1.0)
        self.on_change()

    def cancel(self, reason: str = "it was cancelled") -> None:
        """Tell the work to end; NotSupported when it cannot be told, or has ended."""
        if self.state == FINISHED:
            raise errors.NotSupported("the job has already finished")
        if not self.cancelable:
            raise errors.NotSupported("this job cannot be cancelled")
        self._end_early(reason)

    async def stop(self, reason: str) -> None:
        """End the work because the service ends, and wait for it."""
        if self.state != FINISHED:
            self._end_early(reason)
        await self.ended()

    async def ended(self) -> None:
        """Return when the job has finished."""
        await self._ended.wait()

    def _end_early(self, reason: str) -> None:
        if self.error is None:
            self.error = errors.Cancelled(reason)
        if self._task is None:
            self._finish(self._verdict_without_result)
        else:
            # Not before the work has begun: a task that is cancelled earlier would never run, and not end.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def _run(self) -> None:
        verdict = self._verdict_without_result
        try:
            verdict = await self._work(self)
            self.error = None  # it was told to end, and had a result all the same
            self.progress = None if self.progress is None else 1.0
        except errors.BeeError as error:
            self.error = error
        except asyncio.CancelledError:
            self.error = self.error or errors.Cancelled("it was cancelled")
        except Exception:
            # The border of the work: the job ends with a name for it, the log has the rest.
            log.exception("%s %s failed", self.kind, self.id)
            self.error = errors.Internal("the work failed; the service's log has the details")
        finally:
            self._finish(verdict)

    def _finish(self, verdict: str) -> None:
        self.state = FINISHED
        self.verdict = verdict
        self.finished_at = datetime.now(UTC)
        self._ended.set()
        self.on_change()


class JobInterface(Interface, xml="org.bee.Job1"):
    """org.bee.Job1 of one job."""

    owner_may = frozenset({"Cancel"})

    def __init__(self, job: Job) -> None:
        super().__init__(
            Kind=job.kind,
            CreatedAt=_microseconds(job.created_at),
            OwnerUid=job.owner_uid,
            **_changing(job),
        )
        self._job = job

    def owner_uid(self) -> int:
        return self._job.owner_uid

    def refresh(self) -> None:
        self.update(**_changing(self._job))

    async def Cancel(self) -> None:
        self._job.cancel(f"user {await caller_uid()} cancelled it")


class Jobs:
    """The jobs of one service, on the bus at ROOT/job/ID."""

    def __init__(
        self, host: Host, *, keep_seconds: float = KEEP_SECONDS, linger_seconds: float = LINGER_SECONDS
    ) -> None:
        self._host = host
        self._keep_seconds = keep_seconds
        self._linger_seconds = linger_seconds
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = ("", 0)
        host.at_stop(self.stop)

    def start(
        self,
        kind: str,
        work: Work,
        *,
        owner_uid: int,
        beside: Callable[[Job], Sequence[Interface]] = lambda job: (),
        cancelable: bool = True,
        verdict_without_result: str = "Unknown",
        job_id: str | None = None,
    ) -> Job:
        """Put a new job on the bus and begin it; `beside` makes the interfaces next to its org.bee.Job1.

        `job_id`: one of `new_id`, for who needs the name before there is a job.
        """
        job = Job(
            kind,
            work,
            job_id=job_id or self.new_id(),
            owner_uid=owner_uid,
            cancelable=cancelable,
            verdict_without_result=verdict_without_result,
        )
        interface = JobInterface(job)
        job.on_change = interface.refresh
        with ExitStack() as stack:
            stack.enter_context(self._host.inhibit(f"job {job.id}"))
            self._host.export(self.path(job), interface, *beside(job))
            holds = stack.pop_all()
        self._jobs[job.id] = job
        job.start()
        task = asyncio.create_task(self._follow(job, holds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def path(self, job: Job) -> str:
        """Where the job is on the bus."""
        return f"{self._host.root}/job/{job.id}"

    def unfinished(self, kind: str | None = None) -> list[Job]:
        """The jobs under way, of one kind or of all, oldest first."""
        return [job for job in self._jobs.values() if job.state != FINISHED and kind in (None, job.kind)]

    async def stop(self) -> None:
        """End all jobs, because the service ends."""
        stopping = [job.stop("the service was told to stop") for job in self.unfinished()]
        await asyncio.gather(*stopping)

    async def _follow(self, job: Job, holds: ExitStack) -> None:
        with holds:
            await job.ended()
            await asyncio.sleep(self._linger_seconds)
        await asyncio.sleep(max(self._keep_seconds - self._linger_seconds, 0))
        self._host.unexport(self.path(job))
        del self._jobs[job.id]

    def new_id(self) -> str:
        """A name that no other job of this process gets: 20261122T143259_001.

        Of fixed width, so that no id is the beginning of another.
        """
        last, number = self._last_id
        second = max(datetime.now(UTC).strftime("%Y%m%dT%H%M%S"), last)
        number = number + 1 if second == last else 1
        self._last_id = (second, number)
        return f"{second}_{number:03d}"


def _changing(job: Job) -> dict[str, Any]:
    return {
        "State": job.state,
        "Verdict": job.verdict,
        "ErrorName": job.error.name if job.error and job.state == FINISHED else "",
        "ErrorMessage": job.error.message if job.error and job.state == FINISHED else "",
        "Step": job.step,
        "Progress": job.progress or 0.0,
        "ProgressValid": job.progress is not None,
        "StartedAt": _microseconds(job.started_at),
        "FinishedAt": _microseconds(job.finished_at),
        "Cancelable": job.cancelable and job.state != FINISHED,
    }


def _microseconds(when: datetime | None) -> int:
    """Microseconds since 1970; 0 for what has not happened."""
    return round(when.timestamp() * 1_000_000) if when is not None else 0
