"""A run as Open Compute diagnostic results: JSON Lines of the OCP Test and Validation output, version 2.0.

A run's findings about the machine as a whole, and its counters, belong to no step of the run; in OCP a
diagnosis always does, so they are told in a step of their own, "machine".
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import Any

import msgspec

from bee_bus.documents.findings import Finding, Threshold
from bee_bus.documents.sat import Completed, Measurement, RunStatus, SatResult, StepResult
from bee_sat.judge import NO_VERDICT

MACHINE_STEP = "machine"
_NO_TIME = "1970-01-01T00:00:00Z"
# The combinations that the specification allows: what was not carried out to its end has no result. SKIP is
# for what does not apply and for what somebody told to end, ERROR for what broke.
_RUN_ENDS: dict[RunStatus, tuple[str, str]] = {
    "OK": ("COMPLETE", "PASS"),
    "FAILED": ("COMPLETE", "FAIL"),
    "UNSUPPORTED": ("SKIP", "NOT_APPLICABLE"),
    "ABORTED": ("SKIP", "NOT_APPLICABLE"),
    "INTERRUPTED": ("ERROR", "NOT_APPLICABLE"),
    "RUNNING": ("ERROR", "NOT_APPLICABLE"),
}
_SKIPPED = ("UNSUPPORTED", "ABORTED")
_DIAGNOSES = {"Critical": "FAIL", "Unknown": "UNKNOWN"}

Artifact = dict[str, Any]


def ocp_lines(result: SatResult) -> Iterator[bytes]:
    """The artifacts, a line each."""
    numbers = count()
    last = _NO_TIME
    for at, artifact in _artifacts(result):
        last = _time(at) or last
        line = {"sequenceNumber": next(numbers), "timestamp": last, **artifact}
        yield msgspec.json.encode(line) + b"\n"


def _artifacts(result: SatResult) -> Iterator[tuple[str | None, Artifact]]:
    begin, end = result.started_at, result.finished_at
    yield begin, {"schemaVersion": {"major": 2, "minor": 0}}
    yield begin, {"testRunArtifact": {"testRunStart": _run_start(result)}}
    for number, step in enumerate(result.steps):
        for at, artifact in _step(step):
            yield at, {"testStepArtifact": {"testStepId": str(number), **artifact}}
    for artifact in _machine(result):
        yield end, {"testStepArtifact": {"testStepId": str(len(result.steps)), **artifact}}
    if result.reason:
        yield end, {"testRunArtifact": {"error": {"symptom": result.status, "message": result.reason}}}
    status, verdict = _RUN_ENDS[result.status]
    yield end, {"testRunArtifact": {"testRunEnd": {"status": status, "result": verdict}}}


def _run_start(result: SatResult) -> Artifact:
    options = " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in result.options.items() if value
    )
    return {
        "name": f"bee-sat-{result.pack}",
        "version": result.bee_version,
        "commandLine": f"bee sat {result.pack} {options}".strip(),
        "parameters": result.options,
        "dutInfo": {
            "dutInfoId": result.system_serial or result.host_name,
            "name": result.host_name,
            "softwareInfos": [
                {
                    "softwareInfoId": "kernel",
                    "name": "Linux",
                    "version": result.kernel_release,
                    "softwareType": "SYSTEM",
                },
                {
                    "softwareInfoId": "bee",
                    "name": "bee",
                    "version": result.bee_version,
                    "softwareType": "APPLICATION",
                },
            ],
            "hardwareInfos": _hardware(result),
        },
        "metadata": {"run": result.run, "boot_id": result.boot_id, "resources": ", ".join(result.resources)},
    }


def _hardware(result: SatResult) -> list[Artifact]:
    """The components that something is said of."""
    places: dict[str, str] = {}
    for finding in (*result.findings, *(one for step in result.steps for one in _of_hardware(step))):
        places.setdefault(finding.component, finding.where)
    for component in (
        *(one.component for step in result.steps for one in step.measurements if one.component),
        *(one.component for one in result.counters),
    ):
        places.setdefault(component, "")
    return [
        {"hardwareInfoId": component, "name": component, **({"location": where} if where else {})}
        for component, where in sorted(places.items())
    ]


def _step(step: StepResult) -> Iterator[tuple[str | None, Artifact]]:
    begin, end = step.started_at, step.finished_at
    yield begin, {"testStepStart": {"name": step.name}}
    if step.command:
        yield begin, _log("INFO", f"{step.title}: {' '.join(step.command)}")
    if step.output is not None:
        yield (
            end,
            {
                "file": {
                    "displayName": step.output,
                    "uri": step.output,
                    "contentType": "text/plain",
                    "isSnapshot": False,
                }
            },
        )
    for measurement in step.measurements:
        yield end, {"measurement": _measurement(measurement)}
    for artifact in _findings(_of_hardware(step)):
        yield end, artifact
    yield end, _step_verdict(step)
    yield end, {"testStepEnd": {"status": _step_status(step)}}


def _of_hardware(step: StepResult) -> list[Finding]:
    """Without that a step gave no verdict: here that is an error of the step, and no diagnosis."""
    return [one for one in step.findings if one.rule != NO_VERDICT]


def _step_verdict(step: StepResult) -> Artifact:
    """What a step that was carried out has found; of another why it was not."""
    if isinstance(step.outcome, Completed):
        passed = step.status == "OK"
        diagnosis = {
            "verdict": f"{step.name}-{'pass' if passed else 'fail'}",
            "type": "PASS" if passed else "FAIL",
        }
        return {"diagnosis": {**diagnosis, **({"message": step.reason} if step.reason else {})}}
    if step.status in _SKIPPED:
        return _log("WARNING", f"{step.status}: {step.reason}")
    advice = " ".join(one.next_step for one in step.findings if one.rule == NO_VERDICT)
    message = f"{step.reason}. Next step: {advice}" if advice else step.reason
    return {"error": {"symptom": step.status, "message": message}}


def _step_status(step: StepResult) -> str:
    if isinstance(step.outcome, Completed):
        return "COMPLETE"
    return "SKIP" if step.status in _SKIPPED else "ERROR"


def _machine(result: SatResult) -> Iterator[Artifact]:
    yield {"testStepStart": {"name": MACHINE_STEP}}
    for change in result.counters:
        for when, value in (("before", change.before), ("after", change.after)):
            if value is not None:
                measured = Measurement(name=f"{change.name} {when}", value=value, component=change.component)
                yield {"measurement": _measurement(measured)}
    yield from _findings(result.findings)
    if not any(one.severity in _DIAGNOSES for one in result.findings):
        looked = bool(result.looks) and not any(look.error for look in result.looks)
        kind = "PASS" if looked and result.status == "OK" else "UNKNOWN"
        yield {"diagnosis": {"verdict": f"{MACHINE_STEP}-{kind.lower()}", "type": kind}}
    yield {"testStepEnd": {"status": "COMPLETE"}}


def _findings(findings: Iterable[Finding]) -> Iterator[Artifact]:
    for finding in findings:
        message = f"{finding.message} ({finding.where}). Next step: {finding.next_step}"
        if finding.severity == "Warning":
            yield _log("WARNING", f"{finding.rule}: {message}")
            continue
        yield {
            "diagnosis": {
                "verdict": finding.rule.replace(".", "-"),
                "type": _DIAGNOSES[finding.severity],
                "message": message,
                "hardwareInfoId": finding.component,
            }
        }


def _measurement(measurement: Measurement) -> Artifact:
    artifact: Artifact = {"name": measurement.name, "value": measurement.value}
    if measurement.unit:
        artifact["unit"] = measurement.unit
    if measurement.component:
        artifact["hardwareInfoId"] = measurement.component
    if measurement.threshold is not None:
        artifact.update(_limit(measurement, measurement.threshold))
    return artifact


def _limit(measurement: Measurement, limit: Threshold) -> Artifact:
    """The limit as a validator, where it is known on which side of it the value must be."""
    told = {"limit": limit.name, "source": limit.source, "layer": limit.layer}
    sides = {"at-least": "GREATER_THAN_OR_EQUAL", "at-most": "LESS_THAN_OR_EQUAL"}
    if measurement.wanted is None:
        return {"metadata": {**told, "value": limit.value}}
    validator = {
        "name": limit.name,
        "type": sides[measurement.wanted],
        "value": limit.value,
        "metadata": told,
    }
    return {"validators": [validator]}


def _log(severity: str, message: str) -> Artifact:
    return {"log": {"severity": severity, "message": message}}


def _time(at: str | None) -> str | None:
    """None for what is no time."""
    try:
        when = datetime.fromisoformat(at or "")
    except ValueError:
        return None
    return at if at and at.endswith("Z") and when.tzinfo is not None else None
