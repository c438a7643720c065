"""summary.txt: a run in lines of ``name=value`` for scripts, and its findings as comments for people."""

import re
from collections.abc import Iterator

from bee_bus.documents.findings import Finding
from bee_bus.documents.sat import SatResult

_VALUE_LIMIT = 1000


def summary_text(result: SatResult) -> str:
    """Every value is one line, whatever the hardware has called itself."""
    return "".join(f"{line}\n" for line in _lines(result))


def _lines(result: SatResult) -> Iterator[str]:
    yield _line("run", result.run)
    yield _line("pack", result.pack)
    yield _line("overall_status", result.status)
    yield from _optional("overall_reason", result.reason)
    for step in result.steps:
        yield _line(f"{step.name}_status", step.status)
        yield from _optional(f"{step.name}_reason", step.reason)
    yield _line("host_name", result.host_name)
    yield from _optional("system_serial", result.system_serial)
    yield _line("started_at", result.started_at)
    yield from _optional("finished_at", result.finished_at)
    if result.duration_seconds is not None:
        yield _line("duration_seconds", f"{result.duration_seconds:g}")
    for name, value in sorted(result.options.items()):
        yield _line(f"option_{name}", value)
    yield _line("bee_version", result.bee_version)
    for finding in result.findings:
        yield from _finding("the run", finding)
    for step in result.steps:
        for finding in step.findings:
            yield from _finding(step.name, finding)


def _finding(source: str, finding: Finding) -> Iterator[str]:
    yield "#"
    yield f"# {finding.severity} in {one_line(source)}: {one_line(finding.message)}"
    yield f"#   where: {one_line(finding.where)}"
    if finding.threshold is not None:
        limit = finding.threshold
        value = f"{limit.value} {limit.unit}".strip()
        yield f"#   limit: {one_line(f'{limit.name} = {value} ({limit.layer}; {limit.source})')}"
    yield f"#   next: {one_line(finding.next_step)}"


def _line(name: str, value: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return f"{plain}={one_line(value)}"


def _optional(name: str, value: str | None) -> Iterator[str]:
    if value:
        yield _line(name, value)


def one_line(text: str) -> str:
    """Without what ends a line or drives a terminal."""
    clean = "".join(char if char.isprintable() else " " for char in text[: _VALUE_LIMIT + 1])
    return clean if len(clean) <= _VALUE_LIMIT else f"{clean[:_VALUE_LIMIT]}…"
