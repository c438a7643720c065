"""The looks and the kernel messages of a run: what they show, and whether they can be judged at all."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.findings import Finding
from bee_bus.documents.gpus import GpuInventory
from bee_bus.documents.sat import Completed, CounterChange, Errored
from bee_bus.thresholds import Thresholds
from bee_sat.deltas import Comparison, compare_gpus, compare_snapshots
from bee_sat.records import DAMAGED
from bee_sat.story import Story
from bee_sat.thresholds import from_record

SOURCES = ("audit", "gpus")
GPU = "gpu/"  # a resource of a run: one GPU that it loads, by its address
_NAMES = {"audit": "the audit", "gpus": "the GPU service"}


class Judged(msgspec.Struct):
    """What the looks show. ``system_serial``: as the look before states it."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    changes: tuple[CounterChange, ...] = ()
    system_serial: str | None = None


def judge_looks(story: Story, looks: Mapping[str, bytes], *, went_to_its_end: bool) -> Judged:
    """Compare each source's look before with the one after.

    ``went_to_its_end``: then a look that is missing is a finding; a run that was cut short has none after.
    """
    judged = Judged()
    asked = story.started.looks if story.started else ()
    taken = {one.source for one in story.looks}
    pairs = {}
    for source in SOURCES:
        if source not in asked and source not in taken:
            continue
        before = _read(story, looks, "before", source)
        after = _read(story, looks, "after", source)
        if isinstance(before, Snapshot):
            judged.system_serial = _system_serial(before)
        missing = [one for one in (before, after) if isinstance(one, str)]
        if not missing:
            pairs[source] = before, after
        elif went_to_its_end:
            judged.findings += [_not_compared(source, why) for why in missing]
    limits = from_record(story.started.limits if story.started else ())
    for source, (before, after) in pairs.items():
        why = _unlike(story, before, after)
        if why:
            judged.findings.append(_not_compared(source, why))
            continue
        made = _compare(story, before, after, limits, _minutes(story, source), gpus_apart="gpus" in pairs)
        judged.findings += made.findings
        judged.changes += made.changes
    return judged


def _compare(
    story: Story, before: object, after: object, limits: Thresholds, minutes: float, *, gpus_apart: bool
) -> Comparison:
    if isinstance(before, Snapshot) and isinstance(after, Snapshot):
        return compare_snapshots(before, after, limits, minutes, gpus_apart=gpus_apart)
    assert isinstance(before, GpuInventory)
    assert isinstance(after, GpuInventory)
    held = story.started.resources if story.started else ()
    tested = [one.removeprefix(GPU) for one in held if one.startswith(GPU)]
    return compare_gpus(before, after, limits, minutes, tested=tested)


def _read(story: Story, looks: Mapping[str, bytes], when: str, source: str) -> Snapshot | GpuInventory | str:
    """The look, or a sentence that says why there is none."""
    who = f"{_NAMES[source]} {when} the load"
    taken = story.look(when, source)
    if taken is None:
        return f"the look of {who} is missing"
    if taken.error or taken.artifact is None:
        return f"the look of {who} failed: {taken.error or 'no reason is recorded'}"
    text = looks.get(taken.artifact)
    if text is None:
        return f"the look of {who} is recorded, and its file {taken.artifact} is not there"
    try:
        if source == "audit":
            return msgspec.json.decode(text, type=Snapshot)
        return msgspec.json.decode(text, type=GpuInventory)
    except DAMAGED as error:
        return f"the look of {who} cannot be read: {error}"


def _unlike(story: Story, before: object, after: object) -> str:
    """Why two looks are not of the same machine and the same boot; empty when they are."""
    if not isinstance(before, Snapshot) or not isinstance(after, Snapshot):
        return ""
    boots = {before.boot_id, after.boot_id, story.started.boot_id if story.started else ""} - {""}
    if len(boots) > 1:
        return "the machine was started anew between the looks: its counters began again"
    if before.host_name != after.host_name:
        return f"the looks are of two machines, {before.host_name} and {after.host_name}"
    if before.sections != after.sections:
        return "the looks before and after are not of the same sections"
    if not before.collectors:
        return "the look before the load saw nothing"
    return ""


def _minutes(story: Story, source: str) -> float:
    """Between the looks. By the time of day never more than the plan allows, as that can be set meanwhile."""
    before, after = story.look("before", source), story.look("after", source)
    steady = [one.steady_seconds for one in (before, after) if one and one.steady_seconds is not None]
    if len(steady) == 2:
        return max(steady[1] - steady[0], 60.0) / 60
    deadlines = [step.planned.deadline_seconds for step in story.steps.values()]
    try:
        assert before is not None
        assert after is not None
        seconds = (datetime.fromisoformat(after.at) - datetime.fromisoformat(before.at)).total_seconds()
    except (ValueError, TypeError):
        return 1.0
    return min(max(seconds, 60.0), max(sum(deadlines), 60.0)) / 60


def _system_serial(snapshot: Snapshot) -> str | None:
    board = snapshot.hardware.board
    return board.system.serial if board is not None and board.system is not None else None


def _not_compared(source: str, why: str) -> Finding:
    area = "gpus" if source == "gpus" else "audit"
    return Finding(
        rule=f"{area}.not-compared",
        severity="Unknown",
        component=area,
        where=_NAMES[source],
        message=f"{why[:1].upper()}{why[1:]}: nobody knows what the load did to the machine",
        next_step="Look at the log of the service that was asked (journalctl -u bee-auditd -u bee-gpud), and "
        "run again.",
    )


def judge_kernel_logs(story: Story) -> Iterator[Finding]:
    """The kernel messages of the steps: not read, or lost before they were read, is not judged.

    What they say was judged when they were read, and is recorded.
    """
    for log in story.kernel_logs:
        window = f"of the step {log.step}" if log.step else "of the run"
        if log.error:
            yield _log_finding("unread", f"The kernel messages {window} could not be read: {log.error}")
        elif log.lost:
            yield _log_finding("lost", f"{log.lost} kernel messages {window} were lost before they were read")
    for name, step in story.steps.items():
        worked = step.ended is not None and isinstance(step.ended.outcome, Completed | Errored)
        if step.started is not None and worked and step.kernel_log is None and story.ended is not None:
            yield _log_finding("unread", f"The kernel messages of the step {name} were not kept")


def _log_finding(what: str, message: str) -> Finding:
    return Finding(
        rule=f"kernel.log-{what}",
        severity="Unknown",
        component="kernel",
        where="the kernel log",
        message=message,
        next_step="Look at it as root (dmesg) for errors of the hardware, and run again.",
    )
