"""What stands beside a finding's message: the place, the value and the limit that judged it."""

from bee_bus.documents.findings import Finding, Threshold


def place(finding: Finding) -> str:
    """Where it is, when that says more than the component's own name does."""
    section, _, component = finding.component.partition("/")
    return "" if finding.where in (finding.component, component or section) else finding.where


def value_words(finding: Finding) -> str:
    """ "103 %"; empty where no value was judged."""
    if finding.value is None:
        return ""
    return quantity(finding.value, finding.threshold.unit if finding.threshold else "")


def limit_words(finding: Finding) -> str:
    """ "100 % (built-in: NVMe 2.0 fig. 207)"; empty where there is no limit."""
    threshold = finding.threshold
    return f"{quantity(threshold.value, threshold.unit)} ({_source(threshold)})" if threshold else ""


def quantity(value: float | str | bool, unit: str) -> str:
    """A number without needless digits, and its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".rstrip()


def _source(threshold: Threshold) -> str:
    if threshold.layer == "device":
        return f"the device's own: {threshold.source}" if threshold.source else "the device's own"
    return f"{threshold.layer}: {threshold.source}"
