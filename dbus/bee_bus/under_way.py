"""What works at this moment, and would be cut off if the machine went down."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bee_bus import errors, values
from bee_bus.client import Bus
from bee_bus.names import AUDIT, JOB_INTERFACE, OBJECT_MANAGER, SAT, Service

ANSWER_SECONDS = 5.0


class Work(NamedTuple):
    """Something that would be cut off. ``path``: of its job, or the bus name of who does not say."""

    path: str
    words: str


async def work_under_way(bus: Bus) -> tuple[Work, ...]:
    """What runs at this moment. A service that does not say whether it works counts as work.

    No service is started for this. Raises BeeError when the bus does not answer.
    """
    return (*await _work_of(bus, AUDIT), *await _work_of(bus, SAT))


async def _work_of(bus: Bus, service: Service) -> list[Work]:
    async with bus.connection.name_watch(service.bus_name) as watch:
        owner = watch.owner
    if owner is None:
        return []
    try:
        reply = await bus.connection.ask(
            owner, service.path, OBJECT_MANAGER, "GetManagedObjects", deadline_seconds=ANSWER_SECONDS
        )
    except (errors.ServiceUnknown, errors.ServiceGone):  # it has just ended
        return []
    except errors.BeeError:
        return [Work(service.bus_name, f"{service.bus_name} does not say what it does")]
    objects: Mapping[str, Mapping[str, Any]] = values.plain(reply.body[0])
    jobs = {path: interfaces.get(JOB_INTERFACE, {}) for path, interfaces in objects.items()}
    return [
        Work(path, job_words(job))
        for path, job in sorted(jobs.items())
        if job.get("State", "finished") != "finished"
    ]


def job_words(job: Mapping[str, Any]) -> str:
    """A job for people, by its properties: "acceptance test nvidia, 43% done"."""
    kind = str(job["Kind"])
    name = f"acceptance test {kind.removeprefix('sat-')}" if kind.startswith("sat-") else kind
    return f"{name}, {job['Progress']:.0%} done" if job["ProgressValid"] else name
