"""Acceptance runs as a test drives them: from start to result, or held at the moment that is of interest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jsonschema
import msgspec

from bee_bus.client import Bus
from bee_bus.documents.sat import SatResult, SatRun, StepResult
from bee_bus.documents.schema import schema
from bee_bus.sat_client import SatClient, SatRunClient
from lab.bus.private import eventually
from lab.sat import SatMachine

END_SECONDS = 90.0

# Options with which each pack is through quickly.
QUICK: dict[str, dict[str, str]] = {
    "cpu": {"duration": "1"},
    "memory": {"duration": "1"},
    "nvidia": {"duration": "10"},
    "storage": {},
}


async def ended(machine: SatMachine, pack: str, **options: str) -> SatResult:
    """Run a pack to its end; its result, valid by the published schema."""
    async with machine.bus.client() as bus:
        run = await SatClient(bus).start(pack, {**QUICK[pack], **options})
        return await result_at_end(run)


async def result_at_end(run: SatRunClient) -> SatResult:
    job = await run.finished(deadline_seconds=END_SECONDS)
    result = await result_of(run.bus, run.run)
    assert job["Verdict"] == result.status, "the job and the result say the same"
    return result


async def result_of(bus: Bus, run: str) -> SatResult:
    text = await SatClient(bus).get_result(run)
    document = msgspec.json.decode(text)
    jsonschema.validate(document, schema("sat-result.json"))
    return msgspec.json.decode(text, type=SatResult)


@asynccontextmanager
async def held(machine: SatMachine, pack: str, **options: str) -> AsyncIterator[tuple[Bus, SatRunClient]]:
    """A run whose first load waits: `machine.tools.let_go` lets it go on."""
    tools = {"cpu": "stress_ng", "memory": "memtester", "nvidia": "bee_gpu_stress"}
    machine.tools.behave(**{tools[pack]: "waits"})
    async with machine.bus.client() as bus:
        run = await SatClient(bus).start(pack, {**QUICK[pack], **options})
        await loading(machine, pack)
        if pack == "nvidia":
            await watched(machine, run.run)
        yield bus, run


async def loading(machine: SatMachine, pack: str, *, runs: int = 1) -> None:
    """Wait until the load of so many runs has begun."""
    tool = {"cpu": "stress-ng", "memory": "memtester", "nvidia": "bee-gpu-stress"}[pack]
    await eventually(lambda: len(machine.tools.calls(tool)) >= runs, 30)


async def watched(machine: SatMachine, run: str) -> None:
    """Wait until this run of the nvidia pack has its first samples."""
    kept = machine.runs / run / "gpu-metrics.csv"
    await eventually(lambda: kept.exists() and len(kept.read_text().splitlines()) > 1, 30)


async def listed(bus: Bus) -> list[SatRun]:
    return msgspec.json.decode(await SatClient(bus).list_runs(), type=list[SatRun])


def step(result: SatResult, name: str) -> StepResult:
    return next(step for step in result.steps if step.name == name)


def statuses(result: SatResult) -> dict[str, str]:
    return {step.name: step.status for step in result.steps}


def rules(result: SatResult, *severities: str) -> set[str]:
    """The rules of all findings, of the run's and its steps'."""
    found: list[Any] = [*result.findings, *(one for step in result.steps for one in step.findings)]
    return {one.rule for one in found if not severities or one.severity in severities}
