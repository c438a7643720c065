"""memtester: its command line, and what its output proves.

Version 4 and later: the exit status is a mask of 1 (memory could not be had, or usage), 2 (stuck address) and
4 (any other test). It prints "got NMB ... locked.", "Loop n/m", a line for each test that ends in "ok" or
"FAILURE: ...", and "Done." It draws its progress with backspaces.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Completed, Errored, Measurement, Outcome, Skipped
from bee_sat.packs.memory_errors import errors_uncounted
from bee_sat.packs.wrong_results import wrong_results
from bee_sat.standing import audited
from bee_sat.steps import Command, CommandFailed, CommandMissing, Step, StepContext

# Slower than anything seen. Alone, a process does some 3 MiB a second; many share what their node's memory
# gives, and of a node with a single module that is little, however many CPUs it has.
SLOWEST_MIB_PER_SECOND = 0.2
SLOWEST_NODE_MIB_PER_SECOND = 2.0
_FOUND = range(2, 8)  # exit codes that tell of a wrong word; others are of what could not be started
OUTPUT_LIMIT_BYTES = 2 << 20  # of a process: three times what a thousand loops print that find nothing
# Those of a 32-bit build at least. A variable of its environment, MEMTESTER_TEST_MASK, leaves tests out.
TESTS_PER_LOOP = 15
_GOT = re.compile(r"got\s+(\d+)MB")
_LOOP = re.compile(r"Loop (\d+)(?:/(\d+))?")
_TEST = re.compile(r"^  ([A-Z0-9][\w -]*?)\s*: .*?\bok\s*$")
_FAILURE = re.compile(r"FAILURE: (.+)$")
_FAILURES_KEPT = 8


@dataclass(frozen=True)
class Instance:
    """One process. ``cpus``: those of its ``node``."""

    number: int
    cpus: str
    node: int
    size_mib: int


@dataclass
class Report:
    """What memtester has said so far."""

    got_mib: int | None = None
    locked: bool = False
    loops_begun: int = 0
    tests_passed: int = 0
    done: bool = False
    failures: list[str] = field(default_factory=list)
    failure_count: int = 0

    def take(self, line: str) -> None:
        """One line of its output."""
        if match := _GOT.search(line):
            self.got_mib = int(match[1])
        if "locked." in line:
            self.locked = True
        if match := _LOOP.match(line.strip()):
            self.loops_begun = int(match[1])
        if _TEST.match(line):
            self.tests_passed += 1
        if match := _FAILURE.search(line):
            self.failure_count += 1
            if len(self.failures) < _FAILURES_KEPT:
                self.failures.append(match[1].strip()[:200])
        if line.strip() == "Done.":
            self.done = True


def memtester_step(instances: Sequence[Instance], *, passes: int) -> Step:
    """All processes of memtester, side by side, as one step: it passes when every one of them does."""
    size_mib = sum(instance.size_mib for instance in instances)
    deadline_seconds = deadline(instances, passes=passes)

    async def work(context: StepContext) -> Outcome:
        if finding := errors_uncounted(context.before):
            context.find(finding)
        reports = [Report() for _ in instances]
        for finding in audited(context.before.audit, "memory"):
            context.find(finding)

        def show() -> None:
            done = sum(report.tests_passed for report in reports)
            share = done / (TESTS_PER_LOOP * passes * len(reports))
            loop = min(report.loops_begun for report in reports)
            context.report(f"{len(reports)} processes, loop {loop} of {passes}", min(share, 0.99))

        async def run(instance: Instance, report: Report) -> Outcome:
            def on_line(line: str) -> None:
                report.take(line)
                show()

            command = Command(
                ("memtester", f"{instance.size_mib}M", str(passes)),
                deadline_seconds=deadline_seconds,
                output_limit_bytes=OUTPUT_LIMIT_BYTES,
                unprivileged=True,
                memory_lock=True,
                cpus=instance.cpus,
                redrawn=True,
                on_line=on_line,
            )
            try:
                result = await context.run(command)
            except CommandMissing as error:
                return Skipped(reason=str(error))
            except CommandFailed as error:
                return Errored(reason=str(error))
            return outcome(instance, report, result.exit_code, passes=passes)

        try:
            # Not gather: it does not wait for the others when one of them was told to end.
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(run(*one)) for one in zip(instances, reports, strict=True)]
            outcomes = [task.result() for task in tasks]
        finally:  # what was found counts, also when the rest was cut short
            for instance, report in zip(instances, reports, strict=True):
                for finding in findings(instance, report):
                    context.find(finding)
        tested_mib = sum(
            report.got_mib or 0
            for report, ended in zip(reports, outcomes, strict=True)
            if isinstance(ended, Completed)
        )
        context.measure(Measurement(name="tested_memory", value=tested_mib, unit="MiB"))
        context.measure(Measurement(name="passes", value=passes))
        return worst(outcomes)

    return Step(
        name="memtester",
        title=f"memtester over {size_mib} MiB in {len(instances)} processes",
        work=work,
        deadline_seconds=deadline_seconds + 30,
        share=size_mib * passes / len(instances) / 3,
    )


def deadline(instances: Sequence[Instance], *, passes: int) -> float:
    """Seconds after which a process hangs: what the largest takes alone, or all of a node together."""
    largest_mib = max(instance.size_mib for instance in instances)
    of_node: Counter[int] = Counter()
    for instance in instances:
        of_node[instance.node] += instance.size_mib
    alone = largest_mib / SLOWEST_MIB_PER_SECOND
    return 120 + passes * max(alone, max(of_node.values()) / SLOWEST_NODE_MIB_PER_SECOND)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The one that speaks for all: a wrong word, then a process that gave nothing, then a pass."""
    for kind in (_found_something, _not_carried_out, _not_possible):
        for outcome in outcomes:
            if kind(outcome):
                return outcome
    return outcomes[0]


def _found_something(outcome: Outcome) -> bool:
    return isinstance(outcome, Completed) and outcome.result == "fail"


def _not_carried_out(outcome: Outcome) -> bool:
    return isinstance(outcome, Errored)


def _not_possible(outcome: Outcome) -> bool:
    return not isinstance(outcome, Completed)


def outcome(instance: Instance, report: Report, exit_code: int, *, passes: int) -> Outcome:
    """A pass is: it got its memory and locked it, went through every loop, and found nothing."""
    if report.failure_count or exit_code in _FOUND:
        return Completed(
            result="fail", reason=f"memtester found {report.failure_count or 'some'} wrong words"
        )
    if exit_code != 0:
        said = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        return Errored(
            reason=f"memtester {said}: it could not get or lock {instance.size_mib} MiB, or was killed"
        )
    if report.got_mib is None or report.got_mib < instance.size_mib:
        return Errored(reason=f"memtester got {report.got_mib or 0} MiB of {instance.size_mib} MiB")
    if not report.locked:
        return Errored(
            reason="memtester could not lock its memory, so what it tested may not have been memory"
        )
    if not report.done or report.loops_begun != passes:
        return Errored(
            reason=f"memtester ended after {report.loops_begun} of {passes} loops without saying Done"
        )
    if report.tests_passed < passes * TESTS_PER_LOOP:
        return Errored(
            reason=f"memtester did {report.tests_passed} tests, and {passes} of its loops have at least "
            f"{passes * TESTS_PER_LOOP}"
        )
    return Completed(result="pass")


def findings(instance: Instance, report: Report) -> list[Finding]:
    """One for all that a process saw wrong."""
    return wrong_results(
        "memory.memtester",
        f"memory/node{instance.node}",
        f"memory of NUMA node {instance.node}",
        "memtester read back something else than it wrote",
        report.failures,
        report.failure_count,
        "Look for a DIMM with errors in the audit and the BMC's event log; swap the DIMMs of this node one "
        "by one and test again.",
    )
