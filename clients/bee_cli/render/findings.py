"""What is wrong, the worst first, each with what to do about it."""

from bee_bus.documents.audit import Finding, Summary, Threshold
from bee_cli.render.page import QUIET, SEVERITY_STYLES, Page


def put_findings(page: Page, summary: Summary) -> None:
    if not summary.findings:
        return
    page.heading("findings")
    for number, finding in enumerate(summary.findings):
        if number:
            page.blank()
        put_finding(page, finding)


def put_finding(page: Page, finding: Finding) -> None:
    label = page.cell(f"{finding.severity.upper():<9}", SEVERITY_STYLES.get(finding.severity, ""))
    component = page.cell(finding.component, "bold")
    where = _where(finding)
    beside = page.fits(label.plain, component.plain, "  ", where)
    page.line(label, component, page.cell(f"  {where}") if where and beside else "")
    if where and not beside:
        page.line(where, indent=_TEXT_INDENT)
    page.line(finding.message, indent=_TEXT_INDENT)
    if judged := judgement(finding):
        page.line(page.cell(judged, QUIET), indent=_TEXT_INDENT)
    page.line(page.cell("Next: ", "bold"), finding.next_step, indent=_TEXT_INDENT)


_TEXT_INDENT = 11


def judgement(finding: Finding) -> str:
    """The value beside the limit that judged it: "value 103 %, limit 100 % (built-in: NVMe 2.0 fig. 207)"."""
    threshold = finding.threshold
    unit = threshold.unit if threshold else ""
    parts = []
    if finding.value is not None:
        parts.append(f"value {quantity(finding.value, unit)}")
    if threshold is not None:
        parts.append(f"limit {quantity(threshold.value, unit)} ({_source(threshold)})")
    return ", ".join(parts)


def quantity(value: float | str | bool, unit: str) -> str:
    """A number without needless digits, and its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:,.6g}".replace(",", "") if isinstance(value, float) else str(value)
    return f"{text} {unit}".rstrip()


def _source(threshold: Threshold) -> str:
    if threshold.layer == "device":
        return f"the device's own: {threshold.source}" if threshold.source else "the device's own"
    return f"{threshold.layer}: {threshold.source}"


def _where(finding: Finding) -> str:
    """The place, when it says more than the component's own name does."""
    section, _, component = finding.component.partition("/")
    return "" if finding.where in (finding.component, component or section) else finding.where
