"""A run as JUnit XML, the way CI systems read it: one suite, a case for each step and one for the verdict.

There is no standard; this keeps to what Jenkins, GitLab and the Ant task agree on. CI systems take "skipped"
for harmless, so what was promised and could not be done makes the case of the verdict an error.
"""

from collections.abc import Callable
from datetime import datetime
from xml.etree import ElementTree

from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import Errored, SatResult, StepResult

Tail = Callable[[str], bytes]

VERDICT = "verdict"


def junit(result: SatResult, tail: Tail) -> bytes:
    """The document, UTF-8. ``tail(name)`` gives the end of an artifact, empty where there is none."""
    class_name = f"bee.sat.{result.pack}"
    cases = [_step_case(class_name, step, tail) for step in result.steps]
    cases.append(_verdict_case(class_name, result))
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    totals = {name: str(count) for name, count in counts.items()}
    time = _time(result.duration_seconds)
    suites = ElementTree.Element("testsuites", {"name": "bee sat", **totals, **time})
    named = {
        "name": clean(f"bee.sat.{result.pack}.{result.run}"),
        "hostname": clean(result.host_name),
        "timestamp": _timestamp(result.started_at),
    }
    suite = ElementTree.SubElement(suites, "testsuite", {**named, **totals, **time})
    suite.append(_properties(result))
    suite.extend(cases)
    ElementTree.indent(suites)
    text: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _step_case(class_name: str, step: StepResult, tail: Tail) -> ElementTree.Element:
    case = _case(class_name, step.name, step.duration_seconds)
    details = "\n\n".join(_in_words(one) for one in step.findings)
    if step.status == "FAILED" and not isinstance(step.outcome, Errored):
        _add(case, "failure", step.status, step.reason, details)
    elif step.status == "UNSUPPORTED":
        _add(case, "skipped", None, step.reason, "")
    elif step.status != "OK":
        _add(case, "error", step.status, step.reason, details)
    output = [f"$ {' '.join(step.command)}"] if step.command else []
    output += [f"exit status {step.exit_code}"] if step.exit_code is not None else []
    output += [tail(step.output).decode("utf-8", "replace")] if step.output else []
    if output:
        ElementTree.SubElement(case, "system-out").text = clean("\n".join(output))
    if step.status == "OK" and details:
        ElementTree.SubElement(case, "system-err").text = clean(details)
    return case


def _verdict_case(class_name: str, result: SatResult) -> ElementTree.Element:
    case = _case(class_name, VERDICT, 0.0)
    details = "\n\n".join(_in_words(one) for one in result.findings)
    if result.status == "FAILED":
        _add(case, "failure", result.status, result.reason, details)
    elif result.status != "OK":
        _add(case, "error", result.status, result.reason, details)
    elif details:
        ElementTree.SubElement(case, "system-err").text = clean(details)
    return case


def _case(class_name: str, name: str, seconds: float | None) -> ElementTree.Element:
    return ElementTree.Element(
        "testcase", {"classname": clean(class_name), "name": clean(name), **_time(seconds)}
    )


def _add(case: ElementTree.Element, tag: str, kind: str | None, reason: str, details: str) -> None:
    attributes = {"message": clean(reason), **({"type": kind} if kind else {})}
    ElementTree.SubElement(case, tag, attributes).text = clean(details) or None


def _in_words(finding: Finding) -> str:
    lines = [
        f"{finding.severity}: {finding.message}",
        f"rule: {finding.rule}",
        f"where: {finding.where}",
        f"next step: {finding.next_step}",
    ]
    if finding.threshold is not None:
        limit = finding.threshold
        lines.insert(2, f"limit: {limit.name} = {limit.value} {limit.unit} ({limit.source})")
    return "\n".join(lines)


def _properties(result: SatResult) -> ElementTree.Element:
    values = {
        "run": result.run,
        "pack": result.pack,
        "overall_status": result.status,
        "bee_version": result.bee_version,
        "system_serial": result.system_serial or "",
        "kernel_release": result.kernel_release,
        **{f"option.{name}": value for name, value in sorted(result.options.items())},
    }
    properties = ElementTree.Element("properties")
    for name, value in values.items():
        if value:
            ElementTree.SubElement(properties, "property", {"name": clean(name), "value": clean(value)})
    return properties


def _time(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"time": f"{seconds:.3f}"}


def _timestamp(at: str) -> str:
    """UTC, without fraction and zone, which is all that the schemas in use take."""
    try:
        return datetime.fromisoformat(at).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return "1970-01-01T00:00:00"


def clean(text: str) -> str:
    """Without the characters that XML 1.0 §2.2 does not allow in any form."""
    return "".join(char if _is_allowed(ord(char)) else "\ufffd" for char in text)


def _is_allowed(code: int) -> bool:
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )
