"""The looks at the machine before and after the load, asked of the services that know how to look."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec

from bee_bus import errors
from bee_bus.client import AuditClient, Bus, RunClient
from bee_bus.documents.audit import Snapshot
from bee_bus.documents.gpus import GpuInventory
from bee_bus.gpu_client import GpuClient
from bee_machine.threads import in_thread
from bee_sat.book import ArtifactRefused, Book, BookError
from bee_sat.ledger import Ledger, now, steady
from bee_sat.packs import Pack
from bee_sat.records import LookTaken
from bee_sat.steps import Looks

Source = Literal["audit", "gpus"]
When = Literal["before", "after"]
Ask = Callable[[Bus, Source, Sequence[str]], Awaitable[str]]

log = logging.getLogger(__name__)

AUDIT_SECONDS = 600.0
RETRY_SECONDS = 3.0
WRITE_SECONDS = 60.0


def sources(pack: Pack) -> tuple[Source, ...]:
    """What a pack wants looked at."""
    wanted: list[Source] = []
    if pack.sections:
        wanted.append("audit")
    if pack.gpus:
        wanted.append("gpus")
    return tuple(wanted)


async def ask(bus: Bus, source: Source, sections: Sequence[str]) -> str:
    """The audit's snapshot of the sections, or the inventory of GPUs, JSON. Raises BeeError."""
    if source == "gpus":
        return await GpuClient(bus).get_inventory()
    asked_at = time.time() * 1e6
    run, state = await _audit(bus, sections)
    if state["CreatedAt"] < asked_at:
        # It was somebody else's and under way already: it may have read the counters before the load's end.
        run, state = await _audit(bus, sections)
    if state["ErrorName"]:
        raise errors.Internal(f"the audit failed: {state['ErrorMessage']}")
    return await run.get_snapshot()


async def _audit(bus: Bus, sections: Sequence[str]) -> tuple[RunClient, dict[str, Any]]:
    run = await AuditClient(bus).run({"sections": ",".join(sections)})
    return run, await run.finished(deadline_seconds=AUDIT_SECONDS)


async def look(when: When, pack: Pack, bus: Bus, ledger: Ledger, ask: Ask) -> Looks:
    """Look at all that the pack wants, side by side. What was seen is recorded, and what could not be."""
    wanted = sources(pack)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_one(when, source, pack, bus, ledger, ask)) for source in wanted]
    await ledger.settle()
    kept = {source: task.result() for source, task in zip(wanted, tasks, strict=True)}
    audit, gpus = kept.get("audit"), kept.get("gpus")
    return Looks(
        audit=audit if isinstance(audit, Snapshot) else None,
        gpus=gpus if isinstance(gpus, GpuInventory) else None,
    )


async def _one(
    when: When, source: Source, pack: Pack, bus: Bus, ledger: Ledger, ask: Ask
) -> Snapshot | GpuInventory | None:
    name = f"look-{when}-{source}.json"
    document: Snapshot | GpuInventory | None = None
    error = ""
    try:
        text = await _patiently(ask, bus, source, pack.sections)
        async with asyncio.timeout(WRITE_SECONDS):
            await in_thread(_keep, ledger.book, name, text)
        if source == "audit":
            document = msgspec.json.decode(text, type=Snapshot)
        else:
            document = msgspec.json.decode(text, type=GpuInventory)
    except errors.BeeError as failure:
        error = failure.message
    except (msgspec.MsgspecError, ArtifactRefused) as failure:
        error = str(failure)
    except BookError as failure:
        error = str(failure)
        ledger.fail(failure)
    except OSError as failure:
        error = failure.strerror or f"not written within {WRITE_SECONDS:g} s"
        ledger.fail(BookError(f"{name} cannot be written: {error}"))
    ledger.append(
        LookTaken(
            at=now(),
            when=when,
            source=source,
            artifact=None if error else name,
            error=error,
            steady_seconds=steady(),
        )
    )
    return document


async def _patiently(ask: Ask, bus: Bus, source: Source, sections: Sequence[str]) -> str:
    """A service that was just ending or has fallen over is started anew by the bus: a run that took a day is
    not to be lost for it.
    """
    try:
        return await ask(bus, source, sections)
    except errors.BeeError as error:
        log.info("the look at %s failed, and is tried again: %s", source, error.message)
        await asyncio.sleep(RETRY_SECONDS)
        return await ask(bus, source, sections)


def _keep(book: Book, name: str, text: str) -> None:
    with book.open_artifact(name) as file:
        file.write(text.encode())
