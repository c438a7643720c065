"""The verdict on a run, from its records and looks alone: one pure function, today and in ten years.

What a run asks of its records (`bee_sat.runner` keeps to it; anything else is "not judged", never OK):

    RunStarted, looks before, Planned, then steps, each StepStarted … StepEnded; looks after; RunEnded

``RunStarted.looks`` names the sources that the pack wants looked at; each needs a look before the first step
and one after the last. Every step that ran needs a KernelLogKept. Steps whose turn never came have a
StepEnded (Aborted, Interrupted, Errored, Skipped) without a StepStarted, or none when the run itself was cut
short.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import (
    SCHEMA_VERSION,
    Aborted,
    Completed,
    Errored,
    Interrupted,
    Look,
    Outcome,
    RunStatus,
    SatResult,
    Skipped,
    StepResult,
    status_of,
)
from bee_sat.comparison import Judged, judge_kernel_logs, judge_looks
from bee_sat.records import CommandEnded, Record, RunEnded, RunStarted, StepEnded, StepStarted
from bee_sat.story import StepStory, Story, read_story

_CUT_SHORT = "its records end before the run does"
NO_VERDICT = "sat.no-verdict"
_SEVERITY_ORDER = ("Critical", "Warning", "Unknown")


def judge(
    records: Sequence[Record],
    looks: Mapping[str, bytes],
    *,
    damaged_lines: int = 0,
    under_way: bool = False,
) -> SatResult:
    """``looks``: what the artifacts named by LookTaken records hold. ``damaged_lines``: how many lines of the
    records could not be read. ``under_way``: the run still lives, so that its end is not missing.

    Critical findings of the looks, the kernel log or a step fail; so does what could not be judged (severity
    Unknown). A kernel log that could not be read, or lost messages, becomes a finding here.
    """
    story = read_story(records)
    if damaged_lines:
        plural = "s" if damaged_lines > 1 else ""
        story.fault(f"{damaged_lines} line{plural} of the records cannot be read")
    ended = story.ended.outcome if story.ended is not None else Interrupted(reason=_CUT_SHORT)
    is_running = under_way and story.ended is None
    steps = tuple(_step(step, ended, is_running) for step in story.steps.values())
    looked = judge_looks(story, looks, went_to_its_end=isinstance(ended, Completed))
    findings = _worst_first([*story.findings, *looked.findings, *judge_kernel_logs(story)])
    if is_running:
        status: RunStatus = "RUNNING"
        reason = ""
    else:
        status, reason = _overall(story, ended, steps, findings)
    return _result(story, status, reason, steps, findings, looked)


def _overall(
    story: Story, ended: Outcome, steps: Sequence[StepResult], findings: Sequence[Finding]
) -> tuple[RunStatus, str]:
    """The one word, and why it is not OK. The order is that of how much each says of the machine."""
    failed = [f"{step.name}: {step.reason}" for step in steps if step.status == "FAILED"]
    failed += [one.message for one in findings if one.severity == "Critical"]
    if isinstance(ended, Errored) or (isinstance(ended, Completed) and ended.result == "fail"):
        failed.insert(0, ended.reason or "the run failed")
    if failed:
        return "FAILED", _first(failed)
    by_status = {
        status: [one for one in steps if one.status == status] for status in ("INTERRUPTED", "ABORTED")
    }
    if isinstance(ended, Interrupted):
        return "INTERRUPTED", ended.reason
    if by_status["INTERRUPTED"]:
        return "INTERRUPTED", _reasons(by_status["INTERRUPTED"])
    if isinstance(ended, Aborted):
        return "ABORTED", ended.reason
    if by_status["ABORTED"]:
        return "ABORTED", _reasons(by_status["ABORTED"])
    unknown = [*story.faults, *(one.message for one in findings if one.severity == "Unknown")]
    if unknown:
        return "FAILED", f"not judged: {_first(unknown)}"
    unsupported = [step for step in steps if step.status == "UNSUPPORTED"]
    if isinstance(ended, Skipped):
        return "UNSUPPORTED", ended.reason
    if any(step.promised for step in unsupported) or len(unsupported) == len(steps):
        return "UNSUPPORTED", _reasons([one for one in unsupported if one.promised] or unsupported)
    return _ok(steps)


def _ok(steps: Sequence[StepResult]) -> tuple[RunStatus, str]:
    """OK is never what is left over: it is looked for."""
    passed = [step for step in steps if step.status == "OK"]
    if passed and all(step.status == "OK" for step in steps if step.promised):
        return "OK", ""
    return "FAILED", "not judged: not every promised step has passed"


def _reasons(steps: Iterable[StepResult]) -> str:
    return _first([f"{step.name}: {step.reason}" for step in steps])


def _first(reasons: Sequence[str]) -> str:
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"


def _result(
    story: Story,
    status: RunStatus,
    reason: str,
    steps: tuple[StepResult, ...],
    findings: tuple[Finding, ...],
    looked: Judged,
) -> SatResult:
    started, ended = story.started, story.ended
    logs = story.kernel_logs
    return SatResult(
        schema_version=SCHEMA_VERSION,
        bee_version=started.bee_version if started else "",
        run=started.run if started else "",
        pack=started.pack if started else "",
        status=status,
        reason=reason,
        host_name=started.host_name if started else "",
        started_at=started.at if started else "",
        finished_at=ended.at if ended else None,
        duration_seconds=_lasted(started, ended),
        boot_id=started.boot_id if started else "",
        kernel_release=started.kernel_release if started else "",
        system_serial=looked.system_serial,
        owner_uid=started.owner_uid if started else 0,
        options=started.options if started else {},
        resources=started.resources if started else (),
        steps=steps,
        findings=findings,
        counters=looked.changes,
        looks=tuple(
            Look(when=one.when, source=one.source, artifact=one.artifact, error=one.error)
            for one in story.looks
        ),
        kernel_messages=None
        if not logs or any(one.error for one in logs)
        else sum(one.messages for one in logs),
    )


def _step(step: StepStory, run_ended: Outcome, is_running: bool) -> StepResult:
    outcome = step.ended.outcome if step.ended is not None else _unended(step, run_ended)
    if isinstance(outcome, Completed) and step.started is None:
        outcome = Errored(reason="it ended without having been started")
    findings = _worst_first(step.findings)
    status: RunStatus = status_of(outcome)
    reason = outcome.reason
    if is_running and step.ended is None:
        status, reason = "RUNNING", ""
    grave = [one for one in findings if one.severity == "Critical"]
    unknown = [one for one in findings if one.severity == "Unknown"]
    if grave and status not in ("FAILED", "RUNNING"):  # what it has found is found, however it ended
        status, reason = "FAILED", _first([one.message for one in grave])
    elif status == "OK" and unknown:
        status, reason = "FAILED", f"not judged: {_first([one.message for one in unknown])}"
    elif status == "FAILED" and isinstance(outcome, Errored) and not findings:
        findings = (_gave_no_verdict(step, reason),)
    result = _result_shown(step)
    number = result.number if result else 1
    started_at = step.started.at if step.started else None
    finished_at = step.ended.at if step.ended else None
    return StepResult(
        name=step.planned.name,
        title=step.planned.title,
        status=status,
        promised=step.planned.promised,
        outcome=step.ended.outcome if step.ended else None,
        reason=reason,
        started_at=started_at,
        finished_at=finished_at,
        duration_seconds=_lasted(step.started, step.ended),
        command=next((one.command for one in step.commands if one.number == number), ()),
        exit_code=result.exit_code if result else None,
        output=result.output if result else None,
        output_bytes=result.output_bytes if result else None,
        output_cut=any(one.output_cut for one in step.results),
        measurements=tuple(step.measurements),
        findings=findings,
    )


def _gave_no_verdict(step: StepStory, reason: str) -> Finding:
    """For who has to decide whether to return a machine: such a step fails a run and blames no part of it."""
    ran = step.started is not None
    return Finding(
        rule=NO_VERDICT,
        severity="Unknown",
        component="sat",
        where=f"step {step.planned.name}",
        message=f"The step gave no verdict: {reason}",
        next_step="This neither proves the hardware nor blames it. "
        + ("Read the step's output and the kernel's messages among the run's records, and " if ran else "")
        + ("run again." if ran else "Run again."),
    )


def _unended(step: StepStory, run_ended: Outcome) -> Outcome:
    """How a step ended whose end nobody wrote down: as the run did, at best."""
    what = "it was under way" if step.started else "its turn never came"
    match run_ended:
        case Aborted(reason=reason):
            return Aborted(reason=f"{what}: {reason}")
        case Interrupted(reason=reason):
            return Interrupted(reason=f"{what}: {reason}")
        case Skipped(reason=reason):
            return Skipped(reason=reason)
        case Errored(reason=reason):
            return Errored(reason=f"{what}: {reason}")
    return Errored(reason="its end is not recorded")


def _result_shown(step: StepStory) -> CommandEnded | None:
    """Which of a step's commands stands for it: the first that failed, else the first."""
    first = sorted(step.results, key=lambda one: one.number)
    return next((one for one in first if one.exit_code != 0), first[0] if first else None)


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once."""
    order = sorted(
        dict.fromkeys(findings),
        key=lambda one: (_SEVERITY_ORDER.index(one.severity), one.component, one.rule),
    )
    return tuple(order)


def _lasted(begin: RunStarted | StepStarted | None, end: RunEnded | StepEnded | None) -> float | None:
    """Seconds. None for what has not ended, times that cannot be read, and those that run backwards because
    somebody set the clock.
    """
    if begin is None or end is None:
        return None
    if begin.steady_seconds is not None and end.steady_seconds is not None:
        seconds = end.steady_seconds - begin.steady_seconds
    else:
        try:
            seconds = (datetime.fromisoformat(end.at) - datetime.fromisoformat(begin.at)).total_seconds()
        except (ValueError, TypeError):
            return None
    return round(seconds, 3) if seconds >= 0 else None
