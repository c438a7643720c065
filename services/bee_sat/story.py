"""A run's records, read as the story of the run, and what is wrong with the story.

A record that is missing, doubled or out of its place means that nobody knows what the run did. Each such
fault is a sentence in `Story.faults`, and a story with faults is never OK.
"""

from collections.abc import Iterable

import msgspec

from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Completed, Measurement
from bee_sat.records import (
    CommandEnded,
    CommandStarted,
    Found,
    KernelLogKept,
    LookTaken,
    Measured,
    Planned,
    PlannedStep,
    Record,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
)

FAULTS_KEPT = 100


class StepStory(msgspec.Struct):
    """What the records say of one planned step."""

    planned: PlannedStep
    started: StepStarted | None = None
    ended: StepEnded | None = None
    commands: list[CommandStarted] = msgspec.field(default_factory=list)
    results: list[CommandEnded] = msgspec.field(default_factory=list)
    measurements: list[Measurement] = msgspec.field(default_factory=list)
    findings: list[Finding] = msgspec.field(default_factory=list)
    kernel_log: KernelLogKept | None = None


class Story(msgspec.Struct):
    """``findings``: those of the run as a whole. ``kernel_logs``: of all windows, steps' and others'."""

    started: RunStarted | None = None
    planned: Planned | None = None
    steps: dict[str, StepStory] = msgspec.field(default_factory=dict)
    looks: list[LookTaken] = msgspec.field(default_factory=list)
    findings: list[Finding] = msgspec.field(default_factory=list)
    kernel_logs: list[KernelLogKept] = msgspec.field(default_factory=list)
    ended: RunEnded | None = None
    faults: list[str] = msgspec.field(default_factory=list)

    def look(self, when: str, source: str) -> LookTaken | None:
        return next((one for one in self.looks if (one.when, one.source) == (when, source)), None)

    def fault(self, text: str) -> None:
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(text)


def read_story(records: Iterable[Record]) -> Story:
    """The story of a run, finished or not. Never fails."""
    story = Story()
    for record in records:
        if story.started is None and not isinstance(record, RunStarted):
            story.fault("the records do not begin with the start of the run")
        if story.ended is not None:
            story.fault("there are records after the end of the run")
        _take(story, record)
    _look_back(story)
    return story


def _take(story: Story, record: Record) -> None:
    match record:
        case RunStarted():
            if story.started is not None:
                story.fault("the run was started twice")
            story.started = story.started or record
        case Planned():
            _plan(story, record)
        case LookTaken():
            _look(story, record)
        case RunEnded():
            if story.ended is not None:
                story.fault("the run ended twice")
            story.ended = story.ended or record
        case Found(step=""):
            story.findings.append(record.finding)
        case KernelLogKept(step=""):
            story.kernel_logs.append(record)
        case _:
            step = story.steps.get(record.step)
            if step is None:
                story.fault(f"there are records of a step {record.step!r} that was not planned")
                if isinstance(record, Found):
                    story.findings.append(record.finding)
            else:
                _of_step(story, step, record)


def _plan(story: Story, record: Planned) -> None:
    if story.planned is not None:
        story.fault("the run was planned twice")
        return
    story.planned = record
    for planned in record.steps:
        if planned.name in story.steps:
            story.fault(f"the step {planned.name} was planned twice")
        else:
            story.steps[planned.name] = StepStory(planned)


def _look(story: Story, record: LookTaken) -> None:
    if story.look(record.when, record.source) is not None:
        story.fault(f"there are two looks at {record.source} {record.when} the load")
        return
    story.looks.append(record)
    if record.when == "before" and any(step.started for step in story.steps.values()):
        story.fault(f"the look at {record.source} before the load was taken after its begin")
    if record.when == "after" and any(step.started and not step.ended for step in story.steps.values()):
        story.fault(f"the look at {record.source} after the load was taken before its end")


def _of_step(
    story: Story,
    step: StepStory,
    record: StepStarted | CommandStarted | CommandEnded | Measured | Found | KernelLogKept | StepEnded,
) -> None:
    name = step.planned.name
    match record:
        case StepStarted():
            if step.started is not None:
                story.fault(f"the step {name} was started twice")
            if step.ended is not None:
                story.fault(f"the step {name} was started after its end")
            if any(one.when == "after" for one in story.looks):
                story.fault(f"the step {name} was started after the looks at the end")
            step.started = step.started or record
        case CommandStarted():
            step.commands.append(record)
        case CommandEnded():
            step.results.append(record)
        case Measured():
            step.measurements.append(record.measurement)
        case Found():
            step.findings.append(record.finding)
        case KernelLogKept():
            if step.kernel_log is not None:
                story.fault(f"the kernel messages of the step {name} were kept twice")
            step.kernel_log = record
            story.kernel_logs.append(record)
        case StepEnded():
            if step.ended is not None:
                story.fault(f"the step {name} ended twice")
            step.ended = step.ended or record
    if isinstance(record, CommandStarted | CommandEnded | Measured):
        if step.started is None:
            story.fault(f"the step {name} did something before its start")
        if step.ended is not None:
            story.fault(f"the step {name} did something after its end")
    if len(step.results) > len(step.commands):
        story.fault(f"a command of the step {name} ended that was not started")


def _look_back(story: Story) -> None:
    """What a run that went to its end must have."""
    if story.started is None:
        story.fault("the records do not say which run they are of")
    if story.ended is None or not isinstance(story.ended.outcome, Completed):
        return
    if story.planned is None:
        story.fault("nothing was planned")
    elif not story.steps:
        story.fault("the plan has no steps")
    for name, step in story.steps.items():
        if step.ended is None:
            story.fault(f"the step {name} was planned, and its end is not recorded")
        elif isinstance(step.ended.outcome, Completed) and step.started is None:
            story.fault(f"the step {name} ended without having been started")
        elif len(step.commands) != len(step.results):
            story.fault(
                f"the step {name} started {len(step.commands)} commands, and {len(step.results)} ended"
            )
