"""NVIDIA's own tools as steps: nvidia-smi -q, which must see every GPU, and nvidia-bug-report if present."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from bee_bus.client import Bus
from bee_bus.documents.findings import Finding
from bee_bus.documents.gpus import GpuInventory
from bee_bus.documents.sat import Completed, Errored, Measurement, Outcome, Skipped
from bee_bus.errors import BeeError
from bee_bus.gpu_client import GpuClient
from bee_machine.threads import in_thread
from bee_sat.standing import standing
from bee_sat.steps import Command, CommandFailed, CommandMissing, Step, StepContext

SMI_SECONDS = 120
BUG_REPORT_SECONDS = 1200  # eight GPUs and their switches take many minutes
KILL_SECONDS = 60
WATCH_MS = 1000
BUG_REPORT_NAME = "nvidia-bug-report.log"
NOT_TOLD = "org.bee.Gpu1 did not tell which there are before the load"
_ATTACHED = re.compile(r"^Attached GPUs\s*: (\d+)\s*$")


def smi_step(inventory: GpuInventory | None) -> Step:
    """Everything that nvidia-smi knows, of as many GPUs as PCI shows. None: nobody could tell of them."""
    expected = sum(gpu.vendor == "NVIDIA" for gpu in inventory.gpus) if inventory else 0

    async def work(context: StepContext) -> Outcome:
        # What is wrong with one of them its own load says; this is about how many there are.
        every = [one for one in inventory.findings if one.component == "gpus"] if inventory else []
        for finding in standing(every, "gpus"):
            context.find(finding)
        attached: list[int] = []

        def on_line(line: str) -> None:
            if match := _ATTACHED.match(line):
                attached.append(int(match[1]))

        command = Command(("nvidia-smi", "-q"), deadline_seconds=SMI_SECONDS, on_line=on_line)
        try:
            result = await context.run(command)
        except CommandMissing as error:
            return Skipped(reason=str(error))
        if result.exit_code != 0:
            return Completed(result="fail", reason=f"nvidia-smi ended with exit code {result.exit_code}")
        if len(attached) != 1:
            return Errored(reason="nvidia-smi did not say how many GPUs it sees")
        context.measure(Measurement(name="attached_gpus", value=attached[0]))
        if inventory is None:
            return Errored(reason=f"nvidia-smi sees {attached[0]} GPUs, and {NOT_TOLD}")
        if attached[0] != expected or expected == 0:
            context.find(_count_differs(attached[0], expected))
            return Completed(result="fail", reason=f"nvidia-smi sees {attached[0]} of {expected} NVIDIA GPUs")
        return Completed(result="pass")

    return Step(
        name="nvidia-smi",
        title="nvidia-smi -q: all that the driver knows",
        work=work,
        deadline_seconds=SMI_SECONDS + 10,
        share=5,
    )


def bug_report_step() -> Step:
    """NVIDIA's report for its support. Not promised: it is no test, and not every image has it. So one that
    fails or hangs says nothing of the GPUs either.
    """

    async def work(context: StepContext) -> Outcome:
        target = context.folder / BUG_REPORT_NAME
        argv = ("nvidia-bug-report.sh", "--output-file", str(target))
        try:
            async with kept_started(context.bus):
                result = await context.run(Command(argv, deadline_seconds=BUG_REPORT_SECONDS))
        except CommandFailed as error:
            return Skipped(reason=str(error))
        if result.exit_code != 0:
            return Skipped(reason=f"nvidia-bug-report.sh ended with exit code {result.exit_code}")
        if not await in_thread(_is_written, target):
            return Skipped(reason="nvidia-bug-report.sh has written no report")
        return Completed(result="pass")

    return Step(
        name="nvidia-bug-report",
        title="nvidia-bug-report.sh: for NVIDIA's support",
        work=work,
        deadline_seconds=BUG_REPORT_SECONDS + KILL_SECONDS,
        promised=False,
        share=20,
    )


def _is_written(target: Path) -> bool:
    """The script packs what it has written, and adds to its name."""
    return any(one.stat().st_size for one in target.parent.glob(f"{target.name}*"))


@asynccontextmanager
async def kept_started(bus: Bus) -> AsyncIterator[None]:
    """Without persistence mode the driver stops a GPU that nobody uses, and its counters begin again at 0:
    org.bee.Gpu1 uses them all for as long as it is watched.
    """
    async with AsyncExitStack() as stack:
        with suppress(BeeError):  # the look at the end says so better
            await stack.enter_async_context(GpuClient(bus).watching(interval_ms=WATCH_MS))
        yield


def _count_differs(attached: int, expected: int) -> Finding:
    return Finding(
        rule="gpus.nvidia-smi-count",
        severity="Critical",
        component="gpus",
        where="all GPUs",
        message=f"nvidia-smi sees {attached} GPUs, PCI shows {expected}",
        value=float(attached),
        next_step="Look for the missing GPU in the audit and the kernel messages; reseat it, and test again.",
    )
