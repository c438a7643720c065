"""bee-gpu-stress as a step: the load, its telemetry, and what its own verdict is worth here.

The program says what happens as JSON Lines (`bee_sat.gpu_stress.events`); only its last line is the verdict,
and without it, or for other GPUs than the selected ones, there is none.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bee_bus.documents.gpus import InventoryGpu
from bee_bus.documents.sat import Completed, Errored, Measurement, Outcome, Skipped
from bee_machine.threads import in_thread
from bee_sat.gpu_stress import events
from bee_sat.packs.gpu_metrics import recording
from bee_sat.packs.nvidia_tools import NOT_TOLD
from bee_sat.standing import standing
from bee_sat.steps import Command, CommandMissing, CommandResult, Step, StepContext

NAME = "gpu-stress"
PROGRAM = "bee-gpu-stress"
# For starting, for what is done before and after the time, and for GPUs that are slow to let go.
GRACE_SECONDS = 300
OUTPUT_LIMIT_BYTES = 1 << 30
_EXIT_UNKNOWN = 3


@dataclass
class Report:
    """What the program has said that matters here."""

    started: events.RunStarted | None = None
    verdict: events.Verdict | None = None
    bad_lines: int = 0

    def take(self, line: bytes) -> None:
        try:
            event = events.read(line)
        except events.BadLine:
            self.bad_lines += 1
            return
        # A verdict is the last word: whatever follows it takes it back.
        self.verdict = event if isinstance(event, events.Verdict) else None
        if isinstance(event, events.RunStarted):
            self.started = event


def gpu_load_step(gpus: Sequence[InventoryGpu], *, seconds: int, size_mb: int) -> Step:
    """The load on these GPUs, all at once."""
    deadline_seconds = seconds * 1.1 + GRACE_SECONDS

    async def work(context: StepContext) -> Outcome:
        if context.before.gpus is None:
            return Errored(reason=f"the GPUs were not loaded: {NOT_TOLD}")
        for finding in standing(context.before.gpus.findings, *(f"gpus/{gpu.id}" for gpu in gpus)):
            context.find(finding)
        missing = [gpu for gpu in gpus if gpu.condition != "ok" or not uuid_of(gpu)]
        usable = [uuid for gpu in gpus if (uuid := uuid_of(gpu)) and gpu.condition == "ok"]
        if not usable:
            return Completed(result="fail", reason=said_of(missing) or "there is no GPU to load")
        size = ("--size-mb", str(size_mb)) if size_mb else ()
        command = Command(
            (find_program(), "--json", "--no-color", "--seconds", str(seconds), *size),
            deadline_seconds=deadline_seconds,
            output_limit_bytes=OUTPUT_LIMIT_BYTES,
            memory_lock=True,
            environment={"CUDA_VISIBLE_DEVICES": ",".join(usable), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
            on_line=lambda line: show(context, line, seconds),
        )
        try:
            async with recording(context, gpus):
                result = await context.run(command)
        except CommandMissing as error:
            return Skipped(reason=str(error))
        report = await in_thread(read_report, context.folder / result.output)
        tell(context, report)
        ended = outcome(report, result, [gpu.id for gpu in gpus if gpu not in missing])
        if missing and isinstance(ended, Completed) and ended.result == "pass":
            return Completed(result="fail", reason=said_of(missing))
        return ended

    return Step(
        name=NAME,
        title=f"bee-gpu-stress on {len(gpus)} GPU{'s' if len(gpus) != 1 else ''}",
        work=work,
        deadline_seconds=deadline_seconds + 60,
        share=seconds,
    )


def find_program() -> str:
    """Where bee-gpu-stress is: on the PATH, or with bee's own programs."""
    places = [Path(__file__).resolve().parents[2] / "bin" / PROGRAM, Path(sys.prefix) / "bin" / PROGRAM]
    return shutil.which(PROGRAM) or next((str(place) for place in places if place.exists()), PROGRAM)


def outcome(report: Report, result: CommandResult, wanted: Sequence[str]) -> Outcome:
    """A pass is: exit code 0 and a last line that says OK, of exactly these GPUs, each of them OK."""
    verdict = report.verdict
    if verdict is None:
        ending = (
            f"was ended by signal {-result.exit_code}"
            if result.exit_code < 0
            else f"ended with exit code {result.exit_code}"
        )
        cut = "; its output was cut" if result.output_cut else ""
        return Errored(
            reason=f"{PROGRAM} {ending} without a verdict{cut}: {last_line(result.tail)}".rstrip(": ")
        )
    if verdict.result == "FAILED":
        return Completed(result="fail", reason=verdict.summary)
    if verdict.result != "OK" or result.exit_code != 0:
        return Errored(reason=f"not judged: {verdict.summary or f'exit code {result.exit_code}'}")
    judged = {gpu.gpu for gpu in verdict.gpus}
    if judged != set(wanted):
        lacking = ", ".join(sorted(set(wanted) ^ judged))
        return Errored(reason=f"{PROGRAM} judged other GPUs than it was given: {lacking}")
    if report.bad_lines or any(gpu.result != "OK" or not gpu.compared for gpu in verdict.gpus):
        return Errored(reason=f"{PROGRAM} says OK, and its records do not bear it out")
    return Completed(result="pass", reason=verdict.summary)


def tell(context: StepContext, report: Report) -> None:
    """The verdict's findings and rates as the step's own."""
    if report.verdict is None:
        return
    for finding in report.verdict.findings:
        context.find(finding)
    for measurement in measurements(report.verdict):
        context.measure(measurement)


def measurements(verdict: events.Verdict) -> Iterator[Measurement]:
    """What was reached, each rate with the floor that judged it."""
    for judged in verdict.rates:
        yield Measurement(
            name=f"{judged.phase} {judged.rate.name}",
            value=judged.rate.value,
            unit=judged.rate.unit,
            component=f"gpus/{judged.gpu}",
            threshold=judged.floor,
        )
    for gpu in verdict.gpus:
        component = f"gpus/{gpu.gpu}"
        if gpu.power_max_watts is not None:
            yield Measurement(name="power_max", value=gpu.power_max_watts, unit="W", component=component)
        if gpu.power_share is not None:
            share = round(100 * gpu.power_share, 1)
            yield Measurement(name="power_share_of_limit", value=share, unit="%", component=component)
        if gpu.coverage is not None and gpu.coverage.total_bytes:
            share = round(100 * gpu.coverage.tested_bytes / gpu.coverage.total_bytes, 1)
            yield Measurement(name="memory_coverage", value=share, unit="%", component=component)
        if gpu.temperature_max_celsius is not None:
            yield Measurement(
                name="temperature_max", value=gpu.temperature_max_celsius, unit="°C", component=component
            )


def read_report(output: Path) -> Report:
    """What the program's output says, line by line, never all of it in memory."""
    report = Report()
    with output.open("rb") as file:
        while line := file.readline(events.REPORT_LINE_LIMIT_BYTES + 1):
            if line.strip():
                report.take(line)
    return report


def show(context: StepContext, line: str, seconds: int) -> None:
    """What it is doing, from its progress lines; others are for the end."""
    if '"phase-progress"' not in line[:60] and '"phase-started"' not in line[:60]:
        return
    try:
        event = events.read(line)
    except events.BadLine:
        return
    if isinstance(event, events.PhaseProgress):
        context.report(f"{event.phase}: {event.doing}")
    elif isinstance(event, events.PhaseStarted):
        context.report(event.phase)


def uuid_of(gpu: InventoryGpu) -> str:
    return (gpu.identity.uuid if gpu.identity else None) or ""


def said_of(missing: Sequence[InventoryGpu]) -> str:
    """Why GPUs that were selected were not loaded."""
    return "; ".join(f"GPU {gpu.id} was not loaded: {gpu.trouble or gpu.condition}" for gpu in missing)


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""
